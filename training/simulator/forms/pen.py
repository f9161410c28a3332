"""The pen that fills in a form: marks on paper, and the truth of every value it writes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from training.simulator.forms.filling import Filling, Values
from training.simulator.forms.layouts import Layout
from training.simulator.forms.setting import DPI, PAGE, Bar, Stroke, Text, Typeface

Point = tuple[float, float]
MARGIN: Final = 0.6  # inches, as all lengths here
VALUE_POINTS: Final = 10.5


@dataclass(frozen=True, slots=True)
class Truth:
    """What was written in a field: as printed, in normal form, and where (clockwise, pixels of the image).

    `line` counts the rows of the form's table; single values have none.
    """

    field: str
    text: str
    value: str
    polygon: tuple[Point, ...]
    line: int | None = None


@dataclass(slots=True)
class Pen:
    """Collects marks and truths from the top of the page downwards."""

    layout: Layout
    filling: Filling
    faces: Mapping[str, Typeface]
    rng: np.random.Generator
    top: float = MARGIN
    marks: list[Text | Stroke | Bar] = field(default_factory=list)
    truths: list[Truth] = field(default_factory=list)

    def write(
        self, role: str, at: Point, text: str, *, points: float, width: float = PAGE[0], grey: int = 0
    ) -> Text:
        """Put text on the page, no wider than `width`."""
        face = self.faces[role]
        wide = face.width(text, points)
        mark = Text(at, text, min(points, points * width / wide), face, grey)
        self.marks.append(mark)
        return mark

    def value(self, name: str, at: Point, values: Values, *, width: float, line: int | None = None) -> None:
        """Write a field's value and note its truth."""
        written = values[name]
        if not written.text:
            return
        mark = self.write("value", at, written.text, points=VALUE_POINTS, width=width)
        left, top, right, bottom = mark.box
        corners = ((left, top), (right, top), (right, bottom), (left, bottom))
        polygon = tuple((x * DPI, y * DPI) for x, y in corners)
        self.truths.append(Truth(name, written.text, written.value, polygon, line))

    def line(self, *points: Point, width: float = 0.01, grey: int = 0) -> None:
        """Draw a line through the points."""
        self.marks.append(Stroke(points, width, grey))

    def frame(self, left: float, top: float, width: float, height: float) -> None:
        """Draw a rectangle."""
        right, bottom = left + width, top + height
        self.line((left, top), (right, top), (right, bottom), (left, bottom), (left, top))
