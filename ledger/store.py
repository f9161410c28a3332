"""The ledger: one door to the database, SQLite or PostgreSQL, one writer at a time.

Writers take turns on both databases (BEGIN IMMEDIATE; the locked head row), so that what a writer reads
cannot change before it commits: no credit is given twice, no chain forks, no two transactions deadlock.
"""

from __future__ import annotations

import math
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from datetime import datetime
from pathlib import Path
from threading import Lock
from typing import Any, Final

import psycopg
from alembic import command
from alembic.config import Config
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from psycopg.abc import RV, PQGen
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text, update
from sqlalchemy.exc import (
    ArgumentError,
    DatabaseError,
    DataError,
    DisconnectionError,
    IntegrityError,
    InterfaceError,
    ProgrammingError,
    StatementError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from features.returns import BadInputError, RecoupError
from ledger.approvals import Approvals
from ledger.audit import Audit, Verification
from ledger.chain import ConflictError, LedgerUnavailableError, locked_head
from ledger.checkpoints import Checkpoint
from ledger.evidence import Evidence
from ledger.forecasts import Forecasts
from ledger.outbox import Outbox, Queue
from ledger.reference import Kept
from ledger.schema import REVISION, chain_head
from ledger.tracing import trace

MIGRATIONS: Final = Path(__file__).parent / "migrations"
MIGRATION_LOCK: Final = 7310293  # any number that no one else on the database server uses
CONNECT_SECONDS: Final = 2  # the least that the driver takes
LEAST_SECONDS: Final = 1.0  # any server may think for so long
CONNECTIONS: Final = 15
LOOKS_EVERY: Final = 0.0002  # seconds between two looks whether another process has done writing
ERASABLE: Final = ("personal", "subjects", "answers")


class Transaction(Approvals, Evidence, Forecasts, Outbox, Audit):
    """Everything that can be read and appended, within one database transaction."""


class Ledger:
    """The ledger behind a database URL; opens connections when used, recovers when the database does.

    Parameters
    ----------
    url : str
        `sqlite:///path/to/file` or `postgresql+psycopg://…`.
    lock_seconds : float
        How long a caller waits, half for a connection and half for a writer's turn, before it is given up
        with `LedgerUnavailableError`; a statement of a slow server takes no longer either.
    pool_size : int
        Connections kept open, of `CONNECTIONS` at most.
    """

    def __init__(self, url: str, *, lock_seconds: float = 5.0, pool_size: int = 5) -> None:
        self._engine = _engine(url, lock_seconds=lock_seconds, pool_size=pool_size)
        self._lock_seconds = lock_seconds
        self._registers: Kept = {}
        self._failed_at = -math.inf  # by the monotonic clock
        # SQLite's writers look for their turn at intervals; those of one process hand it on at once.
        self._turn = Lock()
        self._line = Lock()  # see `in_line`

    def migrate(self, *, to: str = "head") -> None:
        """Bring the database's schema to the version of this code; safe to run from several replicas."""
        if self._engine.dialect.name == "sqlite":
            with suppress(OSError):  # connecting says it better
                Path(self._engine.url.database or "").touch()
        with _refusals(), self._begin(exclusive=True, long=True) as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
            config = Config()
            config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
            config.attributes["connection"] = connection
            command.upgrade(config, to)

    def ping(self) -> None:
        """Return if the database answers, has this code's schema and takes what is written.

        Raises
        ------
        LedgerUnavailableError
            Otherwise, saying which.
        """
        try:
            with _refusals(), self._begin() as connection:
                found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
        except ProgrammingError:
            found = None
        if found != REVISION:
            raise LedgerUnavailableError("the ledger's schema is not of this version; run recoup migrate.")
        with _refusals(), self._begin(exclusive=True) as connection:
            connection.execute(update(chain_head).values(seq=chain_head.c.seq))

    @property
    def failed_lately(self) -> bool:
        """Whether a write failed a moment ago: a full disk answers a ping and takes what still fits."""
        return time.monotonic() - self._failed_at < self._lock_seconds

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def traced(self, provider: Any) -> None:
        """Have statements make spans of an OpenTelemetry provider."""
        trace(self._engine, provider)

    @contextmanager
    def read(self) -> Iterator[Transaction]:
        """Open a transaction that reads one consistent state."""
        with _refusals(), self._begin() as connection:
            yield Transaction(connection, None, self._registers)

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        """Open a transaction that reads and appends; all of it is committed at the end, or none.

        Raises
        ------
        LedgerUnavailableError
            If the database is gone, full, or another writer holds it for too long.
        ConflictError
            If what was written contradicts what is there.
        """
        try:
            with _refusals(), self._begin(exclusive=True) as connection:
                transaction = Transaction(connection, locked_head(connection), self._registers)
                yield transaction
                transaction.flush()
        except LedgerUnavailableError:
            self._failed_at = time.monotonic()
            raise

    @contextmanager
    def in_line(self) -> Iterator[None]:
        """Wait for others of this process who read and then write, on SQLite; elsewhere they work at once.

        A connection to SQLite reads its pages anew after another has written: what is done side by side takes
        more of the processor than what is done in turn.
        """
        with self._alone(self._line) if self._engine.dialect.name == "sqlite" else nullcontext():
            yield

    @contextmanager
    def queue(self) -> Iterator[Queue]:
        """Open a transaction on the deliveries alone, which waits for no other writer on PostgreSQL."""
        with _refusals(), self._begin(exclusive=True) as connection:
            yield Queue(connection)

    def verify(self, key: Ed25519PublicKey | None = None) -> Verification:
        """Verify the chain, every row that it witnesses and, given a key, that it signed."""
        with self._read_long() as transaction:
            return transaction.verification(key)

    def checkpoint(self, key: Ed25519PrivateKey, *, at: datetime) -> Checkpoint:
        """Sign the chain's end."""
        with self.write() as transaction:
            return transaction.checkpoint(key, at=at)

    def compact(self) -> None:
        """Give back what erased rows took, so that their bytes are nowhere in the database's files."""
        if self._engine.dialect.name == "postgresql":
            steps = ["SET statement_timeout = 0", *(f"VACUUM FULL {name}" for name in ERASABLE)]
        else:
            steps = ["VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)"]
        with _refusals(), self._engine.connect() as connection:
            # Neither database does this inside a transaction, so past SQLAlchemy's own.
            driver: Any = connection.connection.driver_connection
            if self._engine.dialect.name == "postgresql":
                driver.patience = None
                driver.autocommit = True
            for step in steps:
                driver.execute(step)
            connection.invalidate()

    def dump(self, path: Path) -> Verification:
        """Write the chain to a file that `audit.verify_dump` can verify without a database."""
        with self._read_long() as transaction:
            return transaction.dump(path)

    @contextmanager
    def _read_long(self) -> Iterator[Transaction]:
        """Read for as long as it takes: nobody waits for an audit's answer at the other end of a request."""
        with _refusals(), self._begin(long=True) as connection:
            yield Transaction(connection, None, self._registers)

    @contextmanager
    def _begin(self, *, exclusive: bool = False, long: bool = False) -> Iterator[Connection]:
        options: dict[str, Any] = {"exclusive": exclusive}
        server = self._engine.dialect.name == "postgresql"
        if server:
            options |= {
                "isolation_level": "READ COMMITTED" if exclusive else "REPEATABLE READ",
                "postgresql_readonly": not exclusive,
            }
        with (
            self._engine.connect() as connection,
            self._alone(self._turn) if exclusive and not server else nullcontext(),
            connection.execution_options(**options).begin(),
        ):
            if long and connection.dialect.name == "postgresql":
                driver: Any = connection.connection.driver_connection
                driver.patience = None
                connection.execute(text("SET LOCAL statement_timeout = 0"))
            yield connection

    @contextmanager
    def _alone(self, lock: Lock) -> Iterator[None]:
        """Hold a lock that all of this process share."""
        if not lock.acquire(timeout=self._lock_seconds / 2):
            raise LedgerUnavailableError("another request holds the ledger for too long.")
        try:
            yield
        finally:
            lock.release()


@contextmanager
def _refusals() -> Iterator[None]:
    """Turn the database's errors into the ledger's, which know their status."""
    try:
        yield
    except IntegrityError as error:
        raise ConflictError("the record contradicts one that the ledger already holds.") from error
    except (DataError, OverflowError, UnicodeEncodeError) as error:
        raise BadInputError("a value is outside what the ledger can keep; check numbers and text.") from error
    except ProgrammingError:
        raise
    except (DatabaseError, InterfaceError, PoolTimeoutError) as error:
        raise LedgerUnavailableError(f"the ledger's database did not answer: {_cause(error)}.") from error
    except StatementError as error:
        # SQLAlchemy wraps what our own column types refuse.
        raise error.orig if isinstance(error.orig, RecoupError) else error from error.orig


def _cause(error: Exception) -> str:
    """Return the driver's first line alone: the statement and its values may be personal data."""
    lines = str(getattr(error, "orig", error)).splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__


def _engine(url: str, *, lock_seconds: float, pool_size: int) -> Engine:
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise BadInputError(
            "the database URL cannot be read; write sqlite:///file or postgresql+psycopg://…."
        ) from error
    if parsed.get_backend_name() == "sqlite":
        return _sqlite(parsed, lock_seconds=lock_seconds, pool_size=pool_size)
    if parsed.get_backend_name() == "postgresql":
        return _postgresql(parsed, lock_seconds=lock_seconds, pool_size=pool_size)
    raise BadInputError(f"the ledger knows no {parsed.get_backend_name()}; use sqlite or postgresql+psycopg.")


def _sqlite(url: URL, *, lock_seconds: float, pool_size: int) -> Engine:
    if url.database in {None, "", ":memory:"}:
        raise BadInputError("the ledger needs a file: sqlite:///path/to/ledger.db.")
    file = Path(url.database or "").absolute()

    def connect() -> sqlite3.Connection:
        # "rw": a file that is gone is not made anew, empty.
        return sqlite3.connect(
            f"{file.as_uri()}?mode=rw", uri=True, timeout=lock_seconds / 2, check_same_thread=False
        )

    engine = create_engine(
        url,
        creator=connect,
        pool_size=pool_size,
        max_overflow=CONNECTIONS - pool_size,
        pool_timeout=lock_seconds / 2,
        pool_reset_on_return=None,  # whoever begins a transaction here ends it
        pool_use_lifo=True,  # the connection that was used last still holds the pages that come next
    )

    @event.listens_for(engine, "checkout")
    def _check(_connection: object, record: Any, _proxy: object) -> None:
        # SQLite would go on writing to a file that was moved away or replaced.
        if record.info["file"] != _identity(file):
            raise DisconnectionError("the ledger's file is not the one that was opened")

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, record: Any) -> None:
        record.info["file"] = _identity(file)
        connection.isolation_level = (
            None  # transactions begin where SQLAlchemy says, not where sqlite3 guesses
        )
        for pragma in (
            "journal_mode = WAL",
            "synchronous = FULL",  # an acknowledged commit survives a power cut
            "foreign_keys = ON",
            "recursive_triggers = ON",  # REPLACE cannot slip past the delete triggers
            "cache_size = -16384",  # KiB a connection: the upper pages of the indexes of a large ledger
            # A large ledger's pages lie far apart: moved home once in hundreds of writes, not every 25.
            "wal_autocheckpoint = 10000",
            "secure_delete = ON",  # what is erased is overwritten
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # A writer that began by reading could not be promoted once another had written.
        if connection.get_execution_options().get("exclusive"):
            _take_turn(connection, lock_seconds / 2)
        else:
            driver: Any = connection.connection.driver_connection
            driver.execute("BEGIN")  # takes no lock yet, and cannot fail

    return engine


def _take_turn(connection: Connection, seconds: float) -> None:
    """Begin to write as soon as no other process does; SQLite itself would look at ever longer intervals."""
    direct: Any = connection.connection.driver_connection
    direct.execute("PRAGMA busy_timeout = 0")
    until = time.monotonic() + seconds
    try:
        while time.monotonic() < until:
            try:
                direct.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                    break  # said once more below, by SQLAlchemy
                time.sleep(LOOKS_EVERY)
            else:
                return
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    finally:
        direct.execute(f"PRAGMA busy_timeout = {seconds * 1000:.0f}")


def _identity(file: Path) -> tuple[int, int] | None:
    """Which file lies there now, whatever it is called."""
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


class _Patient(psycopg.Connection[Any]):
    """A connection that closes itself on a server that says nothing: one that is stopped sends no error."""

    patience: float | None = LEAST_SECONDS  # seconds; while in the pool, for the ping that wakes it

    def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:
        """Wait for the server, for as long as `patience` lasts where the driver has no limit of its own."""
        if timeout is not None:
            return super().wait(gen, interval, timeout)
        try:
            return super().wait(gen, interval, self.patience)
        except psycopg.errors._WaitTimeout as silence:  # noqa: SLF001  # the driver's only word for it
            self.close()
            raise psycopg.OperationalError("timeout: the server says nothing") from silence


def _postgresql(url: URL, *, lock_seconds: float, pool_size: int) -> Engine:
    statement_seconds = max(lock_seconds / 2, LEAST_SECONDS)
    limits = {
        "lock_timeout": f"{lock_seconds * 500:.0f}",
        "statement_timeout": f"{statement_seconds * 1000:.0f}",
        "TimeZone": "UTC",
    }
    asked = str(url.query.get("options", ""))
    options = " ".join([asked, *(f"-c {name}={value}" for name, value in limits.items())])
    engine = create_engine(
        url,
        pool_size=pool_size,
        max_overflow=CONNECTIONS - pool_size,
        pool_timeout=lock_seconds / 2,
        pool_pre_ping=True,
        connect_args={"connect_timeout": CONNECT_SECONDS, "options": options.strip()},
    )

    @event.listens_for(engine, "do_connect")
    def _connect(_dialect: object, _record: object, arguments: Any, options: Any) -> _Patient:
        return _Patient.connect(*arguments, **options)

    @event.listens_for(engine, "checkout")
    def _begin(connection: Any, _record: object, _proxy: object) -> None:
        # The server's own limits come first: they say more.
        connection.patience = statement_seconds * 1.2

    @event.listens_for(engine, "checkin")
    def _end(connection: Any, _record: object) -> None:
        if connection is not None:
            connection.patience = LEAST_SECONDS

    return engine
