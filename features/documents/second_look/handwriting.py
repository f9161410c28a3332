"""Numbers written by hand: strokes -> digits, by the nearest of a few prototypes of each digit.

Tesseract knows print only. What is read here is a proposal for a person and is never sure.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache, reduce
from importlib.resources import files
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from features.documents.document import Box
from features.documents.images import Grey, components

EDGE: Final = 32  # pixels of the square in which a digit is compared
STROKE: Final = 4.5  # pixels of a pen's stroke before it is compared
INNER: Final = 28  # pixels of the longer side of a digit in its square
NARROWEST: Final = 0.62  # width by height to which digits are widened, strokes like 1 excepted
BARE_STROKE: Final = 0.3  # width by height of a 1
DIRECTIONS, CELLS = 8, 5  # of strokes; and a side of the grid in which they are counted
NEAR: Final = 0.78  # similarity from which strokes are taken for a digit
NEIGHBOURS: Final = 3
FEWEST, DIGITS = 3, 10  # of a number
WIDEST: Final = 1.6  # width by height of a digit
CROWDED: Final = 300  # strokes as high as digits; so many are noise or a drawing
ALIKE: Final = 0.5  # height of a digit by that of the tallest beside it
APART: Final = 0.34  # heights of white paper that end a number
LEVEL: Final = 0.4  # share of the lower one's height that two digits of a number have in common
BELIEVED: Final = 0.55  # of the similarity: how sure a number read so may be
Vector = npt.NDArray[np.float32]
Stroke = tuple[int, int, int, int, int]  # left, top, width, height and its label


def numbers(ink: Grey, *, least: float, most: float) -> Iterator[tuple[str, float, Box]]:
    """Yield what looks like numbers written by hand in the ink of a place: text, confidence and box.

    `least` and `most` are the heights that a digit may have, in pixels.
    """
    # Where a ruling line was taken out of a stroke, the stroke goes on.
    closed = cv2.morphologyEx(ink, cv2.MORPH_CLOSE, np.ones((5, 1), np.uint8))
    labels, stats = components(np.asarray(closed))
    strokes = sorted(
        (x, y, w, h, place)
        for place, (x, y, w, h, _) in enumerate(stats.tolist())
        if place and least <= h <= most and w <= WIDEST * h
    )
    if len(strokes) > CROWDED:
        return
    for group in _groups(strokes):
        if not FEWEST <= len(group) <= DIGITS:
            continue
        read = [digit(labels[y : y + h, x : x + w] == place) for x, y, w, h, place in group]
        if min(near for _, near in read) >= NEAR:
            confidence = BELIEVED * float(np.mean([near for _, near in read]))
            yield "".join(str(value) for value, _ in read), confidence, _around(group)


def _around(group: Sequence[Stroke]) -> Box:
    boxes = [Box(x, y, x + w, y + h) for x, y, w, h, _ in group]
    return reduce(Box.union, boxes)


def _groups(strokes: Sequence[Stroke]) -> Iterator[list[Stroke]]:
    """Yield strokes that stand beside each other, about as high and about level, from left to right."""
    open_groups: list[list[Stroke]] = []
    for stroke in strokes:
        beside = next((group for group in reversed(open_groups) if _continues(group, stroke)), None)
        if beside is None:
            open_groups.append([stroke])
        else:
            beside.append(stroke)
    yield from open_groups


def _continues(group: Sequence[Stroke], stroke: Stroke) -> bool:
    left, top, width, height, _ = group[-1]
    tallest = max(s[3] for s in group)
    level = min(top + height, stroke[1] + stroke[3]) - max(top, stroke[1])
    gap = stroke[0] - (left + width)
    alike = min(stroke[3], tallest) >= ALIKE * max(stroke[3], tallest)
    near = -width / 2 <= gap <= APART * max(tallest, stroke[3])
    return near and alike and level > LEVEL * min(height, stroke[3])


def digit(mask: npt.NDArray[np.bool_]) -> tuple[int, float]:
    """Return the digit that strokes look like most, and how much: 1 is the same."""
    shapes, values = _prototypes()
    alike = shapes @ shape(mask)
    nearest = np.argsort(-alike)[:NEIGHBOURS]
    votes = np.bincount(
        values[nearest], weights=np.exp(12 * (alike[nearest] - alike[nearest[0]])), minlength=10
    )
    value = int(votes.argmax())
    return value, float(alike[values == value].max())


@cache
def _prototypes() -> tuple[Vector, npt.NDArray[np.int64]]:
    """Return the shapes of digits that ship with this package, and which digits they are."""
    lines = files(__package__).joinpath("digits.txt").read_text(encoding="ascii").split()
    shapes = np.array([list(bytes.fromhex(line[1:])) for line in lines], np.float32)
    return shapes / np.linalg.norm(shapes, axis=1, keepdims=True), np.array([int(line[0]) for line in lines])


def shape(mask: npt.NDArray[np.bool_]) -> Vector:
    """Return the directions of a digit's edges on a grid, as a vector of length one."""
    square = _squared(mask)
    across, down = cv2.Sobel(square, cv2.CV_32F, 1, 0), cv2.Sobel(square, cv2.CV_32F, 0, 1)
    strength = np.hypot(across, down)
    turn = (np.arctan2(down, across) % (2 * np.pi)) * DIRECTIONS / (2 * np.pi)
    lower = np.floor(turn).astype(np.int64) % DIRECTIONS
    upper_share = turn - np.floor(turn)
    counted = []
    for direction in range(DIRECTIONS):
        there = np.where(lower == direction, strength * (1 - upper_share), 0.0)
        there += np.where((lower + 1) % DIRECTIONS == direction, strength * upper_share, 0.0)
        spread = cv2.GaussianBlur(there.astype(np.float32), (0, 0), 2.0)
        counted.append(cv2.resize(spread, (CELLS, CELLS), interpolation=cv2.INTER_AREA).ravel())
    vector = np.sqrt(np.concatenate(counted))
    return np.asarray(vector / max(float(np.linalg.norm(vector)), 1e-9), np.float32)


