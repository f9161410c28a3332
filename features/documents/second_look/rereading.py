"""A second look at what the first left unread or doubtful: crops on one small sheet, read line by line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from features.documents.document import Box
from features.documents.images import Grey, components, ink_of
from features.documents.second_look.handwriting import numbers

SURE: Final = 0.6  # confidence from which a word's ink is spoken for
SPARE: Final = 0.05  # by how much a second reading must be surer than the first
LEAST, MOST = 0.5, 2.2  # heights of a letter or digit, in heights of the page's text
STROKE: Final = 0.2  # heights of text: what is narrower is a stroke of a line, or of a letter cut off
REACH: Final = 0.9  # heights of text between characters of one line
BORDER: Final = 0.5  # heights of white paper around a crop
CROPS: Final = 24  # more than this is noise, or handwriting
LEGIBLE: Final = 0.5  # confidence of second readings that are kept
SAYING: Final = 3  # letters; fewer say nothing unless they are digits
PRINT: Final = 0.9  # confidence from which large characters are print
TALL: Final = 1.5  # heights of text: larger characters may be written by hand
HAND_LEAST, HAND_MOST = 1.1, 6.0  # heights of digits written by hand, in heights of the page's text
FEWEST_WORDS: Final = 5  # surely read; without them the size of text is not known


@dataclass(frozen=True, slots=True)
class Seen:
    """A word as an engine sees it."""

    text: str
    confidence: float
    box: Box


Reader = Callable[[Grey], Sequence[Seen]]


def reread(pixels: Grey, words: Sequence[Seen], ticks: Sequence[Box], *, read: Reader) -> list[Seen]:
    """Return the words of a page with those that a second look finds, or finds surer.

    Parameters
    ----------
    pixels : ndarray of uint8
        The page as it was read.
    words, ticks : sequences
        What was read of it, and the boxes to tick, whose frames are no text.
    read : callable
        Reads a small sheet of single lines.
    """
    sure = [word for word in words if word.confidence >= SURE]
    if len(sure) < FEWEST_WORDS:
        return list(words)
    height = median(word.box.height for word in sure)
    crops = _unread(pixels, [*(word.box for word in sure), *ticks], height)
    if not crops or len(crops) > CROPS:
        return list(words)
    sheet, places = _sheet(pixels, crops, round(BORDER * height))
    found = _back(read(sheet), places)
    return _merged(words, crops, found)


def with_handwriting(pixels: Grey, words: Sequence[Seen]) -> list[Seen]:
    """Return the words of a page with numbers written by hand in place of what print was seen in them."""
    sure = [word for word in words if word.confidence >= SURE]
    if len(sure) < FEWEST_WORDS:
        return list(words)
    height = median(word.box.height for word in sure)
    ink = _halved(pixels)
    for word in sure:
        if _is_print(word, height):
            ink[_half(word.box)] = 0
    kept = list(words)
    least, most = HAND_LEAST * height / 2, HAND_MOST * height / 2
    for text, confidence, half in numbers(ink, least=least, most=most):
        box = Box(*(2.0 * edge for edge in half))
        kept = [word for word in kept if _is_print(word, height) or not _overlap(word.box, box)]
        kept.append(Seen(text, round(confidence, 3), box))
    return kept


def _is_print(word: Seen, height: float) -> bool:
    """Tell printed words from what may be written by hand: larger than the text, and short or unsure."""
    if word.confidence < SURE:
        return False
    return word.box.height <= TALL * height or (word.confidence >= PRINT and len(word.text) > SAYING)


def _unread(pixels: Grey, spoken_for: Sequence[Box], height: float) -> list[Box]:
    """Return the lines of characters whose ink no sure word claims."""
    ink, height = _halved(pixels), height / 2
    labels, stats = components(ink)
    tall, wide = stats[:, cv2.CC_STAT_HEIGHT], stats[:, cv2.CC_STAT_WIDTH]
    claimed = np.zeros(ink.shape, np.uint8)
    for box in spoken_for:
        claimed[_half(box)] = 1
    centre_x = stats[:, cv2.CC_STAT_LEFT] + wide // 2
    centre_y = stats[:, cv2.CC_STAT_TOP] + tall // 2
    character = (tall >= LEAST * height) & (tall <= MOST * height) & (wide <= MOST * height)
    character &= claimed[centre_y, centre_x] == 0
    character[0] = False
    if not character.any():
        return []
    left = (character[labels] * np.uint8(255)).astype(np.uint8)
    joined = cv2.dilate(left, np.ones((1, max(round(REACH * height), 1)), np.uint8))
    _, lines = components(np.asarray(joined))
    half = round(REACH * height) // 2
    return [
        Box(2.0 * (x + half), 2.0 * y, 2.0 * (x + w - half), 2.0 * (y + h))
        for x, y, w, h, _ in lines[1:].tolist()
        if h <= MOST * height and w - 2 * half > STROKE * height
    ]


def _halved(pixels: Grey) -> Grey:
    """Return the ink at half size: enough to see where characters are, at a quarter of the cost."""
    return ink_of(np.asarray(cv2.resize(pixels, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)))


def _half(box: Box) -> tuple[slice, slice]:
    """Return where a box is at half size."""
    left, top, right, bottom = (max(round(edge / 2), 0) for edge in box)
    return slice(top, bottom + 1), slice(left, right + 1)


def _sheet(pixels: Grey, crops: Sequence[Box], border: int) -> tuple[Grey, list[tuple[int, Box]]]:
    """Return the crops under each other, and where on the sheet the rows of each begin."""
    width = max(round(crop.right - crop.left) for crop in crops) + 2 * border
    rows: list[npt.NDArray[np.uint8]] = []
    places, top = [], border
    for crop in crops:
        left, upper, right, lower = (round(edge) for edge in crop)
        upper, lower = max(upper - border // 3, 0), lower + border // 3
        left, right = max(left - border // 3, 0), right + border // 3
        part = pixels[upper:lower, left:right]
        row = np.full((part.shape[0] + border, width), 255, np.uint8)
        row[: part.shape[0], border : border + part.shape[1]] = part
        places.append((top, Box(left - border, upper, right, lower)))
        rows.append(row)
        top += row.shape[0]
    above = np.full((border, width), 255, np.uint8)
    return np.vstack([above, *rows]), places


def _back(words: Sequence[Seen], places: Sequence[tuple[int, Box]]) -> list[list[Seen]]:
    """Return the words of each crop where they stand on the page."""
    found: list[list[Seen]] = [[] for _ in places]
    tops = [top for top, _ in places]
    for word in words:
        number = int(np.searchsorted(tops, word.box.middle, side="right")) - 1
        if number < 0:
            continue
        top, crop = places[number]
        across, down = crop.left, crop.top - top
        left, upper, right, lower = word.box
        moved = Box(left + across, upper + down, right + across, lower + down)
        found[number].append(Seen(word.text, word.confidence, moved))
    return found


def _merged(words: Sequence[Seen], crops: Sequence[Box], found: Sequence[Sequence[Seen]]) -> list[Seen]:
    kept = list(words)
    for crop, again in zip(crops, found, strict=True):
        legible = [word for word in again if word.confidence >= LEGIBLE and _says_something(word.text)]
        before = [word for word in kept if word.confidence < SURE and _overlap(word.box, crop)]
        first = fmean(word.confidence for word in before) if before else 0.0
        if legible and fmean(word.confidence for word in legible) >= first + SPARE:
            kept = [word for word in kept if word not in before] + legible
    return kept


def _says_something(text: str) -> bool:
    return any(map(str.isdigit, text)) or sum(map(str.isalpha, text)) >= SAYING


def _overlap(word: Box, crop: Box) -> bool:
    middle = (word.left + word.right) / 2
    return crop.left <= middle <= crop.right and crop.top <= word.middle <= crop.bottom
