"""Bytes -> sheets of words: PDFs by their own text where they have it, everything else by reading pixels.

pdfium is not thread-safe; this module runs only in the document's own process.
"""

from __future__ import annotations

import ctypes
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt
import pypdfium2 as pdfium
from pypdfium2 import raw

from features.documents.document import Barcode, Box, Page, Word
from features.documents.images import Grey, flatten, frames, tick_boxes, without_rules
from features.documents.intake import DocumentError, Limits, check_pages, check_pixels
from features.documents.layout import Picture, Sheet, Tick
from features.documents.mending import mended
from features.documents.ocr import barcodes, read_page, scaled

POINTS: Final = 72.0
SCAN_DPI: Final = 300
RULES_DPI: Final = 96  # enough to see the lines of a born-digital form
TICK_EDGES: Final = (7, 21)  # pixels at that resolution
CODES_DPI: Final = 150  # of the narrowest bars that printers set
MANY_PATHS: Final = 40  # drawn on a page before there may be a barcode among them
MIN_TEXT: Final = 24  # characters: fewer on a page are a stamp on a scan
MAX_STRANGE: Final = (
    0.1  # share of characters without a meaning in Unicode beyond which the text layer is useless
)
DEVICE: Final = 20  # pdfium maps to whole device units: this many a point keeps a twentieth of a point
HIDDEN: Final = 0.2  # share of texts or words that are not to be seen, before the layer is doubted
UNCLAIMED: Final = 0.75  # share of ink outside all words: pictures of text, perhaps
LITTLE_INK: Final = 0.004  # share of a page: a logo or two
INK: Final = 160  # grey level
LONG: Final = 3  # characters: shorter words turn up anywhere
SURE: Final = 0.8
AGREED: Final = 0.7  # share of words that a layer and eyes must have in common
STEP: Final = 1000.0  # points between the places by which a page's rotation is told
GAP: Final = 0.25  # heights between two glyphs that part words


def sheets(data: bytes, *, kind: str, limits: Limits) -> Iterator[Sheet]:
    """Yield the pages of a recognised file in order, read one at a time."""
    if kind == "PDF":
        yield from _pdf_sheets(data, limits=limits)
        return
    for number, grey in enumerate(frames(data, limits=limits), start=1):
        height, width = grey.shape
        yield _scanned(
            grey, Page(number, float(width), float(height), "pixel", "ocr"), scale=1.0, limits=limits
        )


def _scanned(grey: Grey, page: Page, *, scale: float, limits: Limits) -> Sheet:
    words, read = read_page(grey, page=page.number, limits=limits, scale=scale)
    codes = barcodes(grey, page=page.number, scale=scale)
    ticks = tuple(Tick(box, scaled(read.polygon(box), scale), ticked) for box, ticked in read.ticks)
    picture = Picture(read.pixels, 1.0)
    return Sheet(page, words, read.horizontals, read.verticals, codes, ticks, picture)


def _pdf_sheets(data: bytes, *, limits: Limits) -> Iterator[Sheet]:
    try:
        document = pdfium.PdfDocument(mended(data, limits=limits))
    except pdfium.PdfiumError as problem:
        raise DocumentError("the PDF is broken beyond repair; export or scan it again.") from problem
    with document:
        check_pages(len(document), limits=limits)
        for index in range(len(document)):
            yield _pdf_sheet(document, index, limits=limits)


