"""What every ledger promises, on both databases: all or nothing, and honest refusals."""

import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine
from sqlalchemy.exc import IntegrityError

from features.returns import BadInputError
from ledger.chain import ConflictError, LedgerUnavailableError
from ledger.outbox import Message
from ledger.schema import PROTECTED, REVISION
from ledger.schema.columns import metadata
from ledger.store import MIGRATIONS, Ledger
from tests.ledger.records import NOON, a_line, a_recommendation, fill


def test_migrating_an_empty_database_gives_exactly_the_declared_tables(empty_url: str):
    ledger = Ledger(empty_url)
    ledger.migrate()
    ledger.migrate()
    ledger.ping()
    ledger.close()
    engine = create_engine(empty_url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
    engine.dispose()


def test_the_code_asks_for_the_newest_migration():
    assert ScriptDirectory(str(MIGRATIONS)).get_heads() == [REVISION]


def test_a_database_without_schema_is_unavailable_and_says_what_to_do(empty_url: str):
    ledger = Ledger(empty_url)
    with pytest.raises(LedgerUnavailableError, match=r"recoup migrate|unable to open"):
        ledger.ping()
    ledger.close()


@pytest.mark.parametrize("change", ["UPDATE {table} SET {column} = {column}", "DELETE FROM {table}"])
def test_the_database_itself_refuses_to_change_history(
    ledger: Ledger, as_intruder: Callable[[str], None], change: str
):
    with ledger.write() as tx:
        fill(tx)
    for table in PROTECTED:
        column = next(iter(table.columns)).name
        with pytest.raises((sqlite3.IntegrityError, psycopg.IntegrityError), match="the ledger only appends"):
            as_intruder(change.format(table=table.name, column=column))
    assert ledger.verify().valid


def test_no_row_is_replaced_through_the_ledgers_own_connection(ledger: Ledger):
    with ledger.write() as tx:
        tx.append("test", subject="a", actor="emp:1", at=NOON, body={})
    replace = "INSERT OR REPLACE" if ledger._engine.dialect.name == "sqlite" else "INSERT"
    with pytest.raises(IntegrityError), ledger._begin(exclusive=True) as connection:
        connection.exec_driver_sql(f"{replace} INTO entries SELECT * FROM entries")


def test_an_error_inside_a_transaction_leaves_nothing(ledger: Ledger):
    with pytest.raises(RuntimeError), ledger.write() as tx:  # noqa: PT012
        fill(tx)
        raise RuntimeError
    with ledger.read() as tx:
        assert tx.audit() == ()
        assert tx.recommendations() == ()
    assert ledger.verify().valid


def test_a_reading_transaction_refuses_to_append(ledger: Ledger):
    with pytest.raises(ConflictError, match="only reads"), ledger.read() as tx:
        tx.append("test", subject="a", actor="emp:1", at=NOON, body={})


def test_a_reader_sees_one_state_while_a_writer_commits(ledger: Ledger):
    with ledger.read() as reading:
        assert reading.recommendations() == ()
        with ledger.write() as tx:
            tx.add_recommendation(a_recommendation())
        assert reading.recommendations() == ()


def test_a_writer_gives_up_when_another_holds_the_ledger_too_long(url: str):
    patient, hasty = Ledger(url), Ledger(url, lock_seconds=0.05)
    with patient.write(), pytest.raises(LedgerUnavailableError) as refusal, hasty.write():
        pass
    assert (refusal.value.status, refusal.value.retry_after) == (503, 2)
    with hasty.write() as tx:
        tx.append("test", subject="a", actor="emp:1", at=NOON, body={})
    assert hasty.verify() == patient.verify()
    patient.close()
    hasty.close()


def test_a_full_disk_is_unavailable_and_leaves_nothing_half_written(url: str):
    if not url.startswith("sqlite"):
        pytest.skip("a page limit stands in for a full disk; PostgreSQL has none")
    ledger = Ledger(url, pool_size=1)
    with ledger._begin() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 1")
    with pytest.raises(LedgerUnavailableError, match="full"), ledger.write() as tx:
        tx.enqueue(Message("m", "t", "s", {"long": "x" * 5_000_000}, NOON, "emp:1"))
    with ledger._begin() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 1000000")
    assert ledger.verify().entries == 0
    with ledger.write() as tx:
        tx.add_recommendation(a_recommendation())
    assert ledger.verify().valid
    ledger.close()


HANG_UP = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname <> ''"
)


def test_a_connection_lost_in_the_middle_leaves_nothing_and_heals_itself(
    ledger: Ledger, as_intruder: Callable[[str], None]
):
    if ledger._engine.dialect.name == "sqlite":
        pytest.skip("a file has no connection to lose")
    with pytest.raises(LedgerUnavailableError), ledger.write() as tx:  # noqa: PT012
        tx.add_recommendation(a_recommendation())
        as_intruder(HANG_UP)
    with ledger.write() as tx:
        tx.append("test", subject="a", actor="emp:1", at=NOON, body={})
    as_intruder(HANG_UP)
    ledger.ping()
    assert ledger.verify().entries == 1


def test_a_server_that_is_not_there_is_unavailable(tmp_path: Path):
    ledger = Ledger(f"postgresql+psycopg://postgres@/postgres?host={tmp_path}")
    with pytest.raises(LedgerUnavailableError), ledger.write():
        pass
    ledger.close()


def test_a_missing_folder_or_a_broken_file_is_unavailable(tmp_path: Path):
    broken = tmp_path / "broken.db"
    broken.write_bytes(b"not a database at all" * 100)
    for path in (broken, tmp_path / "missing" / "ledger.db"):
        ledger = Ledger(f"sqlite:///{path}")
        with pytest.raises(LedgerUnavailableError):
            ledger.ping()
        ledger.close()


@pytest.mark.parametrize("url", ["nonsense", "mysql://localhost/x", "sqlite://", "sqlite:///:memory:"])
def test_a_database_that_the_ledger_does_not_know_is_refused(url: str):
    with pytest.raises(BadInputError):
        Ledger(url)


@pytest.mark.parametrize("text", ["NUL \0 inside", "half a character \ud800"])
def test_text_that_a_database_cannot_hold_is_bad_input(ledger: Ledger, text: str):
    with pytest.raises(BadInputError), ledger.write() as tx:
        tx.add_recommendation(a_recommendation(text))
    with pytest.raises(BadInputError), ledger.write() as tx:
        tx.append("test", subject=text.replace("\0", "\ud800"), actor="emp:1", at=NOON, body={})


def test_a_number_beyond_64_bits_is_bad_input(ledger: Ledger):
    with pytest.raises(BadInputError), ledger.write() as tx:
        tx.add_line(a_line(quantity=2**70), actor="emp:1", at=NOON)


def test_fifty_threads_with_fifty_keys_give_one_credit(ledger: Ledger):
    outcomes = []

    def ask() -> None:
        try:
            with ledger.write() as tx:
                tx.add_recommendation(a_recommendation())
            outcomes.append("given")
        except ConflictError:
            outcomes.append("refused")

    threads = [threading.Thread(target=ask) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["given"] + ["refused"] * 49
    with ledger.read() as tx:
        assert len(tx.recommendations()) == 1
    assert ledger.verify().valid


def test_the_file_is_in_wal_mode(tmp_path: Path):
    ledger = Ledger(f"sqlite:///{tmp_path}/a.db")
    ledger.migrate()
    ledger.close()
    with sqlite3.connect(tmp_path / "a.db") as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()
