"""Generated forms -> readings known to be right or wrong, read as the service reads them, and kept."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final

import numpy as np
from tqdm import tqdm

from features.documents.apart.isolation import extract_apart
from features.documents.document import Extraction, Kind, Proposal
from features.documents.intake import Limits
from features.returns import BadInputError
from models.fields import Cases, cases_of
from training.simulator.forms import Form, forms, layouts, some_wear, spoil

DIGITAL_SHARE: Final = 0.5  # of the forms; they are read in no time and teach where values stand
BLANK: Final = 0.2  # of the fields left empty: what stands nearby is then no value
READERS: Final = 2
LIMITS: Final = Limits()
Known = tuple[Sequence[Proposal], Sequence[bool], str]


def cases(count: int, *, seed: int, home: Path, use: str) -> Cases:
    """Return the readings of `count` generated forms; the same code reads none of them twice.

    Parameters
    ----------
    seed : int
        Chooses what is written on the forms, and how they are spoiled.
    home : Path
        The folder that keeps readings.
    use : str
        Which layouts: train or test.
    """
    kept = home / f"{digest(count, seed, use)}.npz"
    if not kept.exists():
        home.mkdir(parents=True, exist_ok=True)
        found = cases_of(known(count, seed=seed, use=use))
        partial = kept.with_suffix(".part.npz")
        np.savez_compressed(partial, *astuple(found))
        partial.replace(kept)
    with np.load(kept, allow_pickle=False) as saved:
        return Cases(*(saved[name] for name in saved.files))


def known(count: int, *, seed: int, use: str) -> Iterator[Known]:
    """Yield the readings of generated forms and of the rows of their tables, with what is right of them."""
    drawn = list(_files(count, seed, use))
    with ThreadPoolExecutor(READERS) as pool:
        read = pool.map(
            lambda data: extract_apart(data, kind=None, limits=LIMITS), (data for _, data in drawn)
        )
        shown = tqdm(read, total=count, desc="forms read", unit="form", leave=False)
        for (form, _), extraction in zip(drawn, shown, strict=True):
            yield from judged(form, extraction)


def _files(count: int, seed: int, use: str) -> Iterator[tuple[Form, bytes]]:
    rng = np.random.default_rng(seed)
    for form in forms(count, rng=rng, use=use, blank=BLANK):
        digital = rng.random() < DIGITAL_SHARE
        yield form, form.digital() if digital else spoil(form, some_wear(rng), rng=rng).png()


def judged(form: Form, extraction: Extraction) -> Iterator[Known]:
    """Yield what was read of one form: its plain fields, then each row of its table.

    Of what is told by place, only fields that the form has can be right or wrong.
    """
    plain = {truth.field: plainly(truth.value) for truth in form.truths if not truth.line}
    plain |= {truth.field: plainly(truth.value) for truth in form.truths if truth.line is None}
    asked = {cell.field for cell in layouts()[form.layout].cells}
    known = [
        proposal for proposal in extraction.proposals if proposal.method != "layout" or proposal.name in asked
    ]
    yield _judged(known, plain, form)
    for number, row in enumerate(extraction.items):
        written = {truth.field: plainly(truth.value) for truth in form.truths if truth.line == number}
        yield _judged(row, written, form)


def _judged(proposals: Sequence[Proposal], written: dict[str, str], form: Form) -> Known:
    right = [plainly(proposal.value) == written.get(proposal.name) for proposal in proposals]
    return proposals, right, form.layout


def plainly(text: str) -> str:
    """Return a value as it is compared: case and spaces mean nothing."""
    return " ".join(text.upper().split())


def corrected(rows: Path, originals: Path) -> Iterator[Known]:
    """Yield the readings of documents that people corrected, with what is right of them.

    Parameters
    ----------
    rows : Path
        What `recoup documents corrections` wrote.
    originals : Path
        The service's folder of documents.

    Raises
    ------
    BadInputError
        If a row is none, or its document is no longer kept.
    """
    for number, line in enumerate(rows.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            row = json.loads(line)
            data = (originals / Path(row["file"]).name).read_bytes()
            kind, fields = Kind(row["kind"]), dict(row["fields"])
        except (ValueError, KeyError, TypeError, OSError) as problem:
            raise BadInputError(
                f"{rows.name}: line {number} names no document that is kept in {originals}; "
                "write the file again with `recoup documents corrections`."
            ) from problem
        written = {name: plainly(str(value)) for name, value in fields.items() if value}
        extraction = extract_apart(data, kind=kind, limits=LIMITS)
        about = [proposal for proposal in extraction.proposals if proposal.name in fields]
        yield about, [plainly(p.value) == written.get(p.name) for p in about], str(row["document"])


def digest(count: int, seed: int, use: str) -> str:
    """Return what readings depend on: how many, which, and every line of code that draws and reads them."""
    sources = hashlib.sha256(f"{count} {seed} {use}".encode())
    for package in ("features.documents", "training.simulator.forms"):
        for text in sorted(_texts(files(package))):
            sources.update(text)
    return sources.hexdigest()[:16]


def _texts(folder: Traversable) -> Iterator[bytes]:
    for entry in folder.iterdir():
        if entry.is_dir() and entry.name != "__pycache__":
            yield from _texts(entry)
        elif entry.name.endswith((".py", ".yaml")):
            yield entry.read_bytes()
