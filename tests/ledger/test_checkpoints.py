"""Checkpoints: a chain written anew as a whole lacks the signatures of a key that its owner does not have."""

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from features.returns import BadInputError
from ledger.audit import HEADER, verify_dump
from ledger.chain import Entry, Head, canonical
from ledger.checkpoints import Checkpoint, public_key, seal_of, signing_key
from ledger.store import Ledger
from tests.ledger.records import KEY, NOON, after, fill

PUBLIC = KEY.public_key()
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(32))


@pytest.fixture
def dump(ledger: Ledger, tmp_path: Path) -> Path:
    with ledger.write() as tx:
        fill(tx)
        tx.append("test", subject="s", actor="emp:1", at=NOON, body={})
    ledger.checkpoint(KEY, at=after(hours=1))
    ledger.dump(tmp_path / "dump.jsonl")
    return tmp_path / "dump.jsonl"


def test_a_signed_dump_verifies_with_its_key_alone(ledger: Ledger, dump: Path):
    found = verify_dump(dump, key=PUBLIC)
    assert (found.valid, found.signed, found.signed_at) == (
        True,
        found.entries,
        "2026-11-20T13:00:00.000000Z",
    )
    assert ledger.verify(PUBLIC) == found
    for refused in (verify_dump(dump, key=OTHER.public_key()), ledger.verify(OTHER.public_key())):
        assert refused.problem == "no checkpoint is signed by this key."


def test_the_same_end_is_signed_once(ledger: Ledger, dump: Path):
    first = ledger.checkpoint(KEY, at=after(hours=1))
    assert ledger.checkpoint(KEY, at=after(hours=9)) == first
    assert ledger.checkpoint(OTHER, at=after(hours=9)).key != first.key
    assert ledger.verify(PUBLIC).valid


def forged(lines: list[bytes], signed: list[Checkpoint]) -> bytes:
    """Rehash the entries of a dump from the start, as its owner could; checkpoints go where they fit."""
    head, written = Head(), [HEADER]
    for line in lines:
        fields = json.loads(line)
        names = ("at", "actor", "kind", "subject", "body")
        entry = Entry.after(head, {name: fields[name] for name in names})
        head = head.advanced(entry)
        written += [entry.canonical + b"\n", *(one.line for one in signed if one.seq == head.seq)]
    ends = {"entries": head.seq, "head": head.hash, "checkpoints": seal_of(signed)}
    return b"".join([*written, canonical(ends) + b"\n"])


def test_a_dump_cut_and_hashed_anew_is_found(ledger: Ledger, dump: Path, tmp_path: Path):
    with ledger.read() as tx:
        signed = list(tx.checkpoints())
    entries = [
        line for line in dump.read_bytes().splitlines() if b'"seq"' in line and b"checkpoint" not in line
    ]
    assert forged(entries, signed) == dump.read_bytes()
    changed = [entries[0].replace(b"emp:", b"emp:9").replace(b"service:", b"service:9"), *entries[1:]]
    mine = [Checkpoint.of(Head(one.seq, one.head), at=one.at, key=OTHER) for one in signed]
    path = tmp_path / "forged.jsonl"
    for content in (
        forged(entries[:-1], [one for one in signed if one.seq < len(entries)]),  # the end cut off
        forged(entries, []),
        forged(entries, mine),
        forged(changed, signed),
        forged(changed, []),
    ):
        path.write_bytes(content)
        found = verify_dump(path, key=PUBLIC)
        # Cut exactly behind an earlier checkpoint it is an older dump, and says so.
        assert not found.valid or found.signed < len(entries)
    path.write_bytes(forged(entries[:-2], signed[:0]))
    assert not verify_dump(path, key=PUBLIC).valid


@pytest.mark.parametrize(
    "tampering",
    [
        "UPDATE checkpoints SET head = 'sha256:0'",
        "UPDATE checkpoints SET at = '2027'",
        "UPDATE checkpoints SET signature = key",
        "UPDATE checkpoints SET signature = 'x'",
    ],
)
def test_a_false_checkpoint_is_found(ledger: Ledger, as_intruder: Callable[[str], None], tampering: str):
    ledger.checkpoint(KEY, at=NOON)
    if ledger._engine.dialect.name == "postgresql":
        as_intruder(f"SET session_replication_role = replica; {tampering}")
    else:
        as_intruder("DROP TRIGGER checkpoints_no_update")
        as_intruder(tampering)
    assert "checkpoint" in ledger.verify().problem


def test_a_chain_shorter_than_what_was_signed_is_found(ledger: Ledger, as_intruder: Callable[[str], None]):
    one = Checkpoint.of(Head(5, "sha256:x"), at="2026", key=KEY)
    names = ("seq", "key", "head", "at", "signature")
    as_intruder(f"INSERT INTO checkpoints VALUES {tuple(asdict(one)[name] for name in names)}")
    assert ledger.verify().problem == "the chain was signed up to entry 5, and was cut."


def test_the_key_is_made_once_for_its_owner_alone(tmp_path: Path):
    path = tmp_path / "keys" / "ledger"
    key = signing_key(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert signing_key(path).private_bytes_raw() == key.private_bytes_raw()
    assert public_key(path.with_suffix(".pub")) == key.public_key()
    with pytest.raises(BadInputError, match=r"ends in \.pub"):
        public_key(path)
    with pytest.raises(BadInputError, match="no private key"):
        signing_key(path.with_suffix(".pub"))
