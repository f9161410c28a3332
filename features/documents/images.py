"""Pixels -> a flat, upright grey page with its ruling lines taken out, and the way back to the original."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt
from jdeskew.estimator import get_angle
from PIL import Image, ImageOps, ImageSequence, UnidentifiedImageError

from features.documents.document import Box, Polygon
from features.documents.intake import (
    DocumentError,
    DocumentTooLargeError,
    Limits,
    check_pages,
    check_pixels,
)

Grey = npt.NDArray[np.uint8]
FORMATS: Final = ("PNG", "JPEG", "TIFF", "BMP", "WEBP")
GLYPH_HEIGHT: Final = 24.0  # pixels of a typical glyph at 300 dpi and 10 point, where Tesseract reads best
ENLARGED_BLUR: Final = 0.9  # pixels at working scale; +2 points of word recall on receipts
SKEW_EDGE: Final = 1000  # an angle needs no more pixels than this along the longer edge
MIN_ANGLE: Final = 0.15  # degrees; below it a rotation only blurs
MAX_ANGLE: Final = 15.0  # degrees; beyond it the estimate is of a photograph, not of text
RULE_LENGTH: Final = 60  # pixels at working scale: longer than any stroke of a glyph
TICK_EDGES: Final = (22, 64)  # pixels at working scale: boxes to tick are about as high as a line of text
MOST_INK: Final = 0.75  # of a box to tick, its frame and mark together
TICKED_INK: Final = 0.08  # of the inside of a box, before somebody meant it
LEAST_FRAME: Final = 1.2  # pixels for each of width and height: a thin frame has two
FRAMED: Final = 0.85  # of each side that must have ink; rounded letters have less
OUTLINE_EDGE: Final = 500  # pixels of the longer edge are enough to find a sheet's outline
OUTLINE_SLACK: Final = 0.02  # of the outline's length by which it may leave its four edges
PAPER_SHARE: Final = (0.3, 0.95)  # of a photograph that is paper
FULL: Final = 0.95  # of the four corners' area that is paper: a torn or covered sheet is left as it is
DARKER: Final = 60.0  # grey levels of the desk below the paper
CLEAN_WHITE: Final = 250  # a background this bright over most of the page is flat already


@dataclass(frozen=True, slots=True)
class Upright:
    """A page ready to be read: grey pixels, ruling lines apart, and the map back to the original."""

    pixels: Grey
    horizontals: tuple[Box, ...]
    verticals: tuple[Box, ...]
    ticks: tuple[tuple[Box, bool], ...]
    to_original: npt.NDArray[np.float64]  # 3 x 3, upright -> original pixels, as seen in perspective

    def polygon(self, box: Box) -> Polygon:
        """Return the four corners of `box` in the original image, clockwise from top left."""
        corners = [(box.left, box.top), (box.right, box.top), (box.right, box.bottom), (box.left, box.bottom)]
        mapped = np.array([(x, y, 1.0) for x, y in corners]) @ self.to_original.T
        return tuple((round(float(x / w), 1), round(float(y / w), 1)) for x, y, w in mapped)


def frames(data: bytes, *, limits: Limits) -> Iterator[Grey]:
    """Yield every frame of an image file in grey, turned as its EXIF says.

    Raises
    ------
    DocumentError
        If the file is broken or has more frames or pixels than are read; sizes are judged before decoding.
    """
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            check_pages(getattr(image, "n_frames", 1), limits=limits)
            for number, frame in enumerate(ImageSequence.Iterator(image), start=1):
                check_pixels(*frame.size, page=number, limits=limits)
                yield _grey(frame)
    except Image.DecompressionBombError as bomb:
        raise DocumentTooLargeError(
            "the image has far more pixels than are read; scan it at 300 dpi."
        ) from bomb
    except (
        UnidentifiedImageError,
        OSError,
        SyntaxError,
        ValueError,
    ) as problem:
        raise DocumentError(
            "the image is broken and cannot be decoded; scan or export it again."
        ) from problem


def _grey(frame: Image.Image) -> Grey:
    turned = ImageOps.exif_transpose(frame)
    if turned.mode in {"RGBA", "LA", "PA", "P"}:
        paper = Image.new("RGBA", turned.size, "white")
        turned = Image.alpha_composite(paper, turned.convert("RGBA"))
    return np.asarray(turned.convert("L"))


def upright(grey: Grey, *, limits: Limits, quarter_turns: int = 0) -> Upright:
    """Return the page flattened, straightened, scaled to 300 dpi and without ruling lines.

    Of a photograph, only the paper: its four corners are found, and it is seen from straight above.
    """
    paper, view = _from_above(grey)
    turned = np.ascontiguousarray(np.rot90(paper, quarter_turns))
    forward = _quarter_turn(paper.shape, quarter_turns) @ view
    flat = flatten(turned)
    angle = skew(flat)
    scale = _scale(flat, limits=limits)
    height, width = (round(edge * scale) for edge in flat.shape)
    matrix = cv2.getRotationMatrix2D((flat.shape[1] / 2, flat.shape[0] / 2), angle, scale)
    matrix[:, 2] += (width / 2 - flat.shape[1] / 2, height / 2 - flat.shape[0] / 2)
    method = cv2.INTER_CUBIC if scale >= 1 else cv2.INTER_AREA
    straight = cv2.warpAffine(flat, matrix, (width, height), flags=method, borderValue=255)
    pixels, horizontals, verticals = without_rules(straight)
    if scale > 1.0:  # enlarged dots of a matrix or a coarse scan must run together again
        pixels = np.asarray(cv2.GaussianBlur(pixels, (0, 0), ENLARGED_BLUR), dtype=np.uint8)
    whole = np.vstack([matrix, (0.0, 0.0, 1.0)]) @ forward
    ticks = tick_boxes(pixels)
    return Upright(pixels, horizontals, verticals, ticks, np.linalg.inv(whole).astype(np.float64))


def _from_above(grey: Grey) -> tuple[Grey, npt.NDArray[np.float64]]:
    """Return the paper of a photograph as if seen from straight above, and the 3 x 3 map onto it."""
    corners = None if _is_clean(grey) else paper_corners(grey)
    if corners is None:
        return grey, np.eye(3)
    edges = np.linalg.norm(corners - np.roll(corners, -1, axis=0), axis=1)
    width, height = round(max(edges[0], edges[2])), round(max(edges[1], edges[3]))
    flat = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float32)
    view = cv2.getPerspectiveTransform(corners, flat)
    seen = cv2.warpPerspective(grey, view, (width, height), flags=cv2.INTER_CUBIC, borderValue=255)
    return np.asarray(seen, np.uint8), np.asarray(view, np.float64)


def paper_corners(grey: Grey) -> npt.NDArray[np.float32] | None:
    """Return the corners of a sheet of paper on a darker desk, clockwise from the top left; else nothing.

    A scan has none: its paper reaches to the edges, or its border is no darker than a shadow.
    """
    ratio = min(1.0, OUTLINE_EDGE / max(grey.shape))
    small = cv2.resize(grey, None, fx=ratio, fy=ratio, interpolation=cv2.INTER_AREA)
    filled = cv2.morphologyEx(small, cv2.MORPH_CLOSE, np.ones((15, 15), np.uint8))  # print is no border
    _, bright = cv2.threshold(filled, 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    outlines, _ = cv2.findContours(bright, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    paper = max(outlines, key=cv2.contourArea, default=None)
    if paper is None or not PAPER_SHARE[0] <= cv2.contourArea(paper) / small.size <= PAPER_SHARE[1]:
        return None
    hull = cv2.convexHull(paper)
    found = cv2.approxPolyDP(hull, OUTLINE_SLACK * cv2.arcLength(hull, closed=True), closed=True)
    inside = np.zeros(small.shape, np.uint8)
    cv2.fillPoly(inside, [found], 255)
    desk = inside == 0
    full = cv2.contourArea(paper) >= FULL * cv2.contourArea(found)
    if len(found) != 4 or not full or not desk.any():  # noqa: PLR2004 - the corners of a sheet
        return None
    if float(np.median(filled[~desk])) - float(np.median(filled[desk])) < DARKER:
        return None
    return _clockwise(found.reshape(4, 2).astype(np.float32) / ratio)


def _clockwise(corners: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return four corners in order, from the one nearest to the top left."""
    middle = corners.mean(axis=0)
    turns = np.arctan2(corners[:, 1] - middle[1], corners[:, 0] - middle[0])
    ordered = corners[np.argsort(turns)]
    return np.ascontiguousarray(np.roll(ordered, -int(ordered.sum(axis=1).argmin()), axis=0))


