"""What someone could do to a dump: change any byte, drop, repeat, move or insert lines, cut or extend it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from ledger.store import Ledger
from tests.ledger.records import KEY, NOON

MASKS = (0x01, 0x02, 0x04, 0x20)  # another digit, another letter, another case


def small_dump(folder: Path) -> Path:
    """Dump a chain of eight entries and two checkpoints."""
    ledger = Ledger(f"sqlite:///{folder}/small.db")
    ledger.migrate()
    for number in range(8):
        at = NOON + timedelta(hours=number)
        with ledger.write() as tx:
            tx.append("test", subject=f"RMA-{number}/1", actor="emp:1", at=at, body={"n": number})
        if number in {3, 7}:
            ledger.checkpoint(KEY, at=at)
    ledger.dump(folder / "small.jsonl")
    ledger.close()
    return folder / "small.jsonl"


def tamperings(content: bytes) -> Iterator[bytes]:
    """Every byte changed in four ways; lines dropped, repeated, swapped, inserted; the end cut."""
    for place, byte in enumerate(content):
        for mask in MASKS:
            yield content[:place] + bytes([byte ^ mask]) + content[place + 1 :]
    lines = content.splitlines(keepends=True)
    for place in range(len(lines)):
        before, rest = lines[:place], lines[place:]
        yield b"".join([*before, *rest[1:]])
        yield b"".join([*before, rest[0], *rest])
        yield b"".join([*before, b"{}\n", *rest])
        for other in range(place + 1, len(lines)):
            moved = [*lines]
            moved[place], moved[other] = lines[other], lines[place]
            yield b"".join(moved)
    for place in range(len(content)):
        yield content[:place]
    yield content + b" "