def _pdf_sheet(document: pdfium.PdfDocument, index: int, *, limits: Limits) -> Sheet:
    page = document[index]
    number = index + 1
    width, height = page.get_size()
    glyphs = _glyphs(page)
    check_pixels(width * SCAN_DPI / POINTS, height * SCAN_DPI / POINTS, page=number, limits=limits)
    if not _is_text(glyphs):
        return _seen_sheet(page, number, limits=limits)
    grey = _render(page, dpi=RULES_DPI)
    flat, across, down = without_rules(flatten(grey), length=RULES_DPI // 4)
    scale = POINTS / RULES_DPI
    words = tuple(_word(group, page=number) for group in _grouped(glyphs))
    if _is_suspicious(page, words, Picture(flat, 1 / scale)):
        seen = _seen_sheet(page, number, limits=limits)
        if not agree(words, seen.words):
            return seen
    horizontals, verticals = (
        tuple(Box(*(edge * scale for edge in line)) for line in group) for group in (across, down)
    )
    codes = _drawn_codes(page, number)
    ticks = tuple(_tick(found, scale) for found in tick_boxes(flat, edges=TICK_EDGES))
    picture = Picture(flat, 1 / scale)
    written = Page(number, width, height, "point", "text")
    return Sheet(written, words, horizontals, verticals, codes, ticks, picture)


def _seen_sheet(page: pdfium.PdfPage, number: int, *, limits: Limits) -> Sheet:
    """Return the page as eyes see it, whatever text it claims to hold."""
    grey = _render(page, dpi=SCAN_DPI)
    width, height = page.get_size()
    said = Page(number, width, height, "point", "ocr")
    return _scanned(grey, said, scale=POINTS / SCAN_DPI, limits=limits)


def _is_suspicious(page: pdfium.PdfPage, words: tuple[Word, ...], picture: Picture) -> bool:
    """Tell whether a text layer may say other than what is seen: it hides, or ink stands without it."""
    texts = [
        thing
        for index in range(raw.FPDFPage_CountObjects(page))
        if raw.FPDFPageObj_GetType(thing := raw.FPDFPage_GetObject(page, index)) == raw.FPDF_PAGEOBJ_TEXT
    ]
    hidden = sum(raw.FPDFTextObj_GetTextRenderMode(t) == raw.FPDF_TEXTRENDERMODE_INVISIBLE for t in texts)
    if hidden > HIDDEN * len(texts):
        return True
    ink = (picture.pixels < INK).astype(np.uint8)
    spots = _spots(words, picture)
    bare_words = int(np.count_nonzero(_sums(ink, spots) == 0))
    return bare_words > HIDDEN * len(words) or _unclaimed(ink, spots)


def _unclaimed(ink: Grey, spots: npt.NDArray[np.intp]) -> bool:
    """Tell whether most of a page's ink, if there is much, stands outside all words."""
    everything = int(ink.sum())
    if everything <= LITTLE_INK * ink.size:
        return False
    left = ink.copy()
    for x1, y1, x2, y2 in spots.tolist():
        left[y1:y2, x1:x2] = 0
    return int(left.sum()) > UNCLAIMED * everything


def _spots(words: tuple[Word, ...], picture: Picture) -> npt.NDArray[np.intp]:
    """Return where words stand in a picture: left, top, right and bottom of each, the last two excluded."""
    height, width = picture.pixels.shape
    corners = (np.array([word.box for word in words]) * picture.scale).astype(np.intp)
    corners[:, 2:] += 1
    return np.clip(corners, 0, (width, height, width, height))


def _sums(ink: Grey, spots: npt.NDArray[np.intp]) -> npt.NDArray[np.int32]:
    """Return how many pixels of ink every spot holds."""
    sums = cv2.integral(ink)
    left, top, right, bottom = spots.T
    return np.asarray(sums[bottom, right] - sums[top, right] - sums[bottom, left] + sums[top, left], np.int32)


def agree(written: tuple[Word, ...], seen: tuple[Word, ...]) -> bool:
    """Tell whether most words of a text layer are seen on the page, and most sure words seen are in it."""
    layer = Counter(word.text.casefold() for word in written if len(word.text) >= LONG)
    eyes = Counter(
        word.text.casefold() for word in seen if len(word.text) >= LONG and word.confidence >= SURE
    )
    common = (layer & eyes).total()
    return common >= AGREED * max(layer.total(), 1) and common >= AGREED * eyes.total()


def _drawn_codes(page: pdfium.PdfPage, number: int) -> tuple[Barcode, ...]:
    """Return the barcodes of a born-digital page, looked for only where something is drawn."""
    drawn = [raw.FPDFPage_GetObject(page, index) for index in range(raw.FPDFPage_CountObjects(page))]
    kinds = [raw.FPDFPageObj_GetType(thing) for thing in drawn]
    if raw.FPDF_PAGEOBJ_IMAGE not in kinds and kinds.count(raw.FPDF_PAGEOBJ_PATH) < MANY_PATHS:
        return ()
    return barcodes(_render(page, dpi=CODES_DPI), page=number, scale=POINTS / CODES_DPI, straight=True)


def _tick(found: tuple[Box, bool], scale: float) -> Tick:
    box, ticked = found
    left, top, right, bottom = (edge * scale for edge in box)
    corners = ((left, top), (right, top), (right, bottom), (left, bottom))
    return Tick(Box(left, top, right, bottom), corners, ticked)


def _render(page: pdfium.PdfPage, *, dpi: int) -> Grey:
    bitmap = page.render(scale=dpi / POINTS, grayscale=True)
    pixels: Any = bitmap.to_numpy()
    return np.ascontiguousarray(pixels.reshape(pixels.shape[:2]))


Glyph = tuple[str, Box]
SPACE: Final = (" ", Box(0, 0, 0, 0))


def _glyphs(page: pdfium.PdfPage) -> list[Glyph]:
    """Return every character with its box in points from the top left, as the page is seen."""
    text = page.get_textpage()
    (ax, bx, cx), (ay, by, cy) = _view(page)
    found = []
    edges = raw.FS_RECTF()
    for index in range(text.count_chars()):
        character = chr(raw.FPDFText_GetUnicode(text, index))
        if character.isspace():
            found.append(SPACE)
        elif character.isprintable() or character == "\ufffd":
            raw.FPDFText_GetLooseCharBox(text, index, edges)
            left, bottom, right, top = edges.left, edges.bottom, edges.right, edges.top
            x1, y1 = ax * left + bx * top + cx, ay * left + by * top + cy
            x2, y2 = ax * right + bx * bottom + cx, ay * right + by * bottom + cy
            found.append((character, Box(min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2))))
    return found


