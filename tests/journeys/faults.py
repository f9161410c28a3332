"""What really happens to databases: they go, they fill up, they say nothing; each ends with its block."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

import psutil
from sqlalchemy import make_url

from benchmarks.ledger_databases import Databases
from tests.journeys.conftest import Served

SEGMENT = 16 * 2**20  # a file of PostgreSQL's log, which has to fit even when no table can grow
# Rows that stay in the table itself: short enough for that, and too random to be pressed together.
FILLING = """
    INSERT INTO answers
    SELECT 'test:filling', n::text, 'sha256:0', 201,
        (SELECT '"' || string_agg(md5(random()::text), '') || '"' FROM generate_series(1, 30) WHERE n > 0),
        '{}', '2026-11-20T12:00:00Z'
    FROM generate_series(1, 18000) n
"""


def fault(name: str, made: Databases, served: Served, url: str) -> AbstractContextManager[None]:
    """A fault of the database at `url`, on which a service runs."""
    file = Path(make_url(url).database or "")
    if url.startswith("sqlite"):
        return {"gone": moved(file), "full": limited(served, file), "slow": locked(file)}[name]
    return {"gone": stopped(made), "full": no_growth(made, url), "slow": silent(made)}[name]


@contextmanager
def moved(file: Path) -> Iterator[None]:
    """The folder of a SQLite file is elsewhere."""
    elsewhere = file.parent.rename(file.parent.with_suffix(".moved"))
    yield
    elsewhere.rename(file.parent)


@contextmanager
def limited(served: Served, file: Path) -> Iterator[None]:
    """No file of the service's process may grow beyond what the write-ahead log is now."""
    worker = served.running.worker
    before = worker.rlimit(psutil.RLIMIT_FSIZE)
    worker.rlimit(psutil.RLIMIT_FSIZE, (file.with_name(f"{file.name}-wal").stat().st_size, before[1]))
    yield
    worker.rlimit(psutil.RLIMIT_FSIZE, before)


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Another process writes and does not come to an end."""
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


@contextmanager
def stopped(made: Databases) -> Iterator[None]:
    """The server is shut down."""
    made.server.stop()
    yield
    made.server.ensure_postgres_running()


@contextmanager
def silent(made: Databases) -> Iterator[None]:
    """Every process of the server is suspended: it takes connections and questions, and says nothing."""
    family = processes(made)
    for process in family:
        process.suspend()
    yield
    for process in family:
        process.resume()


@contextmanager
def no_growth(made: Databases, url: str) -> Iterator[None]:
    """No file of the server may grow beyond 16 MB, and the table of answers is larger already."""
    made.run(FILLING, url=url)
    limit(made, f"{SEGMENT}:unlimited")
    yield
    limit(made, "unlimited")


def limit(made: Databases, size: str) -> None:
    """Set the largest size of a file for the server's processes, by the server: it runs as another user."""
    each = "; ".join(f"prlimit --pid={process.pid} --fsize={size}" for process in processes(made))
    made.run(f"COPY (SELECT 1) TO PROGRAM 'cat >/dev/null; {each}; true'")  # some may have ended meanwhile


def processes(made: Databases) -> list[psutil.Process]:
    """The server and all that it started."""
    server = psutil.Process(made.server.get_pid())
    return [server, *server.children(recursive=True)]
