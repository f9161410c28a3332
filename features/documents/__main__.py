"""The child process, started by ``isolation``: a document on standard input, what it says as JSON out."""

from __future__ import annotations

import argparse
import resource
import sys
from collections.abc import Sequence
from typing import Final

from features.documents.document import Kind
from features.documents.extraction import extract
from features.documents.intake import DocumentError, Limits
from features.documents.isolation import EXTRACTION, REFUSED

OPEN_FILES: Final = 64


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
