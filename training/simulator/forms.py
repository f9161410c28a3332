"""Filled forms drawn from layouts kept as data, spoiled as a scanner would, with the truth of every value."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from importlib.resources import files
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt
import yaml
from PIL import Image, ImageDraw, ImageFont

Pixels = npt.NDArray[np.uint8]
Point = tuple[float, float]
DPI: Final = 200
PAGE: Final = (8.5, 11.0)  # inches, US letter
MARGIN: Final = 0.6
LABEL_POINTS, VALUE_POINTS, TITLE_POINTS = 8.0, 10.5, 16.0
ROW_INCHES: Final = {"boxed": 0.5, "grid": 0.38, "colon": 0.36, "over": 0.6}
PAD: Final = 0.06
LABEL_SHARE: Final = 0.38  # of a grid cell or colon pair


@dataclass(frozen=True, slots=True)
class Cell:
    """One labelled place on a form and its share of the row's width."""

    field: str
    label: str
    share: float


@dataclass(frozen=True, slots=True)
class Layout:
    """One way of printing a form."""

    name: str
    kind: str
    style: str
    title: str
    rows: tuple[tuple[Cell, ...], ...]
    table: tuple[Cell, ...]
    tail: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True, slots=True)
class Truth:
    """What was written in a field: as printed, in normal form, and where (clockwise, pixels of the image)."""

    field: str
    text: str
    value: str
    polygon: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Form:
    """A drawn form: grey pixels and the truth about them."""

    layout: str
    kind: str
    pixels: Pixels
    dpi: int
    truths: tuple[Truth, ...]

    def png(self) -> bytes:
        """Return the form as a PNG file."""
        return self._file("PNG")

    def pdf(self) -> bytes:
        """Return the form as a scanned, one-page PDF."""
        return self._file("PDF")

    def _file(self, kind: str) -> bytes:
        target = io.BytesIO()
        Image.fromarray(self.pixels).save(target, kind, resolution=self.dpi, dpi=(self.dpi, self.dpi))
        return target.getvalue()


@dataclass(frozen=True, slots=True)
class Wear:
    """How a form was spoiled on its way: degrees of skew, pixels of blur, grey levels of noise."""

    dpi: int = 200
    skew: float = 0.0
    blur: float = 0.0
    noise: float = 0.0
    shadow: float = 0.0  # share of light lost towards one edge


@cache
def layouts() -> Mapping[str, Layout]:
    """Return every layout by name."""
    data = yaml.safe_load(files(__package__).joinpath("forms.yaml").read_text(encoding="utf-8"))
    return {name: _layout(name, entry) for name, entry in data.items()}


def _layout(name: str, entry: Mapping[str, Any]) -> Layout:
    def rows(key: str) -> tuple[tuple[Cell, ...], ...]:
        return tuple(tuple(Cell(*cell) for cell in row) for row in entry.get(key, ()))

    table = tuple(Cell(*cell) for cell in entry.get("table", ()))
    return Layout(name, entry["kind"], entry["style"], entry["title"], rows("rows"), table, rows("tail"))


CHOICES: Final = {
    "customer": (
        "Harbor Supply Co",
        "Northgate Electric LLC",
        "Bluestone Builders Inc",
        "Delta Plumbing Group",
    ),
    "vendor": ("Apex Tool Works", "Meridian Lighting Corp", "Sterling Pumps Ltd", "Vanguard Batteries"),
    "shipper": ("Recoup Distribution Dallas", "Lakeside Warehouse 4", "Central Depot Reno"),
    "consignee": ("Harbor Supply Co", "Pine Street Hardware", "Coastal HVAC Services"),
    "carrier": ("Redline Freight", "Summit Express", "Old Harbor Trucking"),
    "contact": ("Maria Lopez", "James Whitfield", "Anika Rao", "Tom Becker"),
    "description": ("Cordless drill 18V", "LED panel 60x60", "Sump pump half HP", "Safety harness size L"),
    "reason": ("Defective on arrival", "Wrong item shipped", "Damaged in transit", "Ordered in error"),
    "problem": ("Motor stops after one minute", "Housing cracked at the handle", "Does not hold a charge"),
    "condition": ("Opened and used", "New in box", "Packaging damaged"),
    "resolution": ("Credit to account", "Replacement", "Repair and return"),
}
PEOPLE: Final = {"authorized_by", "received_by", "driver"}
CODES: Final = {
    "rma_number": "RMA-{:06d}", "order_number": "SO-{:06d}", "invoice_number": "INV-{:06d}",
    "po_number": "PO{:07d}", "customer_id": "C-{:05d}", "vendor_id": "V{:05d}", "item": "DRL-{:04d}B",
    "serial": "SN{:08d}", "bol_number": "BOL{:07d}", "pro_number": "{:09d}", "delivery_number": "DN-{:06d}",
    "tracking": "1Z{:010d}", "claim_number": "CLM-{:05d}",
}  # fmt: skip
DATE_FORMATS: Final = ("%m/%d/%Y", "%Y-%m-%d", "%b %d, %Y", "%d %B %Y")


