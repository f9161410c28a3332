"""A form drawn once as marks on paper, then set as pixels or as a digital PDF."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import zxingcpp
from PIL import Image

from training.simulator.forms.filling import filled
from training.simulator.forms.layouts import Cell, Layout, Ticks
from training.simulator.forms.pen import MARGIN, VALUE_POINTS, Pen, Truth
from training.simulator.forms.receipts import receipt
from training.simulator.forms.setting import (
    DPI,
    PAGE,
    Bar,
    Paper,
    Text,
    as_pdf,
    as_pixels,
    fonts,
)

Pixels = npt.NDArray[np.uint8]
LABEL_POINTS, TITLE_POINTS, STAMP_POINTS = 8.0, 15.0, 22.0  # lengths are in inches
ROW_INCHES: Final = {"boxed": 0.5, "grid": 0.38, "colon": 0.36, "inline": 0.3, "over": 0.6, "lined": 0.4}
TABLE_ROW: Final = 0.3
PAD: Final = 0.06
LABEL_SHARE: Final = 0.42  # of a grid cell, colon pair or line
BOX: Final = 0.14  # edge of a box to tick
SIGNATURE: Final = (2.6, 0.55)
WIDEST_CODE: Final = 2.3


@dataclass(frozen=True, slots=True)
class Form:
    """A drawn form: grey pixels, the truth about them, and the paper before it was scanned."""

    layout: str
    kind: str
    pixels: Pixels
    dpi: int
    truths: tuple[Truth, ...]
    paper: Paper

    def png(self) -> bytes:
        """Return the form as a PNG file."""
        return self._file("PNG")

    def pdf(self) -> bytes:
        """Return the form as a scanned, one-page PDF."""
        return self._file("PDF")

    def digital(self) -> bytes:
        """Return the form as it was printed: a PDF with text."""
        return as_pdf(self.paper)

    def _file(self, kind: str) -> bytes:
        target = io.BytesIO()
        Image.fromarray(self.pixels).save(target, kind, resolution=self.dpi, dpi=(self.dpi, self.dpi))
        return target.getvalue()


def draw(layout: Layout, *, rng: np.random.Generator, blank: float = 0.0) -> Form:
    """Return a clean, filled form; `rng` chooses what is written, and in which type.

    `blank` is the share of fields left empty, and of forms that nobody filled in.
    """
    pen = Pen(layout, filled(layout, rng=rng, blank=blank), fonts(rng), rng)
    if layout.style == "receipt":
        receipt(pen)
    else:
        _sheet(pen)
    paper = Paper(tuple(pen.marks))
    return Form(layout.name, layout.kind, as_pixels(paper), DPI, tuple(pen.truths), paper)


def _sheet(pen: Pen) -> None:
    layout = pen.layout
    pen.write("title", (MARGIN, pen.top), layout.title, points=TITLE_POINTS, width=PAGE[0] - 2 * MARGIN - 1.9)
    pen.top += 0.6
    if layout.barcode and pen.filling.single[layout.barcode].text:
        _barcode(pen, pen.filling.single[layout.barcode].text)
    for row in layout.rows:
        _row(pen, row)
    if layout.table:
        _table(pen)
    for row in layout.tail:
        _row(pen, row)
    for ticks in layout.ticks:
        _ticks(pen, ticks)
    if layout.signature:
        _signature(pen, layout.signature)
    if layout.stamp:
        _stamp(pen, layout.stamp)


def _row(pen: Pen, cells: Sequence[Cell]) -> None:
    style, height = pen.layout.style, ROW_INCHES[pen.layout.style]
    unit = (PAGE[0] - 2 * MARGIN) / sum(cell.share for cell in cells)
    left = MARGIN
    for cell in cells:
        width = cell.share * unit
        _cell(pen, cell, left, width)
        if style in {"boxed", "grid"}:
            pen.frame(left, pen.top, width, height)
        left += width
    pen.top += height


def _cell(pen: Pen, cell: Cell, left: float, width: float) -> None:
    style, top = pen.layout.style, pen.top
    edge = left + LABEL_SHARE * width
    beside = style in {"grid", "colon", "lined"}
    text = cell.label + (":" if style in {"colon", "inline"} else "")
    label_width = edge - left - 2 * PAD if beside else width - 2 * PAD
    label = pen.write(
        "label",
        (left + PAD, top + PAD * (2 if beside else 1)),
        text,
        points=LABEL_POINTS,
        width=label_width,
        grey=30,
    )
    at = (edge + PAD, top + 1.5 * PAD) if beside else (left + PAD, top + PAD + 0.19)
    if style == "inline":
        at = (label.box[2] + PAD, top + 0.5 * PAD)
    pen.value(cell.field, at, pen.filling.single, width=(left + width - at[0] - PAD))
    if style == "grid":
        pen.line((edge, top), (edge, top + ROW_INCHES["grid"]))
    if style == "lined":
        pen.line((edge, top + 0.32), (left + width - PAD, top + 0.32))


def _table(pen: Pen) -> None:
    pen.top += 0.15
    heads = pen.layout.table
    unit = (PAGE[0] - 2 * MARGIN) / sum(head.share for head in heads)
    lefts = [MARGIN + unit * sum(head.share for head in heads[:place]) for place in range(len(heads))]
    for head, left in zip(heads, lefts, strict=True):
        pen.write(
            "label",
            (left + PAD, pen.top + PAD),
            head.label,
            points=LABEL_POINTS,
            width=head.share * unit - 2 * PAD,
            grey=30,
        )
        _ruled(pen, left, head.share * unit)
    if not pen.layout.ruled:
        pen.line((MARGIN, pen.top + TABLE_ROW - 0.03), (PAGE[0] - MARGIN, pen.top + TABLE_ROW - 0.03))
    for number, item in enumerate(pen.filling.items):
        pen.top += TABLE_ROW
        for head, left in zip(heads, lefts, strict=True):
            pen.value(
                head.field, (left + PAD, pen.top + PAD), item, width=head.share * unit - 2 * PAD, line=number
            )
            _ruled(pen, left, head.share * unit)
    pen.top += TABLE_ROW
    if pen.layout.closing and pen.filling.items:
        _closing(pen, pen.layout.closing, lefts)
    if pen.layout.total:
        left = lefts[-1]
        pen.write(
            "label",
            (left - 1.6, pen.top + PAD),
            pen.layout.total.label,
            points=LABEL_POINTS,
            width=1.5,
            grey=30,
        )
        pen.value(
            pen.layout.total.field,
            (left + PAD, pen.top + PAD),
            pen.filling.single,
            width=PAGE[0] - MARGIN - left - PAD,
        )
        pen.top += TABLE_ROW
    pen.top += 0.15


def _closing(pen: Pen, cell: Cell, lefts: Sequence[float]) -> None:
    """Close the table with the sums of its counts and, in the last column, of its amounts."""
    pen.write("label", (lefts[0] + PAD, pen.top + PAD), cell.label, points=LABEL_POINTS, grey=30)
    for head, left in zip(pen.layout.table, lefts, strict=True):
        if head.field == "quantity":
            pieces = sum(int(item["quantity"].value) for item in pen.filling.items)
            pen.write("value", (left + PAD, pen.top + PAD), str(pieces), points=VALUE_POINTS)
    at = (lefts[-1] + PAD, pen.top + PAD)
    pen.value(cell.field, at, pen.filling.single, width=PAGE[0] - MARGIN - at[0])
    pen.top += TABLE_ROW


def _ruled(pen: Pen, left: float, width: float) -> None:
    if pen.layout.ruled:
        pen.frame(left, pen.top, width, TABLE_ROW)


def _ticks(pen: Pen, ticks: Ticks) -> None:
    top = pen.top + 0.12
    label = pen.write("label", (MARGIN + PAD, top), ticks.label + ":", points=LABEL_POINTS, grey=30)
    left = label.box[2] + 0.3
    chosen = pen.filling.ticked.get(ticks.field)
    for option in ticks.options:
        pen.frame(left, top, BOX, BOX)
        if option == chosen:
            pen.line((left + 0.02, top + 0.02), (left + BOX - 0.02, top + BOX - 0.02), width=0.016)
            pen.line((left + BOX - 0.02, top + 0.02), (left + 0.02, top + BOX - 0.02), width=0.016)
        word = pen.write("label", (left + BOX + 0.07, top), option, points=LABEL_POINTS, grey=30)
        if option == chosen:
            box = tuple(
                (x * DPI, y * DPI)
                for x, y in ((left, top), (left + BOX, top), (left + BOX, top + BOX), (left, top + BOX))
            )
            pen.truths.append(Truth(ticks.field, "X", option, box))
        left = word.box[2] + 0.35
    pen.top += 0.4


def _signature(pen: Pen, cell: Cell) -> None:
    """Sign three forms in four: a curve over the line behind the label."""
    top = pen.top + 0.25
    label = pen.write("label", (MARGIN + PAD, top + 0.25), cell.label, points=LABEL_POINTS, grey=30)
    left = label.box[2] + 0.1
    pen.line((left, top + 0.42), (left + SIGNATURE[0], top + 0.42))
    signed = bool(pen.rng.random() < 0.75)  # noqa: PLR2004 - most forms are signed
    if signed:
        across = np.linspace(0.15, 0.15 + float(pen.rng.uniform(1.2, 2.0)), 60)
        phase, pace = pen.rng.uniform(0, 6), pen.rng.uniform(9, 15)
        swing = 0.16 * np.sin(pace * across + phase) * np.cos(2.1 * across + phase) + 0.05 * np.sin(
            3.7 * pace * across
        )
        pen.line(
            *((left + float(x), top + 0.22 + float(y)) for x, y in zip(across, swing, strict=True)),
            width=0.014,
            grey=40,
        )
    corners = tuple(
        (x * DPI, y * DPI)
        for x, y in (
            (left, top),
            (left + SIGNATURE[0], top),
            (left + SIGNATURE[0], top + 0.42),
            (left, top + 0.42),
        )
    )
    pen.truths.append(Truth(cell.field, "", "present" if signed else "absent", corners))
    pen.top += 0.75


def _barcode(pen: Pen, text: str) -> None:
    code = zxingcpp.create_barcode(text, zxingcpp.BarcodeFormat.Code128)
    modules = np.asarray(code.to_image(scale=1))[0] == 0
    dot = min(0.0125, WIDEST_CODE / modules.size)
    left = PAGE[0] - MARGIN - dot * modules.size
    for place in np.flatnonzero(modules):
        pen.marks.append(Bar(left + dot * float(place), MARGIN - 0.15, dot, 0.42))


def _stamp(pen: Pen, text: str) -> None:
    """Stamp the page aslant where little is written: below everything else."""
    at = (float(pen.rng.uniform(3.5, 5.0)), min(pen.top + 0.7, PAGE[1] - 1.0))
    mark = pen.write("title", at, text, points=STAMP_POINTS, grey=120)
    pen.marks[-1] = Text(
        mark.at, mark.text, mark.points, mark.face, mark.grey, float(pen.rng.uniform(-14, 14))
    )
