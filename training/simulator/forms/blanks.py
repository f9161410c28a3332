"""Real blank forms, filled in: values are set into the places that their own form fields mark.

The forms themselves are no part of this project; they are read from a folder of whoever has them.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Final

import numpy as np
import pikepdf
import yaml

from training.simulator.forms.drawing import Form
from training.simulator.forms.filling import Filling, filled
from training.simulator.forms.layouts import Cell, Layout
from training.simulator.forms.pen import VALUE_POINTS, Pen
from training.simulator.forms.setting import DPI, PAGE, POINTS, Paper, as_pixels, fonts

PAD: Final = 0.04  # inches between the edge of a place and what is written in it
Place = tuple[float, float, float]  # left, bottom and width in inches, y downwards


@dataclass(frozen=True, slots=True)
class Blank:
    """Which fields of a blank form take which of ours; `rows` name theirs with `#` for the row's number."""

    name: str
    kind: str
    title: str
    single: Mapping[str, str]
    rows: Mapping[str, str]

    @property
    def layout(self) -> Layout:
        """The form as one of the layouts that are judged on."""
        return Layout(
            self.name, self.kind, "real", "test", "en", self.title,
            rows=(tuple(Cell(field, place) for place, field in self.single.items()),),
            table=tuple(Cell(field, place) for place, field in self.rows.items()),
        )  # fmt: skip


@cache
def blanks() -> Mapping[str, Blank]:
    """Return every blank form that is known, by its file's name."""
    data = yaml.safe_load(files(__package__).joinpath("blanks.yaml").read_text(encoding="utf-8"))
    return {
        name: Blank(name, entry["kind"], entry["title"], entry["single"], entry.get("rows", {}))
        for name, entry in data.items()
    }


def fill_in(blank: Blank, folder: Path, *, rng: np.random.Generator) -> Form:
    """Return the blank form of that name in `folder`, filled in; `rng` chooses what is written."""
    ground, places = _opened(folder / f"{blank.name}.pdf")
    layout = blank.layout
    pen = Pen(layout, filled(layout, rng=rng), fonts(rng), rng)
    for where, field in blank.single.items():
        _write(pen, field, places[where], None)
    for number, item in enumerate(pen.filling.items):
        row = Filling(item, (), {})
        for pattern, field in blank.rows.items():
            _write(pen, field, places[pattern.replace("#", str(number + 1))], number, row)
    paper = Paper(tuple(pen.marks), ground)
    return Form(layout.name, layout.kind, as_pixels(paper), DPI, tuple(pen.truths), paper)


def _write(pen: Pen, field: str, place: Place, line: int | None, row: Filling | None = None) -> None:
    left, bottom, width = place
    top = bottom - 1.35 * VALUE_POINTS / POINTS
    pen.value(field, (left + PAD, top), (row or pen.filling).single, width=width - 2 * PAD, line=line)


def _opened(path: Path) -> tuple[bytes, dict[str, Place]]:
    """Return the form without its fields, and where these were."""
    ground = io.BytesIO()
    with pikepdf.open(path) as pdf:
        places = dict(_places(pdf))
        del pdf.Root.AcroForm
        if "/Annots" in pdf.pages[0]:
            del pdf.pages[0].Annots
        pdf.save(ground, deterministic_id=True)
    return ground.getvalue(), places


def _places(pdf: pikepdf.Pdf) -> Iterator[tuple[str, Place]]:
    for field in pdf.Root.AcroForm.Fields:
        shown = field if "/Rect" in field else next(iter(field.get("/Kids", ())), None)
        if shown is not None and "/Rect" in shown:
            left, bottom, right, _ = (float(edge) / POINTS for edge in shown.Rect)
            yield str(field.get("/T", "")), (left, PAGE[1] - bottom, right - left)