def filled(layout: Layout, *, rng: np.random.Generator) -> dict[str, tuple[str, str]]:
    """Return for every field of the layout what is written and its normal form; amounts agree."""
    quantity, cents = int(rng.integers(1, 25)), int(rng.integers(500, 90_000))
    cells = (cell for row in (*layout.rows, layout.table, *layout.tail) for cell in row)
    pattern = str(rng.choice(DATE_FORMATS))
    amounts = {"unit_price": cents}
    amounts |= dict.fromkeys(("line_total", "credit_amount", "claim_amount"), cents * quantity)
    return {
        cell.field: _written(cell.field, quantity=quantity, amounts=amounts, pattern=pattern, rng=rng)
        for cell in cells
    }


def _written(
    field: str, *, quantity: int, amounts: Mapping[str, int], pattern: str, rng: np.random.Generator
) -> tuple[str, str]:
    if field in amounts:
        return f"${amounts[field] / 100:,.2f}", f"{amounts[field] / 100:.2f}"
    if field in {"quantity", "pieces"}:
        return str(quantity), str(quantity)
    if field == "weight":
        pounds = int(rng.integers(20, 900))
        return f"{pounds} lb", str(pounds)
    if field.endswith("_date") or field.startswith("date_"):
        day = date(2026, 1, 1) + timedelta(days=int(rng.integers(0, 330)))
        return f"{day:{pattern}}", day.isoformat()
    if field in CODES:
        code = CODES[field].format(int(rng.integers(1000, 99_999)))
        return code, code
    return _said(field, rng=rng)


def _said(field: str, *, rng: np.random.Generator) -> tuple[str, str]:
    name = (
        str(rng.choice(CHOICES["contact" if field in PEOPLE | {"email"} else field]))
        if field != "phone"
        else ""
    )
    if field == "phone":
        digits = "".join(str(digit) for digit in rng.integers(2, 10, size=10))
        return f"({digits[:3]}) {digits[3:6]}-{digits[6:]}", digits
    if field == "email":
        address = name.lower().replace(" ", ".") + "@example.com"
        return address, address
    return name, name


def draw(layout: Layout, *, rng: np.random.Generator, typeface: str | None = None) -> Form:
    """Return a clean, filled form at 200 dpi.

    Parameters
    ----------
    layout : Layout
        What is printed where.
    rng : numpy.random.Generator
        Chooses what is written.
    typeface : str, optional
        Path of a TrueType file for values; Pillow's own font without one.
    """
    image = Image.new("L", (round(PAGE[0] * DPI), round(PAGE[1] * DPI)), 255)
    pen = ImageDraw.Draw(image)
    pen.text((MARGIN * DPI, MARGIN * DPI), layout.title, font=_font(TITLE_POINTS), fill=0)
    values = filled(layout, rng=rng)
    top = MARGIN + 0.6
    truths: list[Truth] = []
    for cells, style in _bands(layout):
        truths += _band(pen, cells, values, style=style, top=top, typeface=typeface)
        top += ROW_INCHES[style] + (0.25 if style == "boxed" and cells is layout.table else 0.0)
    return Form(layout.name, layout.kind, np.asarray(image), DPI, tuple(truths))


def _bands(layout: Layout) -> Iterator[tuple[tuple[Cell, ...], str]]:
    for cells in (*layout.rows, layout.table, *layout.tail):
        if cells:
            yield cells, layout.style


