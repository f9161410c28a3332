"""Tables of items: a row of heads, and the rows below it until something else begins."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Final

from features.documents.document import Box, Proposal, Word
from features.documents.layout import Phrase, Sheet, around, outline
from features.documents.readings.labels import Label
from features.documents.values.parsers import as_scanned, parse

NO_FEATURES: Final = (0.0,) * 15
COLUMNS: Final = frozenset({
    "item", "description", "serial", "quantity", "uom", "unit_price", "line_total", "weight", "reason",
    "condition", "pieces",
})  # fmt: skip
# Without one of these a row of heads is not about items.
NAMING: Final = frozenset({"item", "description", "serial", "quantity"})
FEWEST: Final = 2
# In a row, pieces and amounts are its own; the column's sum is a field of the whole paper.
RENAMES: Final = {"pieces": "quantity", "gross_amount": "line_total", "total": "line_total"}
SUMMED: Final = frozenset({"gross_amount", "total"})  # heads that label the sum below their column as well
GAP: Final = 3.5  # heights of text between a row and the next; further down another part of the page begins
ALIGNED: Final = 0.5  # heights of text by which a word may begin beside the head of its column
SURE: Final = 0.85  # how far a cell of a table is believed


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its head's label, if it is known, and where the head stands."""

    label: Label | None
    box: Box


@dataclass(frozen=True, slots=True)
class Table:
    """A table of items: its heads, by the ``id`` of their phrases, and the readings of each row."""

    heads: frozenset[int]
    rows: tuple[tuple[Proposal, ...], ...]


def tables(
    sheet: Sheet, phrases: Sequence[Phrase], labels: Mapping[int, Sequence[Label]], *, order: str
) -> Iterator[Table]:
    """Yield every table of items on a page.

    Parameters
    ----------
    labels : mapping
        The labels found in each phrase, by the phrase's ``id``.
    order : str
        Of day and month in dates.
    """
    rows = [list(group) for _, group in groupby(phrases, key=lambda phrase: phrase.row)]
    number = 0
    while number < len(rows):
        heads = _heads(rows[number], labels)
        number += 1
        if not heads:
            continue
        summed = {id(head.label.phrase) for head in heads if head.label and head.label.name in SUMMED}
        opened, found = frozenset(id(phrase) for phrase in rows[number - 1]) - summed, []
        floor = max(head.box.bottom for head in heads)
        while number < len(rows) and (row := _row(rows[number], heads, floor, sheet, labels)):
            read = tuple(_cells(row, heads, order=order))
            if not any(proposal.name in NAMING for proposal in read):
                break
            found.append(read)
            floor = around(word for words in row.values() for word in words).bottom
            number += 1
        if found:
            yield Table(opened, tuple(found))


def _heads(row: Sequence[Phrase], labels: Mapping[int, Sequence[Label]]) -> list[Column]:
    """Return the columns that a row of heads opens, or nothing where it is no such row."""
    columns: list[Column] = []
    for phrase in row:
        found = labels.get(id(phrase), ())
        if not found:
            columns.append(Column(None, phrase.box))
        elif (
            found[0].start == 0
            and found[-1].end == len(phrase.words)
            and not any(label.colon and label.text[-1] != "#" for label in found)
        ):
            columns += [Column(label, label.box) for label in found]
        else:
            return []
    names = [column.label.name for column in columns if column.label and column.label.name in COLUMNS]
    known = len(names) >= max(FEWEST, len(columns) / 2) and len(set(names)) == len(names)
    return columns if known and NAMING & set(names) else []


def _row(
    row: Sequence[Phrase],
    heads: Sequence[Column],
    floor: float,
    sheet: Sheet,
    labels: Mapping[int, Sequence[Label]],
) -> dict[int, list[Word]]:
    """Return the words of a row by column; nothing where the table has ended."""
    height = max(head.box.height for head in heads)
    top = min(phrase.box.top for phrase in row)
    if top - floor > GAP * height or any(labels.get(id(phrase)) for phrase in row):
        return {}
    bounds = _bounds(heads, sheet, level=row[0].box.middle) or _aligned(row, heads)
    cells: dict[int, list[Word]] = {}
    for phrase in row:
        for words in _parted(phrase, bounds):
            cells.setdefault(_column(around(words), heads, bounds), []).extend(words)
    return cells if len(cells) >= FEWEST else {}


def _bounds(heads: Sequence[Column], sheet: Sheet, *, level: float) -> list[float]:
    """Return where ruled columns begin, if the table has lines for them."""
    return sorted(
        (line.left + line.right) / 2
        for line in sheet.verticals
        if line.top <= level <= line.bottom and heads[0].box.left < line.left < heads[-1].box.right
    )


def _aligned(row: Sequence[Phrase], heads: Sequence[Column]) -> list[float]:
    """Return where unruled columns begin: left of their heads, if a word of the row begins below each."""
    words = [word for phrase in row for word in phrase.words]
    begun = [
        any(abs(word.box.left - head.box.left) <= ALIGNED * word.box.height for word in words)
        for head in heads[1:]
    ]
    return [head.box.left - heads[0].box.height / 2 for head in heads[1:]] if all(begun) else []


def _parted(phrase: Phrase, bounds: Sequence[float]) -> list[list[Word]]:
    """Return a phrase's words, apart where a line of the table runs between them."""

    def left_of(word: Word) -> int:
        return sum(bound < (word.box.left + word.box.right) / 2 for bound in bounds)

    return [list(words) for _, words in groupby(phrase.words, key=left_of)]


def _column(box: Box, heads: Sequence[Column], bounds: Sequence[float]) -> int:
    """Return which head a cell belongs to: between the same lines, else with most in common across."""

    def apart(place: int) -> tuple[int, float]:
        head = heads[place].box
        lines = sum((bound < box.left) != (bound < head.left) for bound in bounds)
        overlap = min(box.right, head.right) - max(box.left, head.left)
        edges = min(abs(box.left - head.left), abs(box.right - head.right))
        return lines, edges - max(overlap, 0.0)

    return min(range(len(heads)), key=apart) if bounds else min(range(len(heads)), key=lambda p: apart(p)[1])


def _cells(row: Mapping[int, Sequence[Word]], heads: Sequence[Column], *, order: str) -> Iterator[Proposal]:
    for place, words in row.items():
        label = heads[place].label
        text = " ".join(word.text for word in words)
        parsed = parse(text, kind=label.type or "text", order=order) if label else None
        if parsed and parsed.type == "identifier" and words[0].confidence < 1:
            parsed = replace(parsed, value=as_scanned(parsed.value))
        if label and parsed:
            yield Proposal(
                name=RENAMES.get(label.name, label.name),
                label=label.text,
                raw=parsed.raw,
                value=parsed.value,
                type=parsed.type,
                currency=parsed.currency,
                parsed=True,
                page=words[0].page,
                polygon=outline(words),
                method="table",
                confidence=min(word.confidence for word in words),
                score=SURE,
                features=NO_FEATURES,
            )
