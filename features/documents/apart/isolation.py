"""Documents are hostile until read: each is taken apart in a process of its own, and only data comes back."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import asdict, dataclass
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
READ: Final = b"read"  # the line before an extraction; before a refusal stands the error's name
REFUSALS: Final[dict[str, type[DocumentError]]] = {
    kind.__name__: kind
    for kind in (DocumentError, DocumentTooLargeError, UnsupportedDocumentError, EncryptedDocumentError)
}
SERVER: Final = "features.documents.apart"  # its __main__
NAMED_WITHIN: Final = 2.0  # seconds that a process has to say who it is before it is left to end by itself
CHUNK: Final = 1 << 16
LONGEST_ANSWER: Final = 256 * 1024 * 1024  # bytes; thirty dense pages take a twentieth


class _Server:
    """The fork server of this process, started with the first document; ends when its socket closes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._owner = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: socket.socket | None = None

    def submit(self, message: bytes, files: list[int]) -> None:
        """Hand over one request; a server that has died is replaced once."""
        with self._lock:
            try:
                socket.send_fds(self._running(), [message], files)
            except OSError:
                self._close()
                socket.send_fds(self._running(), [message], files)

    def close(self) -> None:
        """End the server and wait for it."""
        with self._lock:
            self._close()

    def _running(self) -> socket.socket:
        # A forked copy of this process must not share its parent's server.
        if self._channel is None or self._owner != os.getpid():
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with theirs:
                self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                    [sys.executable, "-m", SERVER, str(theirs.fileno())],
                    pass_fds=(theirs.fileno(),),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,  # what a hostile file makes readers say is not for our logs
                    cwd="/",
                    env=_environment(),
                )
            self._channel, self._owner = ours, os.getpid()
        return self._channel

    def _close(self) -> None:
        if self._channel is not None:
            self._channel.close()
        if self._process is not None and self._owner == os.getpid():
            self._process.wait()
        self._channel = self._process = None


_SERVER: Final = _Server()
atexit.register(_SERVER.close)


@dataclass(slots=True)
class _Child:
    """The process of one document, as far as it has said who it is."""

    answer: int
    deadline: float
    pid: int | None = None

    def says(self) -> bytes:
        """Return all that the process says until it ends.

        Raises
        ------
        TimeoutError
            If it goes on past the deadline, or says more than any document holds.
        """
        said = bytearray()
        while part := self._part():
            said += part
            if self.pid is None and b"\n" in said:
                number, _, rest = bytes(said).partition(b"\n")
                self.pid, said = int(number), bytearray(rest)
            if len(said) > LONGEST_ANSWER:
                raise TimeoutError
        return bytes(said)

    def _part(self) -> bytes:
        left = max(self.deadline - time.monotonic(), 0.0)
        if not select.select([self.answer], [], [], left)[0]:
            raise TimeoutError
        return os.read(self.answer, CHUNK)

    def kill(self) -> None:
        """Kill the process and all that it started: a reader killed alone would leave its Tesseract."""
        if self.pid is None:
            # It may have said who it is since; if not, the closed pipe ends it before it reads anything.
            self.deadline = time.monotonic() + NAMED_WITHIN
            with contextlib.suppress(TimeoutError, ValueError):
                self.pid = int(self._part().partition(b"\n")[0])
        if self.pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)


def extract_apart(data: bytes, *, kind: Kind | None, limits: Limits) -> Extraction:
    """Return what a process of the document's own reads in it.

    Raises
    ------
    DocumentError
        If the document cannot be read, or costs more than its limits.
    """
    return EXTRACTION.validate_json(_apart(data, {"kind": kind.value if kind else None}, limits))


def picture_apart(data: bytes, *, page: int, limits: Limits) -> bytes:
    """Return a page as people see it, a JPEG that a process of the document's own has drawn.

    Raises
    ------
    DocumentError
        As for `extract_apart`, or if there is no such page.
    """
    return _apart(data, {"kind": None, "page": page}, limits)


def _apart(data: bytes, asked: dict[str, object], limits: Limits) -> bytes:
    """Return what a process of the document's own says about it.

    The process has no environment of ours and no network, a session that is killed as a whole, a private
    temporary folder, and limits on memory, time and files.

    Raises
    ------
    DocumentError
        If the document cannot be read, or costs more than its limits.
    """
    with tempfile.TemporaryDirectory(prefix="recoup-document-") as folder:
        document = Path(folder, "document")
        document.write_bytes(data)
        request = {**asked, "limits": asdict(limits), "folder": folder}
        said = _answer(json.dumps(request).encode(), document, seconds=limits.seconds)
    status, _, body = said.partition(b"\n")
    if status == READ:
        return body
    refusal = REFUSALS.get(status.decode(errors="replace"))
    if refusal is None:
        raise DocumentError("the document could not be read within its limits; export or scan it again.")
    raise refusal(body.decode(errors="replace"))


def _answer(request: bytes, document: Path, *, seconds: float) -> bytes:
    ours, theirs = os.pipe()
    child = _Child(ours, time.monotonic() + seconds)
    try:
        with document.open("rb") as source:
            _SERVER.submit(request, [source.fileno(), theirs])
        os.close(theirs)
        theirs = -1
        return child.says()
    except TimeoutError as late:
        raise DocumentError(
            f"the document took longer than {seconds:g} seconds; send fewer pages or a cleaner scan."
        ) from late
    finally:
        child.kill()
        os.close(ours)
        if theirs >= 0:
            os.close(theirs)


def _environment() -> dict[str, str]:
    return {
        "PATH": os.defpath,
        "PYTHONPATH": str(Path(str(features.__file__)).parents[1]),
        "PYTHONDONTWRITEBYTECODE": "1",
        "LC_ALL": "C.UTF-8",
        # One thread each: Tesseract's and BLAS' own threads cost a busy machine far more than they bring.
        "OMP_THREAD_LIMIT": "1",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }
