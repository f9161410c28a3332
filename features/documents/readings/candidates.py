"""Where a label's value may stand: beside it, to its right or below; and every typed value on the page."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from features.documents.document import Candidate, Proposal, Word
from features.documents.layout import Phrase, Sheet, around, crossed, outline, rows, under_lines
from features.documents.readings.labels import Label, is_numbered
from features.documents.values.parsers import Parsed, as_scanned, parse, scan, words

FEATURES: Final = (
    "match", "colon", "label_words", "same", "right", "below", "across", "down", "vertical_lines",
    "horizontal_lines",
    "parsed", "characters", "digit_share", "ocr_confidence", "rank",
)  # fmt: skip
REACH_RIGHT: Final = 45.0  # heights of text between a label and its value
REACH_BELOW: Final = 5.0
INDENT: Final = 4.0  # heights by which a value may stand left of its label, or right of it on open paper
LINE_STEP: Final = 1.3  # heights between the lines of one wrapped value
MAX_VALUE_LINES: Final = 4
NUMBERED_FORM: Final = 4  # questions with numbers that make them labels, known or not
LEGIBLE: Final = 0.4  # confidence below which further lines of a value are more likely specks
CUT: Final = 0.5  # how far a code read from pixels is believed that seems to be cut short
UNPARSED: Final = 0.15  # what a value of the wrong type is still worth
# How far a value is believed by where it stands; planning defaults, refined by a trained ranker.
RELATIONS: Final = {"same": 0.95, "right": 0.88, "below": 0.82, "total": 0.92}
LINE_PENALTY: Final = {"right": 0.93, "below": 0.8}
_CLOSING: Final = re.compile(r"\W*(?:grand\s+|order\s+)?totals?\b", re.IGNORECASE)
_CODE_BEHIND: Final = re.compile(r"\s*\(\d+\)$")


@dataclass(frozen=True, slots=True)
class Found:
    """Words that may be the value of a label: which way they lie, and how many of their like are nearer."""

    words: tuple[Word, ...]
    relation: str
    lines: int
    rank: int


def typed(sheet: Sheet, *, order: str) -> Iterator[Candidate]:
    """Yield every date, amount, number, identifier, … of a page, row by row."""
    for line in rows(sheet.words):
        text = " ".join(word.text for word in line)
        for start, end, parsed in scan(text, order=order):
            touched = _touched(line, start, end)
            confidence = min(word.confidence for word in touched)
            yield Candidate(
                parsed.type, parsed.raw, parsed.value, confidence, sheet.page.number, outline(touched)
            )


def _touched(line: Sequence[Word], start: int, end: int) -> list[Word]:
    touched, position = [], 0
    for word in line:
        if position < end and position + len(word.text) > start:
            touched.append(word)
        position += len(word.text) + 1
    return touched


@dataclass(frozen=True, slots=True)
class Surroundings:
    """A page's phrases and lines, and which phrases are labels and so nobody's value."""

    sheet: Sheet
    phrases: tuple[Phrase, ...]
    labelling: frozenset[int]

    def offers(self, phrase: Phrase) -> bool:
        """Tell whether a phrase may be a value."""
        return id(phrase) not in self.labelling


def proposals(
    sheet: Sheet, groups: Sequence[Phrase], labels: Mapping[int, Sequence[Label]], *, order: str
) -> Iterator[Proposal]:
    """Yield every reading of every labelled field on a page; `labels` is of ``labelled``."""
    found = [labels.get(id(phrase), ()) for phrase in groups]
    numbered = {id(phrase) for phrase in groups if is_numbered(phrase)}
    taken = {id(some[0].phrase) for some in found if some} | (
        numbered if len(numbered) >= NUMBERED_FORM else set()
    )
    around_it = Surroundings(sheet, tuple(groups), frozenset(taken))
    for beside in found:
        for position, label in enumerate(beside):
            if label.type == "mark":
                continue
            following = beside[position + 1] if position + 1 < len(beside) else None
            for place in _places(label, following, around_it):
                yield _proposal(label, place, order=order)


def _places(label: Label, following: Label | None, page: Surroundings) -> Iterator[Found]:
    end = following.start if following else len(label.phrase.words)
    same = label.phrase.words[label.end : end]
    if any(re.search(r"\w", word.text) for word in same):
        rest = _continued(same, page) if label.type in {"text", None} else ()
        yield Found((*same, *rest), "same", 0, 0)
        return
    if following is None:
        yield from _right(label, page)
    yield from _below(label, page)
    if label.type == "money" and label.name != "unit_price" and not label.colon:
        yield from _column_total(label, page)


def _right(label: Label, page: Surroundings) -> Iterator[Found]:
    box = label.box
    beside = [
        phrase
        for phrase in page.phrases
        if phrase.row == label.phrase.row
        and box.right - box.height / 2 <= phrase.box.left <= box.right + REACH_RIGHT * box.height
    ]
    for rank, phrase in enumerate(sorted(beside, key=lambda phrase: phrase.box.left)):
        if not page.offers(phrase):
            return
        more = _continued(phrase.words, page) if label.type == "text" and rank == 0 else ()
        yield Found((*phrase.words, *more), "right", crossed(box, phrase.box, page.sheet.verticals), rank)


def _below(label: Label, page: Surroundings) -> Iterator[Found]:
    box = label.box
    under = (
        phrase
        for phrase in page.phrases
        if phrase.row > label.phrase.row
        and -box.height / 2 <= phrase.box.top - box.bottom <= REACH_BELOW * box.height
        and _in_column(label, phrase, page)
    )
    for rank, found in enumerate(_until_a_label(under, label, page)):
        more = _continued(found, page) if label.type == "text" and rank == 0 else ()
        lines = under_lines(box, around(found), page.sheet.horizontals)
        yield Found((*found, *more), "below", lines, rank)


def _column_total(label: Label, page: Surroundings) -> Iterator[Found]:
    """Yield what the closing row of a column of amounts says: it is the amount, not that of a single row."""
    box = label.box
    closing = {p.row for p in page.phrases if p.row > label.phrase.row and _CLOSING.match(p.text)}
    for phrase in page.phrases:
        across = min(phrase.box.right, box.right) - max(phrase.box.left, box.left)
        if phrase.row in closing and across > 0 and not _CLOSING.match(phrase.text):
            yield Found(phrase.words, "total", 0, 0)
            return


def _until_a_label(under: Iterable[Phrase], label: Label, page: Surroundings) -> Iterator[tuple[Word, ...]]:
    """Yield the words below a label as far as the next label of its column: what follows is that one's."""
    box = label.box
    for phrase in under:
        offered = _offered(phrase, label, page)
        if offered:
            yield offered
        elif phrase.box.left < box.right and not _asks_name(phrase, label):
            return


