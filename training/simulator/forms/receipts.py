"""A receipt as tills print it: who issued it, where and when, what was bought, due and paid."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from training.simulator.forms.pen import MARGIN, Pen, Truth
from training.simulator.forms.setting import DPI, Text

POINTS: Final = 9.0
LINE: Final = 0.19  # inches, as all lengths here
WIDTHS: Final = (3.0, 4.2)
AMOUNT: Final = 1.0  # width kept for the amount at the end of a row
TAX: Final = 0.06
NOTES: Final = (200, 1000, 5000, 10_000)  # cents: what is handed over is a multiple of one
Row = tuple[str, str]


def receipt(pen: Pen) -> None:
    """Print a receipt from the top of the page; most say how it was paid, and some round the total."""
    width = float(pen.rng.uniform(*WIDTHS))
    label = {cell.field: cell.label for cell in pen.layout.cells}
    _lines(pen, "issuer")
    if pen.rng.random() < 0.5:  # noqa: PLR2004 - half of them
        _row(pen, f"(Reg. No. {pen.rng.integers(10_000, 999_999)}-{pen.rng.choice(tuple('AHKMPX'))})")
    _lines(pen, "address")
    _row(pen, f"Tel: {pen.rng.integers(100, 999)}-{pen.rng.integers(1_000_000, 9_999_999)}")
    _row(pen, pen.layout.title)
    _row(pen, f"Receipt No: {pen.rng.integers(10_000, 9_999_999)}")
    _value(pen, "date", label["date"], after=f" {pen.rng.integers(8, 21):02d}:{pen.rng.integers(0, 59):02d}")
    for number, item in enumerate(pen.filling.items):
        for field, left in (("description", 0.0), ("quantity", 0.2), ("line_total", width - AMOUNT)):
            pen.top += LINE * (field != "line_total")
            pen.value(field, (MARGIN + left, pen.top), item, width=width, line=number)
    pen.top += LINE
    before, behind = _sums(pen)
    for row in before:
        _row(pen, *row, width=width)
    _value(pen, "total", label["total"], left=width - AMOUNT)
    for row in behind:
        _row(pen, *row, width=width)
    _row(pen, "THANK YOU, PLEASE COME AGAIN")


def _lines(pen: Pen, field: str) -> None:
    """Print a value of several lines; its truth lies around them all."""
    written = pen.filling.single[field]
    marks = [_row(pen, line) for line in written.text.splitlines()]
    if marks:
        boxes = [mark.box for mark in marks]
        left, top = min(box[0] for box in boxes), min(box[1] for box in boxes)
        right, bottom = max(box[2] for box in boxes), max(box[3] for box in boxes)
        corners = ((left, top), (right, top), (right, bottom), (left, bottom))
        polygon = tuple((x * DPI, y * DPI) for x, y in corners)
        pen.truths.append(Truth(field, written.text, written.value, polygon))


def _value(pen: Pen, field: str, label: str, *, left: float = 0.0, after: str = "") -> None:
    pen.top += LINE
    beside = left
    if label:
        mark = pen.write("value", (MARGIN, pen.top), label, points=POINTS)
        beside = max(left, mark.box[2] - MARGIN + 0.1)
    written = pen.filling.single[field]
    values = {field: replace(written, text=written.text + after)} if written.text else {field: written}
    pen.value(field, (MARGIN + beside, pen.top), values, width=3.0)


def _row(pen: Pen, text: str, amount: str = "", *, width: float = 0.0) -> Text:
    pen.top += LINE
    if amount:
        pen.write("value", (MARGIN + width - AMOUNT, pen.top), amount, points=POINTS)
    return pen.write("value", (MARGIN, pen.top), text, points=POINTS)


def _sums(pen: Pen) -> tuple[list[Row], list[Row]]:
    """Return the rows before and behind the total: what it is made of, and how it was paid."""
    total = pen.filling.single["total"]
    if not total.text:
        return [], []
    cents = round(float(total.value) * 100)
    taxed = bool(pen.rng.random() < 0.5)  # noqa: PLR2004 - half of them
    rounded = int(pen.rng.integers(-2, 3)) if pen.rng.random() < 0.4 else 0  # noqa: PLR2004 - a few cents
    tax = round((cents - rounded) * TAX / (1 + TAX)) if taxed else 0
    pieces = sum(int(item["quantity"].value) for item in pen.filling.items)
    before = [("Total Qty", str(pieces)), ("Subtotal", _money(cents - rounded - tax))]
    if taxed:
        before.append((f"GST {TAX:.0%}", _money(tax)))
    if rounded:
        before += [("Total Sales (Inclusive of GST)", _money(cents - rounded)), ("Rounding", _money(rounded))]
    return before, list(_paid(pen, cents))


def _paid(pen: Pen, cents: int) -> Iterator[Row]:
    way = pen.rng.random()
    if way < 0.5:  # noqa: PLR2004 - half of them
        note = int(pen.rng.choice(NOTES))
        handed = -(-cents // note) * note
        yield "CASH", _money(handed)
        yield "CHANGE", _money(handed - cents)
    elif way < 0.75:  # noqa: PLR2004 - a quarter
        yield "VISA CARD", _money(cents)


def _money(cents: int) -> str:
    return f"{cents / 100:,.2f}"