def _quarter_turn(shape: tuple[int, ...], turns: int) -> npt.NDArray[np.float64]:
    """Return the 3 x 3 map of ``np.rot90`` on (x, y)."""
    height, width = shape[:2]
    step = np.eye(3)
    for _ in range(turns % 4):
        step = np.array([[0.0, 1.0, 0.0], [-1.0, 0.0, width], [0.0, 0.0, 1.0]]) @ step
        height, width = width, height
    return step


def _is_clean(grey: Grey) -> bool:
    """Tell whether most of a page is white, as only scanners and printers see paper."""
    white = cv2.countNonZero(cv2.compare(grey, CLEAN_WHITE, cv2.CMP_GE))
    return white > 0.6 * grey.size  # most of a page is paper


def flatten(grey: Grey) -> Grey:
    """Return the page with shadows and paper tone divided out."""
    if _is_clean(grey):
        return grey
    small = cv2.resize(grey, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
    paper = cv2.medianBlur(cv2.dilate(small, np.ones((7, 7), np.uint8)), 21)
    background = cv2.resize(paper, (grey.shape[1], grey.shape[0]), interpolation=cv2.INTER_LINEAR)
    # A dark desk around the paper must not be lifted to white: noise would become text.
    return np.asarray(cv2.divide(grey, np.maximum(background, 60), scale=255), dtype=np.uint8)


def skew(grey: Grey) -> float:
    """Return the angle in degrees by which to turn the page so that its lines are level."""
    ratio = min(1.0, SKEW_EDGE / max(grey.shape))
    small = cv2.resize(grey, None, fx=ratio, fy=ratio, interpolation=cv2.INTER_AREA)
    angle = float(get_angle(small))
    return angle if MIN_ANGLE <= abs(angle) <= MAX_ANGLE else 0.0


def _scale(grey: Grey, *, limits: Limits) -> float:
    """Return the factor that brings a typical glyph to its height at 300 dpi."""
    _, stats = components(ink_of(grey))
    heights, widths = stats[1:, cv2.CC_STAT_HEIGHT], stats[1:, cv2.CC_STAT_WIDTH]
    glyphs = heights[(heights >= 6) & (heights <= 100) & (widths <= 3 * heights) & (widths * 6 >= heights)]  # noqa: PLR2004
    wanted = GLYPH_HEIGHT / float(np.median(glyphs)) if glyphs.size else 1.0
    return float(np.clip(min(wanted, (limits.max_pixels / grey.size) ** 0.5), 0.4, 3.0))


def ink_of(grey: Grey) -> Grey:
    """Return the ink of a page as white on black, by Otsu's threshold."""
    _, ink = cv2.threshold(grey, 0, 255, cv2.THRESH_BINARY_INV | cv2.THRESH_OTSU)
    return np.asarray(ink, dtype=np.uint8)


def components(ink: Grey) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Return the connected piece of ink of every pixel, 0 for paper, and the pieces' boxes and areas.

    The boxes are rows of OpenCV's ``CC_STAT`` columns; that of paper comes first.
    """
    # The algorithm by blocks gives the same as OpenCV's default in a third of the time.
    _, labels, stats, _ = cv2.connectedComponentsWithStatsWithAlgorithm(ink, 8, cv2.CV_32S, cv2.CCL_BBDT)
    return np.asarray(labels), np.asarray(stats)


def without_rules(grey: Grey, *, length: int = RULE_LENGTH) -> tuple[Grey, tuple[Box, ...], tuple[Box, ...]]:
    """Return the page with ruling lines of at least `length` pixels painted white, and these lines.

    Boxed forms are unreadable to Tesseract's page layout until their lines are gone.
    """
    ink = ink_of(grey)
    across = _long_strokes(ink, (length, 1))
    down = _long_strokes(ink, (1, length))
    mask = cv2.dilate(across | down, np.ones((3, 3), np.uint8))
    return np.asarray(cv2.bitwise_or(grey, mask), np.uint8), _boxes(across), _boxes(down)


def _long_strokes(ink: Grey, shape: tuple[int, int]) -> Grey:
    # Strokes thicker than a line (logos, dark edges) are kept as they are.
    strokes: Grey = cv2.morphologyEx(ink, cv2.MORPH_OPEN, cv2.getStructuringElement(cv2.MORPH_RECT, shape))
    thick = cv2.morphologyEx(strokes, cv2.MORPH_OPEN, np.ones((14, 14), np.uint8))
    return np.asarray(cv2.subtract(strokes, thick), dtype=np.uint8)


def _boxes(mask: Grey) -> tuple[Box, ...]:
    outlines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    found = sorted(cv2.boundingRect(outline) for outline in outlines)
    return tuple(Box(left, top, left + width, top + height) for left, top, width, height in found)


def tick_boxes(grey: Grey, *, edges: tuple[int, int] = TICK_EDGES) -> tuple[tuple[Box, bool], ...]:
    """Return the boxes to tick on a page without ruling lines, and whether each is ticked.

    `edges` are the fewest and most pixels of a box's edge.
    """
    ink = ink_of(grey)
    _, stats = components(ink)
    least, most = edges
    widths, heights, areas = (
        stats[:, column] for column in (cv2.CC_STAT_WIDTH, cv2.CC_STAT_HEIGHT, cv2.CC_STAT_AREA)
    )
    short, long = np.minimum(widths, heights), np.maximum(widths, heights)
    square = (short >= least) & (long <= most) & (4 * (long - short) <= short)
    likely = stats[square & (areas >= LEAST_FRAME * (widths + heights)), : cv2.CC_STAT_AREA]
    found = sorted(box for x, y, w, h in likely.tolist() if (box := _tick_box((x, y, w, h), ink)))
    return tuple(box for box in found if not any(_within(box[0], other[0]) for other in found))


def _within(box: Box, other: Box) -> bool:
    """Tell whether a box is the inner edge of another's frame, or what is written in it."""
    return (
        box != other
        and other.left <= box.left
        and other.top <= box.top
        and box.right <= other.right
        and box.bottom <= other.bottom
    )


def _tick_box(place: tuple[int, int, int, int], ink: Grey) -> tuple[Box, bool] | None:
    x, y, w, h = place
    part = ink[y : y + h, x : x + w] > 0
    if part.mean() > MOST_INK or not _framed(part):
        return None
    edge = max(min(w, h) // 5, 2)
    inside = part[edge : h - edge, edge : w - edge]
    return Box(x, y, x + w, y + h), bool(inside.mean() > TICKED_INK)


def _framed(part: npt.NDArray[np.bool_]) -> bool:
    """Tell whether ink runs along all four sides of a component, as it does around no letter."""
    band = max(min(part.shape) // 8, 1) + 1
    sides = (part[:band].any(0), part[-band:].any(0), part[:, :band].any(1), part[:, -band:].any(1))
    return min(float(side.mean()) for side in sides) > FRAMED
