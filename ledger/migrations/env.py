"""Runs the migrations on the connection that `Ledger.migrate` hands over, in its transaction."""

from alembic import context

from ledger.schema.columns import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
