"""The kinds of column the ledger knows, and the shape that all history tables share."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)

from features.returns import BadInputError

# An INTEGER PRIMARY KEY is SQLite's own row id: one index fewer.
Sequence: Final = BigInteger().with_variant(Integer, "sqlite")

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

_SPELT: Final = len("2026-01-01 00:00:00.000000")


class Utc(TypeDecorator[datetime]):
    """A moment in UTC with microseconds, the same on both databases."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Turn an aware moment into UTC; refuse one without a zone."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise BadInputError("the ledger needs a time with its zone; add one such as Z.")
        moment = value.astimezone(UTC)
        # SQLite keeps text without a zone; equal lengths keep text order equal to time order.
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], Any] | None:
        """The same for SQLite in one step, spelt as SQLAlchemy spells it."""
        if dialect.name != "sqlite":
            return super().bind_processor(dialect)

        def process(value: Any) -> str | None:
            if type(value) is datetime and value.tzinfo is UTC:
                return value.isoformat(" ", "microseconds")[:_SPELT]
            moment = self.process_bind_param(value, dialect)
            return None if moment is None else moment.isoformat(" ", "microseconds")

        return process

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give the moment back, aware."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if dialect.name == "sqlite" else value.astimezone(UTC)


class Words(TypeDecorator[str]):
    """Text, an enumeration's members by their value, on both databases."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        """Refuse the one character that PostgreSQL's text cannot hold."""
        if value is None:
            return None
        if "\0" in value:
            raise BadInputError("a text holds the character NUL; leave it out.")
        # psycopg would send an enumeration's name, not its value.
        return str(value)

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], Any]:
        """The same in one step where it is plain text, as nearly all of it is."""

        def process(value: Any) -> str | None:
            plain = type(value) is str and "\0" not in value
            return value if plain else self.process_bind_param(value, dialect)

        return process


class Json(TypeDecorator[Any]):
    """JSON kept as text, so that it comes back in the order and with the numbers it was written in."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str:  # noqa: ARG002
        """Write compact JSON; NaN and infinity are refused."""
        return value if type(value) is Written else json_text(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:  # noqa: ARG002
        """Read it back."""
        return None if value is None else json.loads(value)


class Written(str):
    """JSON that has been written already."""

    __slots__ = ()


_write: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


def json_text(value: Any) -> Written:
    """Write compact JSON, order kept; NaN, infinity and foreign types are refused."""
    try:
        return Written(_write(value))
    except (TypeError, ValueError) as error:
        raise BadInputError(f"a body of the ledger must be plain JSON: {error}.") from error


def history(name: str, *parts: Column[Any] | UniqueConstraint | Index) -> Table:
    """Declare a table whose rows are witnessed by the chain entry of the same `seq` and never change."""
    # Deferred: the entries of a transaction are written together at its end.
    witness = ForeignKey("entries.seq", deferrable=True, initially="DEFERRED")
    return Table(
        name,
        metadata,
        Column("seq", Sequence, witness, primary_key=True, autoincrement=False),
        moment("at"),
        *texts("actor"),
        *parts,
        info={"protected": True},
    )


def identity() -> Column[str]:
    """A record's own id, unique in its table."""
    return Column("id", Words, nullable=False, unique=True)


def texts(*names: str) -> tuple[Column[str], ...]:
    """Words that is always there."""
    return tuple(Column(name, Words, nullable=False) for name in names)


def maybe_texts(*names: str) -> tuple[Column[str], ...]:
    """Words that may be missing."""
    return tuple(Column(name, Words, nullable=True) for name in names)


def bodies(*names: str) -> tuple[Column[Any], ...]:
    """JSON that is always there."""
    return tuple(Column(name, Json, nullable=False) for name in names)


def counts(*names: str) -> tuple[Column[int], ...]:
    """Whole numbers of 64 bits: quantities, sequence numbers, money in minor units."""
    return tuple(Column(name, BigInteger, nullable=False) for name in names)


def amount(name: str, *, nullable: bool = False) -> tuple[Column[int], Column[str]]:
    """Money: minor units and their currency, never a float."""
    return Column(name, BigInteger, nullable=nullable), Column("currency", Words, nullable=nullable)


def moment(name: str, *, nullable: bool = False) -> Column[datetime]:
    """A time in UTC."""
    return Column(name, Utc, nullable=nullable)


def flag(name: str, *, nullable: bool = False) -> Column[bool]:
    """Yes or no."""
    return Column(name, Boolean, nullable=nullable)


def refers(name: str, target: str, *, primary_key: bool = False) -> Column[str]:
    """The id of a row that must be there."""
    return Column(name, Words, ForeignKey(target), nullable=False, primary_key=primary_key)


def key(name: str) -> Column[str]:
    """One text part of a primary key."""
    return Column(name, Words, primary_key=True)
