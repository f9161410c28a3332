"""Bytes -> a page as people see it. Runs only in the document's own process, as all that decodes does."""

from __future__ import annotations

import io
from typing import Final

import pypdfium2 as pdfium
from PIL import Image, ImageOps, ImageSequence, UnidentifiedImageError

from features.documents.images import FORMATS
from features.documents.intake import DocumentError, Limits, check_pages, check_pixels, recognise
from features.documents.mending import mended

WIDTH: Final = 1400  # pixels: handwriting can be read, and a page is a tenth of a megabyte
QUALITY: Final = 80


def picture(data: bytes, *, number: int, limits: Limits) -> bytes:
    """Return page `number`, counted from one, as JPEG.

    Raises
    ------
    DocumentError
        If the file is broken or has no such page.
    """
    drawn = _of_pdf if recognise(data, limits=limits) == "PDF" else _of_image
    page = drawn(data, number, limits)
    page.thumbnail((WIDTH, WIDTH * 4))
    out = io.BytesIO()
    page.save(out, "JPEG", quality=QUALITY, optimize=True)
    return out.getvalue()


def _of_pdf(data: bytes, number: int, limits: Limits) -> Image.Image:
    try:
        with pdfium.PdfDocument(mended(data, limits=limits)) as document:
            _check_there(number, len(document), limits)
            page = document[number - 1]
            width, height = page.get_size()
            scale = WIDTH / max(width, 1.0)
            check_pixels(width * scale, height * scale, page=number, limits=limits)
            drawn: Image.Image = page.render(scale=scale).to_pil()
            return drawn.convert("RGB")
    except pdfium.PdfiumError as problem:
        raise DocumentError("the PDF is broken beyond repair; export or scan it again.") from problem


def _of_image(data: bytes, number: int, limits: Limits) -> Image.Image:
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            _check_there(number, getattr(image, "n_frames", 1), limits)
            frame = ImageSequence.Iterator(image)[number - 1]
            check_pixels(*frame.size, page=number, limits=limits)
            turned = ImageOps.exif_transpose(frame).convert("RGBA")
            paper = Image.new("RGBA", turned.size, "white")
            return Image.alpha_composite(paper, turned).convert("RGB")
    except (
        Image.DecompressionBombError,
        UnidentifiedImageError,
        OSError,
        SyntaxError,
        ValueError,
    ) as problem:
        raise DocumentError("the image cannot be decoded; scan or export it again.") from problem


def _check_there(number: int, count: int, limits: Limits) -> None:
    check_pages(count, limits=limits)
    if not 1 <= number <= count:
        raise DocumentError(f"the document has {count} pages; there is no page {number}.")
