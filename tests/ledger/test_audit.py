"""The hash chain: one line under any number of writers, and nothing changes unseen."""

import re
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import ledger as ledger_package
from features.returns import BadInputError
from ledger.audit import Verification, verify_dump
from ledger.chain import GENESIS, Entry, Head, canonical
from ledger.schema import WITNESSED
from ledger.store import Ledger
from tests.ledger.records import NOON, a_recommendation, after, fill


def append(ledger: Ledger, number: int = 0) -> Entry:
    with ledger.write() as tx:
        return tx.append(
            "test", subject=f"s{number}", actor="emp:1", at=after(hours=number), body={"n": number}
        )


def test_an_entry_continues_the_one_before_it(ledger: Ledger):
    first, second = append(ledger), append(ledger)
    assert (first.seq, first.previous) == (1, GENESIS)
    assert (second.seq, second.previous) == (2, first.hash)
    with ledger.read() as tx:
        assert tx.audit() == (first, second)
        assert tx.audit(after=1) == (second,)
        assert tx.audit(subject="s0", limit=1) == (first,)
    assert ledger.verify() == Verification(valid=True, entries=2, head=second.hash)


def test_a_moment_has_one_spelling_whatever_its_zone(ledger: Ledger):
    assert append(ledger).at == "2026-11-20T12:00:00.000000Z"


@pytest.mark.parametrize("actor", ["", "someone", "emp:", "emp: 1", "Emp:1"])
def test_a_write_without_an_actor_is_refused(ledger: Ledger, actor: str):
    with pytest.raises(BadInputError, match="actor"), ledger.write() as tx:
        tx.append("test", subject="a", actor=actor, at=NOON, body={})


@pytest.mark.parametrize(
    "body", [{"score": 0.5}, {"deep": [{"score": 1.0}]}, {"big": 2**53}, {"odd": {1, 2}}]
)
def test_what_has_no_exact_form_is_not_chained(ledger: Ledger, body: dict[str, object]):
    with pytest.raises(BadInputError), ledger.write() as tx:
        tx.append("test", subject="a", actor="emp:1", at=NOON, body=body)


def test_a_time_without_a_zone_is_refused(ledger: Ledger):
    with pytest.raises(BadInputError, match="zone"), ledger.write() as tx:
        tx.append("test", subject="a", actor="emp:1", at=NOON.replace(tzinfo=None), body={})


def append_many(url: str, number: int) -> None:
    ledger = Ledger(url, lock_seconds=60)
    for _ in range(number):
        append(ledger)
    ledger.close()


ANOTHER_PROCESS = """
import sys
from datetime import UTC, datetime
from ledger.store import Ledger

ledger = Ledger(sys.argv[1], lock_seconds=60)
for number in range(15):
    with ledger.write() as tx:
        at = datetime(2026, 11, 20, tzinfo=UTC)
        tx.append("test", subject="s", actor="emp:2", at=at, body={"n": number})
ledger.close()
"""


