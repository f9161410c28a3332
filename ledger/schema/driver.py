"""Statements that never change, compiled once and handed to the driver as they are.

SQLAlchemy still writes the SQL and converts the values, both ways; what is left out is its own way from a
statement to a cursor, which takes several times as long as the database does. Where somebody listens to the
statements of an engine, such as a tracer, they take SQLAlchemy's way after all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Dialect, Insert, Select, Update
from sqlalchemy.exc import DBAPIError, StatementError

from features.returns import RecoupError

Convert = Callable[[Any], Any]
_DEFERRED: Final = "__[POSTCOMPILE"  # how SQLAlchemy marks what it writes only when it knows the values


@dataclass(frozen=True, slots=True)
class Prepared:
    """A statement in the words of one database, and how its values are written and read.

    Parameters
    ----------
    binds : tuple of (str, function or None)
        What it asks for, each once, and how that is written.
    places : tuple of int or None
        Which of them each question mark stands for; None where they go by name.
    """

    text: str
    binds: tuple[tuple[str, Convert | None], ...]
    given: Mapping[str, Any]
    places: tuple[int, ...] | None
    names: tuple[str, ...]
    reads: tuple[tuple[int, Convert], ...]

    def parameters(self, values: Mapping[str, Any]) -> Any:
        """The values as the driver takes them; what is not given is null, or what the statement says."""
        given = self.given
        written = [
            given[name] if name in given else convert(values.get(name)) if convert else values.get(name)
            for name, convert in self.binds
        ]
        if self.places is None:
            return {name: value for (name, _), value in zip(self.binds, written, strict=True)}
        return [written[place] for place in self.places]

    def row(self, found: Sequence[Any]) -> dict[str, Any]:
        """A row by name."""
        row = list(found)
        for place, convert in self.reads:
            row[place] = convert(row[place])
        return dict(zip(self.names, row, strict=True))


class Fixed:
    """A statement of SQLAlchemy that is the same each time, its values apart.

    Parameters
    ----------
    columns : iterable of str
        Of an insert: what each row may give.
    """

    def __init__(self, statement: Any, *, columns: Iterable[str] = ()) -> None:
        self.statement: Select[Any] | Insert | Update = statement
        self._columns = list(columns) or None
        self._prepared: dict[str, Prepared] = {}

    def on(self, dialect: Dialect) -> Prepared:
        """The statement as a database reads it."""
        known = self._prepared.get(dialect.name)
        if known is None:
            known = self._prepared[dialect.name] = self._prepare(dialect)
        return known

    def _prepare(self, dialect: Dialect) -> Prepared:
        compiled: Any = self.statement.compile(dialect=dialect, column_keys=self._columns)
        assert _DEFERRED not in compiled.string
        given = {}
        for name, value in compiled.params.items():
            if not compiled.binds[name].required and value is not None:
                convert = _writer(compiled.binds[name], dialect)
                given[name] = convert(value) if convert else value
        order = compiled.positiontup if compiled.positional else list(compiled.params)
        asked = list(dict.fromkeys(order))
        columns = list(getattr(self.statement, "exported_columns", ()) or ())
        readers = [one.type.dialect_impl(dialect).result_processor(dialect, None) for one in columns]
        return Prepared(
            compiled.string,
            tuple((name, _writer(compiled.binds[name], dialect)) for name in asked),
            given,
            tuple(map(asked.index, order)) if compiled.positional else None,
            tuple(one.name for one in columns),
            tuple((place, convert) for place, convert in enumerate(readers) if convert),
        )


def _writer(bind: Any, dialect: Dialect) -> Convert | None:
    convert: Convert | None = bind.type.dialect_impl(dialect).bind_processor(dialect)
    return convert


class Driver:
    """The driver's own connection under a transaction of SQLAlchemy's."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._dialect = connection.dialect
        self._direct: Any = connection.connection.driver_connection
        self._errors: Any = connection.dialect.loaded_dbapi.Error
        listeners = connection.engine.dispatch
        self.is_watched = bool(listeners.before_cursor_execute or listeners.after_cursor_execute)

    def all(self, fixed: Fixed, values: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Run a statement and return its rows."""
        prepared = fixed.on(self._dialect)
        return [prepared.row(found) for found in self._run(prepared, values).fetchall()]

    def first(self, fixed: Fixed, values: Mapping[str, Any]) -> dict[str, Any] | None:
        """Run a statement and return its first row, or None."""
        prepared = fixed.on(self._dialect)
        found = self._run(prepared, values).fetchone()
        return None if found is None else prepared.row(found)

    def do(self, fixed: Fixed, values: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> None:
        """Run a statement that returns nothing, once for each of the given rows."""
        prepared = fixed.on(self._dialect)
        if isinstance(values, Mapping):
            self._run(prepared, values)
            return
        rows = [self._written(prepared, row) for row in values]
        try:
            self._direct.cursor().executemany(prepared.text, rows)
        except self._errors as error:
            raise self._wrapped(prepared, error) from error

    def _run(self, prepared: Prepared, values: Mapping[str, Any]) -> Any:
        written = self._written(prepared, values)
        try:
            return self._direct.execute(prepared.text, written)
        except self._errors as error:
            raise self._wrapped(prepared, error) from error

    @staticmethod
    def _written(prepared: Prepared, values: Mapping[str, Any]) -> Any:
        try:
            return prepared.parameters(values)
        except RecoupError:
            raise
        except (TypeError, ValueError) as error:
            raise StatementError(str(error), prepared.text, None, error) from error

    def _wrapped(self, prepared: Prepared, error: Exception) -> BaseException:
        """The driver's error as SQLAlchemy tells it; a connection that is lost is used no more."""
        lost = self._dialect.is_disconnect(error, self._direct, None)  # type: ignore[arg-type]
        if lost:
            self._connection.invalidate(error)
        return DBAPIError.instance(
            prepared.text,
            None,
            error,
            self._errors,
            hide_parameters=True,
            connection_invalidated=lost,
            dialect=self._dialect,
        )