def _squared(mask: npt.NDArray[np.bool_]) -> Vector:
    """Return the digit upright, with a pen of one width, in the middle of a square."""
    inked = _thick(_upright(_cut(mask.astype(np.uint8) * 255)))
    inked = _cut(inked)
    height, width = inked.shape
    ratio = width / height
    wide = int(np.clip(INNER * (max(ratio, NARROWEST) if ratio > BARE_STROKE else ratio), 4, INNER))
    high = INNER if height >= width else max(int(INNER * height / width), INNER // 2)
    small = cv2.resize(inked * 255, (wide, high), interpolation=cv2.INTER_AREA)
    square = np.zeros((EDGE, EDGE), np.float32)
    top, left = (EDGE - high) // 2, (EDGE - wide) // 2
    square[top : top + high, left : left + wide] = small / 255
    return np.asarray(cv2.GaussianBlur(square, (0, 0), 1.0), np.float32)


def _cut(image: Grey) -> Grey:
    down, across = np.nonzero(image)
    return image[down.min() : down.max() + 1, across.min() : across.max() + 1]


def _upright(image: Grey) -> Grey:
    """Return strokes of a common size, their slant taken out."""
    size, inner = 48, 40
    scale = inner / max(image.shape)
    high, wide = (max(round(edge * scale), 1) for edge in image.shape)
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    square = np.zeros((size, size), np.uint8)
    top, left = (size - high) // 2, (size - wide) // 2
    square[top : top + high, left : left + wide] = cv2.resize(image, (wide, high), interpolation=method)
    found = cv2.moments(square)
    if abs(found["mu02"]) > 1e-2:  # noqa: PLR2004 - a dot has no slant
        slant = float(np.clip(found["mu11"] / found["mu02"], -0.6, 0.6))
        turn = np.array([[1, slant, -slant * found["m01"] / found["m00"]], [0, 1, 0]], np.float32)
        square = np.asarray(
            cv2.warpAffine(square, turn, (size, size), flags=cv2.WARP_INVERSE_MAP | cv2.INTER_LINEAR),
            np.uint8,
        )
    return square


def _thick(image: Grey) -> Grey:
    """Return strokes at least as wide as those of the prototypes, as ones."""
    strokes = (image > 90).astype(np.uint8)  # noqa: PLR2004 - about a third of full ink
    pen = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
    for _ in range(4):
        outlines, _ = cv2.findContours(strokes, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
        edge = sum(cv2.arcLength(outline, closed=True) for outline in outlines)
        if edge == 0 or 2 * int(strokes.sum()) / edge >= STROKE:
            break
        strokes = np.asarray(cv2.dilate(strokes, pen), np.uint8)
    return strokes
