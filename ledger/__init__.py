"""The only door to the database: schema, migrations, store, outbox, chain."""
