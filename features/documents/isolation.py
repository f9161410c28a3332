"""Documents are hostile until read: each is taken apart in a process of its own, and only data comes back."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter

import features
from features.documents.document import Extraction, Kind
from features.documents.intake import (
    DocumentError,
    DocumentTooLargeError,
    EncryptedDocumentError,
    Limits,
    UnsupportedDocumentError,
)

EXTRACTION: Final = TypeAdapter(Extraction)
REFUSED: Final = 3  # exit status of the child: the sentence is on its standard error
REFUSALS: Final[dict[str, type[DocumentError]]] = {
    kind.__name__: kind
    for kind in (DocumentError, DocumentTooLargeError, UnsupportedDocumentError, EncryptedDocumentError)
}
READER: Final = "features.documents"  # its __main__ is the child


def extract_apart(data: bytes, *, kind: Kind | None, limits: Limits) -> Extraction:
    """Return what a fresh process reads in the document.

    The process has no environment of ours, an own session that is killed as a whole, a private temporary
    folder, and limits on memory, time and files.

    Raises
    ------
    DocumentError
        If the document cannot be read, or costs more than its limits.
    """
    with tempfile.TemporaryDirectory(prefix="recoup-document-") as folder:
        document = Path(folder, "document")
        document.write_bytes(data)
        status, said, complaint = _run(_command(kind, limits), document, seconds=limits.seconds)
    if status == REFUSED:
        name, _, sentence = complaint.decode(errors="replace").strip().partition(": ")
        raise REFUSALS.get(name, DocumentError)(sentence)
    if status != 0:
        raise DocumentError("the document could not be read within its limits; export or scan it again.")
    return EXTRACTION.validate_json(said)


def _run(command: list[str], document: Path, *, seconds: float) -> tuple[int, bytes, bytes]:
    """Return the child's exit status, what it said and what it complained of."""
    with (
        document.open("rb") as source,
        subprocess.Popen(  # noqa: S603 - our own interpreter and module; the document is only ever its input
            command,
            stdin=source,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=document.parent,
            env=_environment(document.parent),
            start_new_session=True,
        ) as child,
    ):
        try:
            said, complaint = child.communicate(timeout=seconds)
        except subprocess.TimeoutExpired as late:
            raise DocumentError(
                f"the document took longer than {seconds:g} seconds; send fewer pages or a cleaner scan."
            ) from late
        finally:
            # The whole group: a reader killed alone would leave its Tesseract behind.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
    return child.returncode, said, complaint


def _command(kind: Kind | None, limits: Limits) -> list[str]:
    numbers = (limits.max_bytes, limits.max_pages, limits.max_pixels, limits.seconds, limits.memory_bytes)
    return [
        sys.executable,
        "-m",
        READER,
        *(f"{number}" for number in numbers),
        *([kind.value] if kind else []),
    ]


def _environment(folder: Path) -> dict[str, str]:
    return {
        "PATH": os.defpath,
        "PYTHONPATH": str(Path(str(features.__file__)).parents[1]),
        "PYTHONDONTWRITEBYTECODE": "1",
        "TMPDIR": str(folder),
        "LC_ALL": "C.UTF-8",
        # One thread each: Tesseract's and BLAS' own threads cost a busy machine far more than they bring.
        "OMP_THREAD_LIMIT": "1",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }
