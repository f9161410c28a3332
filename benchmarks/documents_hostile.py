"""Small documents broken in thousands of ways, and what must come of each: an answer or a refusal."""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator
from typing import Final

import numpy as np
import pikepdf
from PIL import Image, ImageDraw, ImageFont

NUMBER: Final = "RMA-447102"
LINES: Final = ("RETURN REQUEST FORM", f"RMA #: {NUMBER}")
KINDS: Final = ("PNG", "JPEG", "TIFF", "BMP", "WEBP")
MOST_EDITS: Final = 12
TOKENS: Final = (
    b"/Length 99999999",
    b"/Count -1",
    b"/Kids [1 0 R]",
    b"/W [9 9 9]",
    b"<<<<<<<<",
    b"/AcroForm <<>>",
)


def originals() -> dict[str, bytes]:
    """A digital PDF, a scanned one, and five kinds of image."""
    picture = Image.new("L", (420, 90), 255)
    pen = ImageDraw.Draw(picture)
    for place, line in enumerate(LINES):
        pen.text((12, 10 + 36 * place), line, font=ImageFont.load_default(24), fill=0)
    return {"pdf": digital(), "scan": _saved(picture, "PDF")} | {
        kind.lower(): _saved(picture, kind) for kind in KINDS
    }


def _saved(picture: Image.Image, kind: str) -> bytes:
    target = io.BytesIO()
    picture.save(target, kind, **({"resolution": 150} if kind == "PDF" else {}))
    return target.getvalue()


def digital(number: str = NUMBER, *, password: str = "") -> bytes:
    """The same lines as text in a PDF."""
    target = io.BytesIO()
    with pikepdf.new() as pdf:
        page = pdf.add_blank_page(page_size=(300, 120))
        font = pikepdf.Dictionary(
            Type=pikepdf.Name.Font, Subtype=pikepdf.Name.Type1, BaseFont=pikepdf.Name.Helvetica
        )
        page.obj.Resources = pikepdf.Dictionary(Font=pikepdf.Dictionary(F1=pdf.make_indirect(font)))
        shown = " ".join(
            f"1 0 0 1 20 {80 - 30 * n} Tm ({line}) Tj"
            for n, line in enumerate((LINES[0], f"RMA #: {number}"))
        )
        page.obj.Contents = pdf.make_stream(f"BT /F1 12 Tf {shown} ET".encode())
        lock = pikepdf.Encryption(owner="o", user=password) if password else False
        pdf.save(target, encryption=lock)
    return target.getvalue()


def mutations(count: int, *, rng: np.random.Generator) -> Iterator[tuple[str, bytes]]:
    """Yield broken copies of every original by turns: bytes changed, cut, doubled, moved, tokens put in."""
    every = list(originals().items())
    for number in range(count):
        name, data = every[number % len(every)]
        broken = bytearray(data)
        for _ in range(int(rng.integers(1, MOST_EDITS))):
            _edit(broken, rng)
        yield name, bytes(broken)


def _edit(data: bytearray, rng: np.random.Generator) -> None:
    if not data:
        return
    at, length = int(rng.integers(len(data))), int(rng.integers(1, 64))
    match int(rng.integers(6)):
        case 0:
            data[at] = int(rng.integers(256))
        case 1:
            data[at : at + length] = rng.bytes(length)
        case 2:
            del data[at : at + length]
        case 3:
            data[at:at] = data[at : at + length] * int(rng.integers(2, 20))
        case 4:
            data[at:at] = TOKENS[int(rng.integers(len(TOKENS)))]
        case _:
            del data[max(at, len(data) // 2) :]


def traps() -> dict[str, bytes]:
    """Files made to harm: bombs, endless trees, scripts, locks, lies about their size."""
    with_script = io.BytesIO()
    with pikepdf.open(io.BytesIO(digital())) as pdf:
        action = pikepdf.Dictionary(S=pikepdf.Name.JavaScript, JS="app.alert(1)")
        pdf.Root.OpenAction = pdf.make_indirect(action)
        pdf.save(with_script)
    bomb = io.BytesIO()
    with pikepdf.new() as pdf:
        page = pdf.add_blank_page(page_size=(300, 120))
        page.obj.Contents = pikepdf.Stream(pdf, b"q " * 30_000_000)
        pdf.save(bomb, compress_streams=True)
    ring = digital().replace(b"/Kids [ ", b"/Kids [ 2 0 R 2 0 R ")
    header = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + b"\x00\x00\xff\xff\x00\x00\xff\xff\x08\x00\x00\x00\x00"
    huge = header + zlib.crc32(header[12:]).to_bytes(4, "big") + b"\x00\x00\x00\x00IEND\xaeB`\x82"
    return {
        "script": with_script.getvalue(),
        "bomb": bomb.getvalue(),
        "ring": ring,
        "huge": huge,
        "locked": digital(password="secret"),
        "trailing": digital() + b"MZ" * 4096,
        "empty": b"",
        "zeros": bytes(4096),
        "header": b"%PDF-1.7\n%%EOF",
    }
