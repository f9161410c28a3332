"""Words -> rows -> phrases: what stands together on a page, within its ruling lines."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, reduce
from itertools import pairwise, zip_longest
from statistics import median
from typing import Final

import numpy as np
import numpy.typing as npt

from features.documents.document import Barcode, Box, Page, Polygon, Word

PHRASE_GAP: Final = 1.25  # heights of text: wider than a space
PHRASE_PITCH: Final = 1.9  # widths of a glyph: wider than a typewriter's space
CODE_GAP: Final = 0.3  # heights: narrower than a space
BROKEN_GAP: Final = 0.5  # heights beside a dash or point, which stand in wide cells of a typewriter's row
SAME_ROW: Final = 0.5  # share of the lower word's height by which middles may differ, or which both share
ALIKE: Final = 1.6  # heights of two words of one size of type: one with ascenders, one without
MEANT = re.compile(r"[\w#$%&:@/+\u20ac\u00a3-](?<!_)")  # lone strokes are lines and specks
POINTED: Final = re.compile(r"[.,]\d+")
PREFIX: Final = re.compile(r"[A-Z]{1,4}")
JOINED = re.compile(r"(?<=[A-Za-z.)])(:)(?=[^\s:/\\])|(?<=[A-Za-z])(#)(?=[\w])")


@dataclass(frozen=True, slots=True)
class Tick:
    """A box to tick, and whether it is."""

    box: Box
    polygon: Polygon
    ticked: bool


@dataclass(frozen=True, slots=True)
class Picture:
    """The page's grey pixels without its ruling lines; `scale` pixels a unit of the words' frame."""

    pixels: npt.NDArray[np.uint8]
    scale: float


@dataclass(frozen=True, slots=True)
class Sheet:
    """One page as it was read: its words, and its ruling lines in the words' upright frame."""

    page: Page
    words: tuple[Word, ...]
    horizontals: tuple[Box, ...] = ()
    verticals: tuple[Box, ...] = ()
    barcodes: tuple[Barcode, ...] = ()
    ticks: tuple[Tick, ...] = ()
    picture: Picture | None = None


@dataclass(frozen=True)
class Phrase:
    """Words on one row with no wide gap or line between them."""

    words: tuple[Word, ...]
    row: int

    @cached_property
    def text(self) -> str:
        """The words with single spaces."""
        return " ".join(word.text for word in self.words)

    @cached_property
    def box(self) -> Box:
        """The box around all words."""
        return around(self.words)


def around(words: Iterable[Word]) -> Box:
    """Return the smallest upright box around the words."""
    return reduce(Box.union, (word.box for word in words))


def outline(words: Sequence[Word]) -> Polygon:
    """Return one polygon around the words in the original page: the ends of the first and last of a row."""
    if len({round(word.box.middle / max(word.box.height, 1)) for word in words}) > 1:
        return _bounds([point for word in words for point in word.polygon])
    return (words[0].polygon[0], words[-1].polygon[1], words[-1].polygon[2], words[0].polygon[3])


def _bounds(points: Sequence[tuple[float, float]]) -> Polygon:
    across, down = zip(*points, strict=True)
    left, top, right, bottom = min(across), min(down), max(across), max(down)
    return ((left, top), (right, top), (right, bottom), (left, bottom))


def rows(words: Iterable[Word]) -> list[list[Word]]:
    """Return the words in rows from top to bottom, each from left to right."""
    lines: list[list[Word]] = []
    parts = (part for word in words if MEANT.search(word.text) for part in parted(word))
    for word in sorted(parts, key=lambda word: word.box.middle):
        line = next((line for line in reversed(lines[-4:]) if _level(line, word)), None)
        if line is None:
            lines.append([word])
        else:
            line.append(word)
    return [_mended(sorted(line, key=lambda word: word.box.left)) for line in lines]


def _mended(line: Sequence[Word]) -> list[Word]:
    """Return the row with codes joined that were read in pieces: digits with less than a space between."""
    mended = [line[0]]
    for word, following in zip_longest(line[1:], line[2:]):
        last = mended[-1]
        gap = (word.box.left - last.box.right) / max(last.box.height, word.box.height, 1.0)
        digits = last.text[-1].isdigit() and word.text[0].isdigit()
        if last.confidence < 1 and (
            (digits and gap < CODE_GAP) or (gap < BROKEN_GAP and _broken(last, word, following))
        ):
            mended[-1] = _joined(last, word)
        else:
            mended.append(word)
    return mended