def _asks_name(phrase: Phrase, label: Label) -> bool:
    """Tell whether a phrase only repeats, within a long question's cell, that a name goes here."""
    first = phrase.words[0].text.lower().strip(":")
    return label.end - label.start > 2 and first in {"name", "address", "name/address"}  # noqa: PLR2004


def _offered(phrase: Phrase, label: Label, page: Surroundings) -> tuple[Word, ...]:
    """Return what a phrase below offers: all of it, or what follows "Name" in a long question's cell."""
    if page.offers(phrase):
        return phrase.words
    return phrase.words[1:] if _asks_name(phrase, label) else ()


def _in_column(label: Label, phrase: Phrase, page: Surroundings) -> bool:
    """Tell whether a phrase stands under a label: within its column, which the next line or phrase ends."""
    box, left = label.box, phrase.box.left
    beside = [p.box.left for p in page.phrases if p.row == label.phrase.row and p.box.left > box.right]
    ruled = [line.left for line in page.sheet.verticals if line.top <= box.middle <= line.bottom]
    ends = [*beside, *(edge for edge in ruled if edge >= box.right - 2)]
    lines = [line.left for line in page.sheet.verticals if line.top <= phrase.box.middle <= line.bottom]
    between = any(left < line < box.left - 2 for line in lines)
    return (
        box.left - INDENT * box.height <= left < min(ends, default=box.right + INDENT * box.height)
        and not between
    )