def test_the_chain_never_forks_under_threads_and_processes(url: str):
    root = Path(ledger_package.__file__).parents[1]
    processes = [subprocess.Popen([sys.executable, "-c", ANOTHER_PROCESS, url], cwd=root) for _ in range(2)]
    threads = [threading.Thread(target=append_many, args=(url, 15)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [process.wait() for process in processes] == [0, 0]
    ledger = Ledger(url)
    assert ledger.verify() == Verification(valid=True, entries=120, head=ledger.verify().head)
    ledger.close()


def test_every_history_row_is_witnessed_and_verified(ledger: Ledger):
    with ledger.write() as tx:
        fill(tx)
    with ledger.read() as tx:
        witnessed = {entry.body.get("table") for entry in tx.audit(limit=1000)}
    assert {table.name for table in WITNESSED} <= witnessed
    assert ledger.verify().valid


@pytest.mark.parametrize(
    ("tampering", "problem"),
    [
        ("UPDATE recommendations SET amount_minor = 999999", "table recommendations .* was changed"),
        ("UPDATE votes SET vote = 'reject'", "table votes .* was changed"),
        ("DELETE FROM corrections", "table corrections .* was deleted"),
        ("UPDATE forecast_rows SET q50 = 7", "forecast issue iss_1"),
        ("UPDATE entries SET actor = 'emp:9' WHERE seq = 3", "entry 3 was changed"),
        ("UPDATE entries SET body = body || ' ' WHERE seq = 3", "entry 3 was changed"),
        ("DELETE FROM entries WHERE seq = 3", "entry 3 is missing"),
        ("DELETE FROM entries WHERE seq > 9", "head row says otherwise"),
        ("UPDATE chain_head SET seq = 4", "head row says otherwise"),
        (
            "INSERT INTO policy_activations (seq, at, actor, digest) SELECT 1, at, actor, 'x' FROM votes",
            "policy_activations holds rows that no entry witnesses",
        ),
    ],
)
def test_tampering_past_the_triggers_is_found(
    ledger: Ledger, as_intruder: Callable[[str], None], tampering: str, problem: str
):
    with ledger.write() as tx:
        fill(tx)
    without_protection(ledger, as_intruder, tampering)
    verification = ledger.verify()
    assert not verification.valid
    assert re.search(problem, verification.problem)


def without_protection(ledger: Ledger, as_intruder: Callable[[str], None], statement: str) -> None:
    """Tamper as someone who owns the database would: triggers and foreign keys switched off."""
    if ledger._engine.dialect.name == "postgresql":
        as_intruder(f"SET session_replication_role = replica; {statement}")
        return
    for table in ("recommendations", "votes", "corrections", "forecast_rows", "entries"):
        as_intruder(f"DROP TRIGGER {table}_no_update")
        as_intruder(f"DROP TRIGGER {table}_no_delete")
    as_intruder(statement)


@pytest.fixture(scope="module")
def dump(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dump")
    ledger = Ledger(f"sqlite:///{folder}/ledger.db")
    ledger.migrate()
    for number in range(5):
        append(ledger, number)
    ledger.dump(folder / "dump.jsonl")
    ledger.close()
    return folder / "dump.jsonl"


def test_a_dump_verifies_offline_to_the_same_head(ledger: Ledger, tmp_path: Path):
    path = tmp_path / "dump.jsonl"
    assert ledger.dump(path) == verify_dump(path) == Verification(valid=True, entries=0, head=GENESIS)
    with ledger.write() as tx:
        fill(tx)
    written = ledger.dump(path)
    assert written == verify_dump(path) == ledger.verify()
    assert [file.name for file in tmp_path.glob("dump*")] == ["dump.jsonl"]


@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(min_value=0), byte=st.integers(0, 255))
def test_any_changed_byte_of_a_dump_is_found(dump: Path, tmp_path: Path, place: int, byte: int):
    content = bytearray(dump.read_bytes())
    position = place % len(content)
    untouched = content[position] == byte
    content[position] = byte
    altered = tmp_path / "altered.jsonl"
    altered.write_bytes(content)
    assert verify_dump(altered).valid == untouched


def test_a_dump_of_lines_dropped_moved_repeated_added_or_cut_short_is_found(dump: Path, tmp_path: Path):
    lines = dump.read_bytes().splitlines(keepends=True)
    altered = tmp_path / "altered.jsonl"
    variants = [[*lines[:n], *lines[n + 1 :]] for n in range(len(lines))]
    variants += [[*lines[:n], lines[n + 1], lines[n], *lines[n + 2 :]] for n in range(len(lines) - 1)]
    variants += [[*lines[: n + 1], *lines[n:]] for n in range(len(lines))]
    variants += [[*lines[:n], b"{}\n", *lines[n:]] for n in range(len(lines) + 1)]
    variants += [[*lines, b" "], [*lines[:-1], lines[-1][:-1]], [b""]]
    for variant in variants:
        altered.write_bytes(b"".join(variant))
        assert not verify_dump(altered).valid


def test_a_forged_number_or_nesting_is_a_problem_not_a_crash(dump: Path, tmp_path: Path):
    altered = tmp_path / "altered.jsonl"
    header, first, *_ = dump.read_bytes().splitlines(keepends=True)
    for line in (b"[" * 100_000, b"\xff\n", b"null\n", first.replace(b'"seq":1', b'"seq":NaN'), b"7\n"):
        altered.write_bytes(header + line)
        assert not verify_dump(altered).valid


@given(st.integers(0, 3))
def test_an_entry_linked_to_another_head_is_refused(skipped: int):
    content = {"at": "2026", "actor": "emp:1", "kind": "k", "subject": "s", "body": {}}
    head = Head()
    for _ in range(skipped + 1):
        entry = Entry.after(head, content)
        head = head.advanced(entry)
    assert head == Head(skipped + 1, entry.hash)
    assert canonical({"b": 1, "a": 2}) == b'{"a":2,"b":1}'


def test_the_stored_rows_do_not_depend_on_the_order_of_transactions(ledger: Ledger):
    with ledger.write() as tx:
        tx.add_recommendation(a_recommendation("RMA-1/1"))
        inside = tx.audit()
    with ledger.read() as tx:
        assert tx.audit() == inside