Axis = tuple[float, float, float]


def _view(page: pdfium.PdfPage) -> tuple[Axis, Axis]:
    """Return where a point of the page is seen, turned and cropped: x and y as (a, b, c) of ax + by + c."""
    size = tuple(round(edge * DEVICE) for edge in page.get_size())
    x0, y0 = _seen(page, size, 0.0, 0.0)
    (x1, y1), (x2, y2) = _seen(page, size, STEP, 0.0), _seen(page, size, 0.0, STEP)
    return ((x1 - x0) / STEP, (x2 - x0) / STEP, x0), ((y1 - y0) / STEP, (y2 - y0) / STEP, y0)


def _seen(page: pdfium.PdfPage, size: tuple[int, ...], x: float, y: float) -> tuple[float, float]:
    across, down = ctypes.c_int(), ctypes.c_int()
    raw.FPDF_PageToDevice(page, 0, 0, size[0], size[1], 0, x, y, across, down)
    return across.value / DEVICE, down.value / DEVICE


def _is_text(glyphs: list[Glyph]) -> bool:
    written = [character for character, _ in glyphs if character != " "]
    strange = sum(character == "\ufffd" or "\ue000" <= character <= "\uf8ff" for character in written)
    return len(written) >= MIN_TEXT and strange <= MAX_STRANGE * len(written)


def _grouped(glyphs: list[Glyph]) -> Iterator[list[Glyph]]:
    group: list[Glyph] = []
    for glyph in glyphs:
        if group and (glyph[0] == " " or _apart(group[-1][1], glyph[1])):
            yield group
            group = []
        if glyph[0] != " ":
            group.append(glyph)
    if group:
        yield group


def _apart(before: Box, after: Box) -> bool:
    height = max(before.height, 1.0)
    return (
        not -height < after.left - before.right < GAP * height
        or abs(after.middle - before.middle) > height / 2
    )


def _word(group: list[Glyph], *, page: int) -> Word:
    left, top = min(box.left for _, box in group), min(box.top for _, box in group)
    right, bottom = max(box.right for _, box in group), max(box.bottom for _, box in group)
    box = Box(left, top, right, bottom)
    corners = ((left, top), (right, top), (right, bottom), (left, bottom))
    polygon = tuple((round(x, 1), round(y, 1)) for x, y in corners)
    return Word("".join(character for character, _ in group), 1.0, page, box, polygon)