def _continued(value: Sequence[Word], page: Surroundings) -> tuple[Word, ...]:
    """Return the further lines of a value that wraps: left aligned, close below, no line or label between."""
    first = last = around(value)
    more: list[Word] = []
    lines = 0
    for phrase in page.phrases:
        box = phrase.box
        legible = min(word.confidence for word in phrase.words) >= LEGIBLE
        aligned = abs(box.left - first.left) <= last.height and box.top >= last.middle
        close = box.middle - last.middle <= LINE_STEP * max(last.height, box.height)
        if (
            legible
            and aligned
            and close
            and page.offers(phrase)
            and not under_lines(last, box, page.sheet.horizontals)
        ):
            more += phrase.words
            last, lines = box, lines + 1
        if lines == MAX_VALUE_LINES:
            break
    return tuple(more)


def _proposal(label: Label, found: Found, *, order: str) -> Proposal:
    text = " ".join(word.text for word in found.words).lstrip(" :.")
    parsed = read_value(text, label.type, order=order)
    if parsed and parsed.type == "identifier" and found.words[0].confidence < 1:
        parsed = replace(parsed, value=as_scanned(parsed.value))
    raw, value = (parsed.raw, parsed.value) if parsed else (text, text)
    numbers = _features(label, found, text, parsed=parsed is not None)
    confidence = min(word.confidence for word in found.words)
    behind = text[text.find(raw) + len(raw) :].strip()
    if parsed and parsed.type == "identifier" and confidence < 1 and behind[:1].isdigit():
        confidence *= CUT  # a code with more digits behind it may go on
    return Proposal(
        name=label.name,
        label=label.text,
        raw=raw,
        value=_CODE_BEHIND.sub("", value) if parsed and parsed.type == "text" else value,
        type=parsed.type if parsed else (label.type or "text"),
        currency=parsed.currency if parsed else None,
        parsed=parsed is not None,
        page=found.words[0].page,
        polygon=outline(found.words),
        method=found.relation,
        confidence=confidence,
        score=_score(label, found, parsed),
        features=numbers,
    )


def read_value(text: str, kind: str | None, *, order: str) -> Parsed | None:
    """Read `text` as the type that a label asks for; without one, as whatever it wholly is."""
    if kind is not None:
        return parse(text, kind=kind, order=order)
    whole = [parsed for start, end, parsed in scan(text, order=order) if end - start >= len(text) - 1]
    return whole[0] if whole else words(text)


def _score(label: Label, found: Found, parsed: Parsed | None) -> float:
    score = RELATIONS[found.relation] * label.match * LINE_PENALTY.get(found.relation, 1.0) ** found.lines
    if found.relation == "below" and label.colon:
        score *= 0.7  # a colon points to the right
    if found.relation == "right" and not label.colon and found.lines:
        score *= 0.85  # in a ruled form the value shares the label's cell
    if (
        parsed
        and parsed.type == "money"
        and parsed.currency is None
        and not re.search(r"[.,]\d\d\b", parsed.raw)
    ):
        score *= 0.7  # a bare whole number may count anything
    if found.relation == "below" and around(found.words).left > around(label.phrase.words).right:
        score *= 0.8  # indented beyond the label: the next column's, perhaps
    fits = 1.0 if parsed else UNPARSED
    return round(score * fits * 0.9**found.rank, 4)


def _features(label: Label, found: Found, text: str, *, parsed: bool) -> tuple[float, ...]:
    box, value = label.box, around(found.words[:1])
    height = max(box.height, 1.0)
    return (
        label.match,
        float(label.colon),
        float(label.end - label.start),
        *(float(found.relation == relation) for relation in ("same", "right", "below")),
        round((value.left - box.right) / height, 2),
        round((value.middle - box.middle) / height, 2),
        float(found.lines * (found.relation == "right")),
        float(found.lines * (found.relation == "below")),
        float(parsed),
        float(len(text)),
        round(sum(character.isdigit() for character in text) / max(len(text), 1), 3),
        min(word.confidence for word in found.words),
        float(found.rank),
    )
