"""Triggers by which the database itself refuses to change or delete history."""

from __future__ import annotations

from sqlalchemy import Connection, text

REFUSAL = "the ledger only appends: history is never changed or deleted"


def prepare(connection: Connection) -> None:
    """Make what the triggers of PostgreSQL call; nothing on SQLite."""
    if connection.dialect.name == "postgresql":
        connection.execute(
            text(
                "CREATE FUNCTION recoup_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
                f"RAISE EXCEPTION '{REFUSAL}' USING ERRCODE = 'integrity_constraint_violation'; END $$"
            )
        )


def protect(connection: Connection, table: str) -> None:
    """Refuse every UPDATE, DELETE and TRUNCATE of a table."""
    if connection.dialect.name == "postgresql":
        connection.execute(
            text(
                f"CREATE TRIGGER {table}_only_appends BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
                "FOR EACH STATEMENT EXECUTE FUNCTION recoup_refuse_change()"
            )
        )
        return
    for change in ("UPDATE", "DELETE"):
        connection.execute(
            text(
                f"CREATE TRIGGER {table}_no_{change.lower()} BEFORE {change} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END"
            )
        )


def unprotect(connection: Connection, table: str) -> None:
    """Let a migration change a table, within its transaction; `protect` it again at the end."""
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"DROP TRIGGER {table}_only_appends ON {table}"))
        return
    for change in ("update", "delete"):
        connection.execute(text(f"DROP TRIGGER {table}_no_{change}"))
