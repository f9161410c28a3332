"""Bytes -> everything that a document says; runs in the document's own process."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from features.documents.document import Extraction, Kind, Proposal
from features.documents.intake import Limits, recognise
from features.documents.layout import Phrase, Sheet, phrases
from features.documents.mending import suspicions
from features.documents.pages import sheets
from features.documents.readings.candidates import proposals, typed
from features.documents.readings.labelling import labelled
from features.documents.readings.labels import Label, classify
from features.documents.readings.marks import options_of, signatures, ticked, without_ticks
from features.documents.readings.tables import Table, tables
from features.documents.readings.unlabelled import told_by_place
from features.documents.values.parsers import DAY_FIRST, MONTH_FIRST, date_order, usual_order


@dataclass(frozen=True, slots=True)
class Read:
    """One page with its phrases and labels."""

    sheet: Sheet
    phrases: tuple[Phrase, ...]
    labels: Mapping[int, Sequence[Label]]
    tables: tuple[Table, ...]

    @classmethod
    def of(cls, sheet: Sheet, groups: tuple[Phrase, ...], *, kind: Kind, order: str) -> Read:
        """Find labels and tables on a page."""
        offered = options_of(sheet, groups)
        labels = labelled([phrase for phrase in groups if id(phrase) not in offered], kind=kind)
        return cls(sheet, groups, labels, tuple(tables(sheet, groups, labels, order=order)))

    @property
    def plain_labels(self) -> Mapping[int, Sequence[Label]]:
        """The labels that head no column of a table."""
        heads = {head for table in self.tables for head in table.heads}
        return {key: () if key in heads else found for key, found in self.labels.items()}

    @property
    def every_label(self) -> tuple[Label, ...]:
        """All labels of the page."""
        return tuple(label for found in self.labels.values() for label in found)


def extract(data: bytes, *, kind: Kind | None, limits: Limits) -> Extraction:
    """Return all words, typed candidates and readings of fields of a recognised file."""
    form = recognise(data, limits=limits)
    found = extract_pages(list(sheets(data, kind=form, limits=limits)), kind=kind)
    return replace(found, suspicions=tuple(suspicions(data, kind=form)))


def extract_pages(sheets_read: Sequence[Sheet], *, kind: Kind | None) -> Extraction:
    """Return typed candidates and readings of fields on pages whose words are known."""
    pages = [without_ticks(sheet) for sheet in sheets_read]
    groups = [tuple(phrases(sheet)) for sheet in pages]
    guessed, sure = classify([phrase for group in groups for phrase in group])
    meant = kind or guessed
    order, known = _order([phrase.text for group in groups for phrase in group], meant)
    read = [
        Read.of(sheet, group, kind=meant, order=order) for sheet, group in zip(pages, groups, strict=True)
    ]
    found = tuple(candidate for sheet in pages for candidate in typed(sheet, order=order))
    placed = tuple(told_by_place(pages, found)) if meant is Kind.OTHER else ()
    codes = tuple(code for sheet in pages for code in sheet.barcodes)
    said = Counter([candidate.value for candidate in found] + [code.text.strip().upper() for code in codes])
    return Extraction(
        kind=meant,
        kind_confidence=1.0 if kind else sure,
        date_order=order,
        date_order_known=known,
        pages=tuple(sheet.page for sheet in pages),
        words=tuple(word for sheet in sheets_read for word in sheet.words),
        barcodes=codes,
        candidates=found,
        proposals=_echoed([*placed, *_labelled(read, order=order, placed=placed)], said),
        items=tuple(_echoed(row, said) for page in read for table in page.tables for row in table.rows),
    )


def _echoed(proposals: Sequence[Proposal], said: Counter[str]) -> tuple[Proposal, ...]:
    """Return the readings with how often the document says the same elsewhere: a misreading is said once."""
    return tuple(replace(proposal, echoes=max(said[proposal.value] - 1, 0)) for proposal in proposals)


def _order(texts: Sequence[str], kind: Kind) -> tuple[str, bool]:
    """Return the order of day and month, and whether a date or the origin of the paper shows it."""
    usual = DAY_FIRST if kind is Kind.OTHER else MONTH_FIRST
    there, clear = usual_order("\n".join(texts), otherwise=usual)
    order, shown = date_order(texts, otherwise=there)
    return order, shown or clear


def _labelled(read: Sequence[Read], *, order: str, placed: Sequence[Proposal]) -> Iterator[Proposal]:
    """Yield the readings of labelled fields, marks first: what is ticked is not read as text as well."""
    marks = [mark for page in read for mark in ticked(page.sheet, page.phrases, page.every_label)]
    marks += [mark for page in read for mark in signatures(page.sheet, page.every_label)]
    yield from (mark for mark in marks if mark.value)
    # Where rows of totals were weighed against each other, a lone label knows less.
    known = {mark.name for mark in marks} | ({"total"} & {proposal.name for proposal in placed})
    for page in read:
        # A column's plain field is its first row's; its head labels nothing else.
        yield from (cell for table in page.tables for cell in table.rows[0])
        for reading in proposals(page.sheet, page.phrases, page.plain_labels, order=order):
            if reading.name not in known:
                yield reading
