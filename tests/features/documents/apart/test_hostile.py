"""Whatever a file holds, it is read or refused; nothing crashes, hangs, stays behind or is believed."""

from __future__ import annotations

import os
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest

from benchmarks.documents_hostile import NUMBER, digital, mutations, traps
from features.documents import Document, DocumentError, Limits, read

LIMITS = Limits(seconds=30, max_pixels=4_000_000)
MUTATIONS = 160  # two thousand and more in `make bench BENCH=documents_quality`


def outcome(data: bytes) -> Document | DocumentError:
    try:
        return read(data, limits=LIMITS)
    except DocumentError as refusal:
        return refusal


def family() -> set[int]:
    return {child.pid for child in psutil.Process().children(recursive=True)}


def test_broken_copies_of_documents_are_read_or_refused_and_never_believed():
    broken = [data for _, data in mutations(MUTATIONS, rng=np.random.default_rng(3))]
    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(outcome, broken))
    documents = [found for found in outcomes if isinstance(found, Document)]
    assert len(documents) > MUTATIONS / 10
    accepted = {field.value for found in documents for field in found.fields if field.accepted}
    assert accepted <= {NUMBER}


@pytest.mark.parametrize("name", sorted(traps()))
def test_a_trap_ends_in_a_sentence(name: str):
    found = outcome(traps()[name])
    reasons = found.reasons if isinstance(found, Document) else [str(found)]
    assert reasons
    assert all(reason[-1] in ".?" for reason in reasons)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [("script", "holds JavaScript"), ("trailing", "More data follows the end")],
)
def test_what_no_paper_has_is_told_to_a_person(name: str, sentence: str):
    found = read(traps()[name], limits=LIMITS)
    assert found.needs_review
    assert sentence in " ".join(found.reasons)


def test_nothing_stays_behind_a_document_that_took_too_long():
    read(digital(), limits=LIMITS)  # the fork server is there and stays
    before = family()
    with pytest.raises(DocumentError, match="took longer"):
        read(traps()["bomb"] + digital(), limits=replace(LIMITS, seconds=0.01))
    until = time.monotonic() + 10
    while family() - before and time.monotonic() < until:
        time.sleep(0.02)
    assert family() <= before


def test_documents_of_many_threads_do_not_mix():
    numbers = [f"RMA-99{n:04d}" for n in range(24)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda number: read(digital(number), limits=LIMITS), numbers))
    values = [document.field("rma_number") for document in found]
    assert [field.value for field in values if field] == numbers


def test_a_fork_server_that_dies_is_replaced():
    read(digital(), limits=LIMITS)
    server = next(
        child for child in psutil.Process().children() if "features.documents.apart" in child.cmdline()
    )
    server.kill()
    server.wait(10)
    assert read(digital(), limits=LIMITS).field("rma_number") is not None


def test_a_child_has_no_network_and_a_folder_of_its_own(tmp_path: Path):
    from features.documents.apart.confinement import confine  # noqa: PLC0415 - it binds whoever calls it

    ours, theirs = os.pipe()
    if os.fork() == 0:
        confine(LIMITS, folder=str(tmp_path))
        try:
            socket.socket()
            said = b"open"
        except OSError:
            said = b"refused"
        os.write(theirs, said + b" " + str(Path.cwd()).encode())
        os._exit(0)
    os.close(theirs)
    assert os.read(ours, 4096) == b"refused " + str(tmp_path).encode()
    os.wait()
