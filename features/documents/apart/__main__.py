"""The fork server, started by ``isolation``: everything loaded once, a child of its own for each document.

A request is one message with two open files, the document and a pipe for the answer. The child writes its
process id, a line that says how it went, and then what it read.
"""

from __future__ import annotations

import gc
import io
import json
import os
import signal
import socket
import sys
from collections.abc import Sequence
from typing import Any, Final

import cv2
import pikepdf

from features.documents.apart.confinement import confine
from features.documents.apart.isolation import EXTRACTION, READ
from features.documents.document import Kind
from features.documents.extraction import extract
from features.documents.intake import DocumentError, Limits
from features.documents.picture import picture
from features.documents.readings.labels import options

MESSAGE: Final = 4096  # bytes of the longest request
FILES: Final = 2  # with every request
WORDS: Final = (
    b"BT /F1 12 Tf 20 80 Td (Return form: 3 May 2026) Tj 0 -20 Td (Tracking: 1Z5R89390357567127) Tj ET"
)


def main(arguments: Sequence[str]) -> int:
    """Serve requests that come in through the socket of that number until its other end closes."""
    channel = socket.socket(fileno=int(arguments[0]))
    _load()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for children: they leave nothing behind
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # ends with its owner, not with the owner's terminal
    while True:
        message, files, _, _ = socket.recv_fds(channel, MESSAGE, FILES)
        if not message:
            return 0
        if os.fork() == 0:
            channel.close()
            _child(json.loads(message), *files)
        for file in files:
            os.close(file)


def _load() -> None:
    """Read a page of our own, so that children find every table and library loaded, and freeze it."""
    cv2.setNumThreads(1)  # a forked process has none of its parent's threads
    options()
    page = io.BytesIO()
    with pikepdf.new() as pdf:
        font = pikepdf.Dictionary(
            Type=pikepdf.Name.Font, Subtype=pikepdf.Name.Type1, BaseFont=pikepdf.Name.Helvetica
        )
        sheet = pdf.add_blank_page(page_size=(300, 120))
        sheet.obj.Resources = pikepdf.Dictionary(Font=pikepdf.Dictionary(F1=pdf.make_indirect(font)))
        sheet.obj.Contents = pdf.make_stream(WORDS)
        pdf.save(page)
    extract(page.getvalue(), kind=None, limits=Limits())
    gc.collect()
    gc.freeze()  # what is loaded stays shared with the children


def _child(request: dict[str, Any], document: int, answer: int) -> None:
    """Read one document in this process and end it."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    status = 1
    try:
        limits = Limits(**request["limits"])
        confine(limits, folder=request["folder"])
        os.write(answer, b"%d\n" % os.getpid())
        with os.fdopen(document, "rb") as source, os.fdopen(answer, "wb") as target:
            target.write(_answered(source.read(), request, limits))
        status = 0
    finally:
        # Also past exceptions: nothing of the server's may run on in a child.
        os._exit(status)


def _answered(data: bytes, request: dict[str, Any], limits: Limits) -> bytes:
    try:
        if request.get("page"):
            return READ + b"\n" + picture(data, number=request["page"], limits=limits)
        kind = request["kind"]
        found = extract(data, kind=Kind(kind) if kind else None, limits=limits)
    except DocumentError as refusal:
        return f"{type(refusal).__name__}\n{refusal}".encode()
    return READ + b"\n" + EXTRACTION.dump_json(found)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
