"""The child process, started by ``isolation``: a document on standard input, what it says as JSON out."""

from __future__ import annotations

import argparse
import resource
import sys
from collections.abc import Sequence
from itertools import chain
from typing import Final

from features.documents.candidates import proposals, typed
from features.documents.document import Extraction, Kind
from features.documents.intake import DocumentError, Limits, recognise
from features.documents.isolation import EXTRACTION, REFUSED
from features.documents.labels import classify
from features.documents.layout import Phrase, phrases
from features.documents.pages import sheets
from features.documents.parsers import DAY_FIRST, MONTH_FIRST, date_order, usual_order
from features.documents.unlabelled import told_by_place

OPEN_FILES: Final = 64


def extract(data: bytes, *, kind: Kind | None, limits: Limits) -> Extraction:
    """Return all words, typed candidates and readings of labelled fields; runs in the child."""
    pages = list(sheets(data, kind=recognise(data, limits=limits), limits=limits))
    groups: list[Phrase] = [phrase for sheet in pages for phrase in phrases(sheet)]
    guessed, sure = classify(groups)
    meant = kind or guessed
    texts = [phrase.text for phrase in groups]
    order, known = date_order(
        texts,
        otherwise=usual_order("\n".join(texts), otherwise=DAY_FIRST if meant is Kind.OTHER else MONTH_FIRST),
    )
    found = tuple(candidate for sheet in pages for candidate in typed(sheet, order=order))
    readings = chain.from_iterable(proposals(sheet, kind=meant, order=order) for sheet in pages)
    placed = tuple(told_by_place(pages, found)) if meant is Kind.OTHER else ()
    totalled = any(proposal.name == "total" for proposal in placed)
    return Extraction(
        kind=meant,
        kind_confidence=1.0 if kind else sure,
        date_order=order,
        date_order_known=known,
        pages=tuple(sheet.page for sheet in pages),
        words=tuple(word for sheet in pages for word in sheet.words),
        barcodes=tuple(code for sheet in pages for code in sheet.barcodes),
        candidates=found,
        # Where rows of totals were weighed against each other, a lone label knows less.
        proposals=(*placed, *(reading for reading in readings if not (totalled and reading.name == "total"))),
    )


def confine(limits: Limits) -> None:
    """Bind this process and its children to the limits; there is no way back."""
    seconds = int(limits.seconds) + 1
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (limits.memory_bytes, limits.memory_bytes))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_NOFILE, (OPEN_FILES, OPEN_FILES))


def main(arguments: Sequence[str]) -> int:
    """Read the document on standard input and write what was found as JSON to standard output."""
    parser = argparse.ArgumentParser(prog="documents.isolation")
    for name, kind in (
        ("max_bytes", int),
        ("max_pages", int),
        ("max_pixels", int),
        ("seconds", float),
        ("memory_bytes", int),
    ):
        parser.add_argument(name, type=kind)
    parser.add_argument("kind", type=Kind, nargs="?")
    given = vars(parser.parse_args(arguments))
    meant = given.pop("kind")
    limits = Limits(**given)
    confine(limits)
    try:
        found = extract(sys.stdin.buffer.read(), kind=meant, limits=limits)
    except DocumentError as refusal:
        sys.stderr.write(f"{type(refusal).__name__}: {refusal}")
        return REFUSED
    sys.stdout.buffer.write(EXTRACTION.dump_json(found))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