def _band(
    pen: ImageDraw.ImageDraw,
    cells: Sequence[Cell],
    values: Mapping[str, tuple[str, str]],
    *,
    style: str,
    top: float,
    typeface: str | None,
) -> Iterator[Truth]:
    unit = (PAGE[0] - 2 * MARGIN) / sum(cell.share for cell in cells)
    left = MARGIN
    for cell in cells:
        width = cell.share * unit
        _frame(pen, style, left, top, width)
        label, value = PLACES[style](left, top, width)
        pen.text(
            _dots(label), cell.label + (":" if style == "colon" else ""), font=_font(LABEL_POINTS), fill=30
        )
        text, normal = values[cell.field]
        font = _font(VALUE_POINTS, typeface)
        pen.text(_dots(value), text, font=font, fill=0)
        x1, y1, x2, y2 = pen.textbbox(_dots(value), text, font=font)
        yield Truth(cell.field, text, normal, ((x1, y1), (x2, y1), (x2, y2), (x1, y2)))
        left += width


def _frame(pen: ImageDraw.ImageDraw, style: str, left: float, top: float, width: float) -> None:
    if style not in {"boxed", "grid"}:
        return
    corners = [(left * DPI, top * DPI), ((left + width) * DPI, (top + ROW_INCHES[style]) * DPI)]
    pen.rectangle(corners, outline=0, width=2)
    if style == "grid":
        edge = (left + LABEL_SHARE * width) * DPI
        pen.line([(edge, corners[0][1]), (edge, corners[1][1])], fill=0, width=2)


def _above(left: float, top: float, _width: float) -> tuple[Point, Point]:
    return (left + PAD, top + PAD), (left + PAD, top + PAD + 0.19)


def _beside(left: float, top: float, width: float) -> tuple[Point, Point]:
    return (left + PAD, top + 2 * PAD), (left + PAD + LABEL_SHARE * width, top + 1.5 * PAD)


# Where label and value stand in a cell, in inches.
PLACES: Final = {"boxed": _above, "over": _above, "grid": _beside, "colon": _beside}


def _dots(point: Point) -> Point:
    return point[0] * DPI, point[1] * DPI


def _font(points: float, typeface: str | None = None) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    size = points * DPI / 72
    return ImageFont.truetype(typeface, size) if typeface else ImageFont.load_default(size)


def spoil(form: Form, wear: Wear, *, rng: np.random.Generator) -> Form:
    """Return the form as a scanner would see it, its truths moved along with the paper."""
    ratio = wear.dpi / form.dpi
    height, width = (round(edge * ratio) for edge in form.pixels.shape)
    matrix = cv2.getRotationMatrix2D((form.pixels.shape[1] / 2, form.pixels.shape[0] / 2), wear.skew, ratio)
    matrix[:, 2] += (width / 2 - form.pixels.shape[1] / 2, height / 2 - form.pixels.shape[0] / 2)
    grey = cv2.warpAffine(form.pixels, matrix, (width, height), flags=cv2.INTER_AREA, borderValue=255)
    grey = cv2.GaussianBlur(grey, (0, 0), wear.blur) if wear.blur else grey
    light = 1.0 - wear.shadow * np.linspace(0.0, 1.0, width)[None, :]
    spoiled = grey * light + rng.normal(0.0, wear.noise, grey.shape)
    truths = tuple(_moved(truth, matrix) for truth in form.truths)
    return Form(form.layout, form.kind, np.clip(spoiled, 0, 255).astype(np.uint8), wear.dpi, truths)


def _moved(truth: Truth, matrix: npt.NDArray[np.float64]) -> Truth:
    corners = np.array([(x, y, 1.0) for x, y in truth.polygon]) @ np.asarray(matrix).T
    return Truth(truth.field, truth.text, truth.value, tuple((float(x), float(y)) for x, y in corners))


def some_wear(rng: np.random.Generator) -> Wear:
    """Return wear as office scanners and phones leave it."""
    return Wear(
        dpi=int(rng.choice((150, 200, 300))),
        skew=float(rng.normal(0.0, 1.2)),
        blur=float(rng.uniform(0.0, 0.8)),
        noise=float(rng.uniform(0.0, 9.0)),
        shadow=float(rng.uniform(0.0, 0.35)),
    )


def forms(count: int, *, rng: np.random.Generator) -> Iterator[Form]:
    """Yield `count` spoiled forms, the layouts taking turns."""
    every = tuple(layouts().values())
    for number in range(count):
        yield spoil(draw(every[number % len(every)], rng=rng), some_wear(rng), rng=rng)
