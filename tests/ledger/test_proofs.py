"""What an auditor asks to see proven: one chain under many writers, every tampering found, honest failure."""

import multiprocessing
import time
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url

from ledger.audit import verify_dump
from ledger.chain import LedgerUnavailableError
from ledger.store import Ledger
from tests.ledger.records import KEY, NOON, a_recommendation
from tests.ledger.tampering import small_dump, tamperings

WRITERS, RECORDS = 16, 60  # a thousand each in the benchmark


def write_many(url: str, writer: int) -> None:
    ledger = Ledger(url, lock_seconds=120)
    for number in range(RECORDS):
        with ledger.write() as tx:
            tx.append("test", subject=f"{writer}/{number}", actor="emp:1", at=NOON, body={})
    ledger.close()


def test_sixteen_processes_write_one_chain_without_fork_or_gap(url: str):
    start = multiprocessing.get_context("fork")
    processes = [start.Process(target=write_many, args=(url, writer)) for writer in range(WRITERS)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * WRITERS
    ledger = Ledger(url)
    found = ledger.verify()
    with ledger.read() as tx:
        subjects = [entry.subject for entry in tx.audit(limit=WRITERS * RECORDS + 1)]
    ledger.close()
    assert (found.valid, found.entries) == (True, WRITERS * RECORDS)
    assert len(set(subjects)) == len(subjects) == WRITERS * RECORDS


def test_every_one_of_ten_thousand_tamperings_is_found(tmp_path: Path):
    dump = small_dump(tmp_path)
    content = dump.read_bytes()
    assert verify_dump(dump, key=KEY.public_key()).valid
    altered, tried = tmp_path / "altered.jsonl", 0
    for tampered in tamperings(content):
        altered.write_bytes(tampered)
        assert not verify_dump(altered).valid, tampered
        tried += 1
    assert tried >= 10_000


def switch(address: str, name: str, *, on: bool) -> None:
    """Let nobody connect to a database and end all connections to it, or let them in again."""
    with psycopg.connect(address.replace("+psycopg", "", 1), autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS {str(on).lower()}".encode())
        end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
        connection.execute(end, [name])


def test_a_database_that_goes_answers_503_in_time_and_is_found_again_when_it_returns(
    postgresql: str, empty_url: str
):
    if empty_url.startswith("sqlite"):
        pytest.skip("a file does not go and come back")
    name = make_url(empty_url).database or ""
    ledger = Ledger(empty_url, lock_seconds=2)
    ledger.migrate()
    switch(postgresql, name, on=False)
    started = time.monotonic()
    with pytest.raises(LedgerUnavailableError) as refusal, ledger.write():
        pass
    assert (refusal.value.status, refusal.value.retry_after) == (503, 2)
    assert time.monotonic() - started < 15
    switch(postgresql, name, on=True)
    with ledger.write() as tx:
        tx.add_recommendation(a_recommendation())
    assert ledger.verify().valid
    ledger.close()


def test_a_slow_database_answers_503_in_time(url: str):
    ledger = Ledger(url, lock_seconds=1)
    if url.startswith("sqlite"):
        pytest.skip("a file is slow only for who waits for its writer, which has a test of its own")
    started = time.monotonic()
    with pytest.raises(LedgerUnavailableError, match="timeout"), ledger.write() as tx:
        tx._connection.exec_driver_sql("SELECT pg_sleep(30)")
    assert time.monotonic() - started < 15
    assert ledger.verify().valid
    ledger.close()
