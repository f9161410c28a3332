"""Ways of printing a form, read from ``layouts.yaml``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import yaml


@dataclass(frozen=True, slots=True)
class Cell:
    """One labelled place on a form and its share of the row's width."""

    field: str
    label: str
    share: float = 1.0


@dataclass(frozen=True, slots=True)
class Ticks:
    """Boxes of which one is ticked."""

    field: str
    label: str
    options: tuple[str, ...]


Row = tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Layout:
    """One way of printing a form; `use` keeps what is learned from apart from what is judged on."""

    name: str
    kind: str
    style: str
    use: str
    language: str
    title: str
    rows: tuple[Row, ...]
    table: Row = ()
    ruled: bool = True
    total: Cell | None = None
    closing: Cell | None = None
    tail: tuple[Row, ...] = ()
    ticks: tuple[Ticks, ...] = ()
    barcode: str | None = None
    signature: Cell | None = None
    stamp: str | None = None

    @property
    def cells(self) -> Row:
        """Every labelled place outside the table."""
        sums = (cell for cell in (self.total, self.closing) if cell)
        return (*(cell for row in (*self.rows, *self.tail) for cell in row), *sums)


@cache
def layouts(use: str | None = None) -> Mapping[str, Layout]:
    """Return every layout by name, or those for one use."""
    data = yaml.safe_load(files(__package__).joinpath("layouts.yaml").read_text(encoding="utf-8"))
    every = {name: _layout(name, entry) for name, entry in data.items()}
    return {name: layout for name, layout in every.items() if use in {None, layout.use}}


def _layout(name: str, entry: Mapping[str, Any]) -> Layout:
    def rows(key: str) -> tuple[Row, ...]:
        return tuple(tuple(Cell(*cell) for cell in row) for row in entry.get(key, ()))

    def cell(key: str) -> Cell | None:
        return Cell(*entry[key]) if key in entry else None

    plain = {key: entry[key] for key in ("kind", "style", "use", "language", "title")}
    return Layout(
        name,
        **plain,
        rows=rows("rows"),
        table=tuple(Cell(*head) for head in entry.get("table", ())),
        ruled=entry.get("ruled", True),
        total=cell("total"),
        closing=cell("closing"),
        tail=rows("tail"),
        ticks=tuple(Ticks(field, label, tuple(options)) for field, label, options in entry.get("ticks", ())),
        barcode=entry.get("barcode"),
        signature=cell("signature"),
        stamp=entry.get("stamp"),
    )