def _broken(last: Word, word: Word, following: Word | None) -> bool:
    """Tell whether two words are pieces of one code or amount, broken at a dash or point: `DN - 066336`."""
    if POINTED.fullmatch(word.text):
        return last.text[-1].isalnum()
    if word.text == "-":
        return bool(PREFIX.fullmatch(last.text) and following and following.text[0].isdigit())
    return bool(PREFIX.fullmatch(last.text[:-1]) and last.text[-1] == "-" and word.text[0].isdigit())


def _joined(first: Word, second: Word) -> Word:
    polygon = (first.polygon[0], second.polygon[1], second.polygon[2], first.polygon[3])
    confidence = min(first.confidence, second.confidence)
    return Word(first.text + second.text, confidence, first.page, first.box.union(second.box), polygon)


def _level(line: Sequence[Word], word: Word) -> bool:
    nearest = min(line, key=lambda other: abs(other.box.left - word.box.left))
    apart = abs(nearest.box.middle - word.box.middle)
    heights = (nearest.box.height, word.box.height)
    # A dash is as high as its ink, and stands anywhere between the feet and heads of its neighbours.
    flat = not (any(map(str.isalnum, nearest.text)) and any(map(str.isalnum, word.text)))
    shared = min(nearest.box.bottom, word.box.bottom) - max(nearest.box.top, word.box.top)
    return apart <= SAME_ROW * max(max(heights) if flat else min(heights), 1.0) or (
        max(heights) <= ALIKE * min(heights) and shared >= SAME_ROW * min(heights)
    )


def parted(word: Word) -> list[Word]:
    """Return ``Date:12/02`` and ``RMA#7`` as label and value; all other words as they are."""
    cut = JOINED.search(word.text)
    if cut is None:
        return [word]
    share = cut.end() / len(word.text)
    left, top, right, bottom = word.box
    middle = left + (right - left) * share
    first, second, third, fourth = word.polygon
    upper, lower = _between(first, second, share), _between(fourth, third, share)
    label, value = Box(left, top, middle, bottom), Box(middle, top, right, bottom)
    return [
        replace(word, text=word.text[: cut.end()], box=label, polygon=(first, upper, lower, fourth)),
        replace(word, text=word.text[cut.end() :], box=value, polygon=(upper, second, third, lower)),
    ]


def _between(start: tuple[float, float], end: tuple[float, float], share: float) -> tuple[float, float]:
    return (start[0] + (end[0] - start[0]) * share, start[1] + (end[1] - start[1]) * share)


def phrases(sheet: Sheet) -> list[Phrase]:
    """Return all phrases of a page, row by row."""
    return [
        Phrase(tuple(group), number)
        for number, line in enumerate(rows(sheet.words))
        for group in _groups(line, sheet.verticals)
    ]


def _groups(line: Sequence[Word], verticals: Sequence[Box]) -> list[list[Word]]:
    height = median(word.box.height for word in line)
    pitch = median((word.box.right - word.box.left) / len(word.text) for word in line)
    wide = max(PHRASE_GAP * height, PHRASE_PITCH * pitch)
    groups = [[line[0]]]
    for before, word in pairwise(line):
        apart = word.box.left - before.box.right > wide
        if apart or crossed(before.box, word.box, verticals):
            groups.append([word])
        else:
            groups[-1].append(word)
    return groups


def crossed(left: Box, right: Box, verticals: Sequence[Box]) -> int:
    """Return how many vertical lines stand between two boxes of one row."""
    level = (left.middle + right.middle) / 2
    slack = left.height / 4  # glyphs touch the lines that box them
    return sum(
        left.right - slack <= (line.left + line.right) / 2 <= right.left + slack
        and line.top <= level <= line.bottom
        for line in verticals
    )


def under_lines(upper: Box, lower: Box, horizontals: Sequence[Box]) -> int:
    """Return how many horizontal lines run between a box and one below it."""
    centre = (max(upper.left, lower.left) + min(upper.right, lower.right)) / 2
    slack = upper.height / 4
    return sum(
        upper.bottom - slack <= (line.top + line.bottom) / 2 <= lower.top + slack
        and line.left <= centre <= line.right
        for line in horizontals
    )
