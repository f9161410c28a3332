"""What happens to paper on its way: skew, blur, noise, shadow, compression, a camera's angle."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from training.simulator.forms.drawing import Form, draw
from training.simulator.forms.layouts import layouts
from training.simulator.forms.pen import Truth


@dataclass(frozen=True, slots=True)
class Wear:
    """How a form was spoiled on its way.

    Parameters
    ----------
    skew : float
        Degrees.
    blur : float
        Pixels (standard deviation).
    noise : float
        Grey levels (standard deviation).
    shadow : float
        Share of light lost towards one edge.
    jpeg : int
        Quality of the compression; 0 leaves it out.
    perspective : float
        How far corners move inwards, as a share of the page.
    desk : int
        Grey level of what the paper lies on where it does not fill the picture.
    """

    dpi: int = 200
    skew: float = 0.0
    blur: float = 0.0
    noise: float = 0.0
    shadow: float = 0.0
    jpeg: int = 0
    perspective: float = 0.0
    desk: int = 255


# The rows of the benchmark's table; a born-digital PDF has no wear.
DEGRADATIONS: Final[Mapping[str, Wear]] = {
    "300dpi": Wear(dpi=300, skew=0.4, noise=2.0),
    "200dpi_skew_noise": Wear(dpi=200, skew=4.0, noise=10.0),
    "150dpi": Wear(dpi=150),
    "150dpi_skew_blur_shadow_jpeg": Wear(dpi=150, skew=3.0, blur=0.7, noise=4.0, shadow=0.4, jpeg=60),
}


def spoil(form: Form, wear: Wear, *, rng: np.random.Generator) -> Form:
    """Return the form as a scanner or camera would see it, its truths moved along with the paper."""
    ratio = wear.dpi / form.dpi
    height, width = (round(edge * ratio) for edge in form.pixels.shape)
    matrix = _view(form.pixels.shape, (height, width), wear, rng)
    # Smoothed first: fewer dots see the mean of what falls on them, as a sensor does.
    fine = cv2.GaussianBlur(form.pixels, (0, 0), 0.4 / ratio) if ratio < 1 else form.pixels
    grey = cv2.warpPerspective(fine, matrix, (width, height), flags=cv2.INTER_LINEAR, borderValue=wear.desk)
    grey = cv2.GaussianBlur(grey, (0, 0), wear.blur) if wear.blur else grey
    light = 1.0 - wear.shadow * np.linspace(0.0, 1.0, width)[None, :]
    spoiled = np.clip(grey * light + rng.normal(0.0, wear.noise, grey.shape), 0, 255).astype(np.uint8)
    truths = tuple(_moved(truth, matrix) for truth in form.truths)
    return replace(form, pixels=_compressed(spoiled, wear.jpeg), dpi=wear.dpi, truths=truths)


def _view(
    paper: tuple[int, ...], seen: tuple[int, int], wear: Wear, rng: np.random.Generator
) -> npt.NDArray[np.float64]:
    """Return the 3 x 3 map from the paper to what is seen of it."""
    height, width = seen
    affine = cv2.getRotationMatrix2D((paper[1] / 2, paper[0] / 2), wear.skew, width / paper[1])
    affine[:, 2] += (width / 2 - paper[1] / 2, height / 2 - paper[0] / 2)
    turned = np.vstack([affine, (0.0, 0.0, 1.0)])
    if not wear.perspective:
        return turned
    corners = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float32)
    inwards = rng.uniform(0, wear.perspective, (4, 2)) * np.array([(1, 1), (-1, 1), (-1, -1), (1, -1)])
    tilted = (corners + inwards * (width, height)).astype(np.float32)
    return np.asarray(cv2.getPerspectiveTransform(corners, tilted) @ turned, dtype=np.float64)


def _compressed(grey: npt.NDArray[np.uint8], quality: int) -> npt.NDArray[np.uint8]:
    if not quality:
        return grey
    _, data = cv2.imencode(".jpg", grey, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE), dtype=np.uint8)


def _moved(truth: Truth, matrix: npt.NDArray[np.float64]) -> Truth:
    corners = np.array([(x, y, 1.0) for x, y in truth.polygon]) @ matrix.T
    return replace(truth, polygon=tuple((float(x / w), float(y / w)) for x, y, w in corners))


def some_wear(rng: np.random.Generator) -> Wear:
    """Return wear as office scanners and phones leave it."""
    return Wear(
        dpi=int(rng.choice((150, 200, 300))),
        skew=float(rng.normal(0.0, 1.2)),
        blur=float(rng.uniform(0.0, 0.8)),
        noise=float(rng.uniform(0.0, 9.0)),
        shadow=float(rng.uniform(0.0, 0.35)),
        jpeg=int(rng.choice((0, 60, 85))),
    )


def forms(count: int, *, rng: np.random.Generator, use: str = "train", blank: float = 0.0) -> Iterator[Form]:
    """Yield `count` clean forms of the layouts for one use, which take turns."""
    for layout in itertools.islice(itertools.cycle(layouts(use).values()), count):
        yield draw(layout, rng=rng, blank=blank)
