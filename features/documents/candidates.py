"""Where a label's value may stand: beside it, to its right or below; and every typed value on the page."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from features.documents.document import Candidate, Kind, Proposal, Word
from features.documents.labels import Label, find_labels
from features.documents.layout import Phrase, Sheet, around, crossed, outline, phrases, rows, under_lines
from features.documents.parsers import Parsed, parse, scan, words

FEATURES: Final = (
    "match", "colon", "label_words", "same", "right", "below", "across", "down", "vertical_lines", "horizontal_lines",
    "parsed", "characters", "digit_share", "ocr_confidence", "rank",
)  # fmt: skip
REACH_RIGHT: Final = 45.0  # heights of text between a label and its value
REACH_BELOW: Final = 5.0
LINE_STEP: Final = 1.3  # heights between the lines of one wrapped value
MAX_VALUE_LINES: Final = 4
UNPARSED: Final = 0.15  # what a value of the wrong type is still worth
# How far a value is believed by where it stands; planning defaults, refined by a trained ranker.
RELATIONS: Final = {"same": 0.95, "right": 0.8, "below": 0.72}
LINE_PENALTY: Final = {"right": 0.93, "below": 0.8}
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


def proposals(sheet: Sheet, *, kind: Kind, order: str) -> Iterator[Proposal]:
    """Yield every reading of every labelled field on a page."""
    groups = phrases(sheet)
    labels = [find_labels(phrase, kind=kind) for phrase in groups]
    taken = {id(phrase) for phrase, found in zip(groups, labels, strict=True) if found}
    for phrase, found in zip(groups, labels, strict=True):
        for label, following in zip(found, [*found[1:], None], strict=False):
            for place in _places(label, following, groups, taken, sheet):
                yield _proposal(label, place, order=order)


def _places(
    label: Label, following: Label | None, groups: Sequence[Phrase], taken: set[int], sheet: Sheet
) -> Iterator[Found]:
    same = _same(label, following)
    if same:
        rest = _continued(same, label, groups, taken, sheet) if label.type in {"text", None} else ()
        yield Found((*same, *rest), "same", 0, 0)
    if following is None and not same:
        yield from _right(label, groups, taken, sheet)
    if not same:
        yield from _below(label, groups, taken, sheet)


def _same(label: Label, following: Label | None) -> tuple[Word, ...]:
    end = following.start if following else len(label.phrase.words)
    rest = label.phrase.words[label.end : end]
    return rest if any(re.search(r"\w", word.text) for word in rest) else ()


def _right(label: Label, groups: Sequence[Phrase], taken: set[int], sheet: Sheet) -> Iterator[Found]:
    box = around(label.phrase.words[label.start : label.end])
    reach = box.right + REACH_RIGHT * box.height
    beside = [
        p
        for p in groups
        if p.row == label.phrase.row and box.right <= p.box.left + box.height / 2 and p.box.left <= reach
    ]
    for rank, phrase in enumerate(sorted(beside, key=lambda phrase: phrase.box.left)):
        if id(phrase) in taken:
            return
        more = (
            _continued(phrase.words, label, groups, taken, sheet) if label.type == "text" and not rank else ()
        )
        yield Found((*phrase.words, *more), "right", crossed(box, phrase.box, sheet.verticals), rank)


def _below(label: Label, groups: Sequence[Phrase], taken: set[int], sheet: Sheet) -> Iterator[Found]:
    box = around(label.phrase.words[label.start : label.end])
    rank = 0
    for phrase in groups:
        gap = phrase.box.top - box.bottom
        if phrase.row <= label.phrase.row or not -box.height / 2 <= gap <= REACH_BELOW * box.height:
            continue
        words_under = _under(phrase, label, taken=id(phrase) in taken)
        if words_under and _overlap(label, phrase, sheet):
            more = (
                _continued(words_under, label, groups, taken, sheet)
                if label.type == "text" and not rank
                else ()
            )
            yield Found((*words_under, *more), "below", under_lines(box, phrase.box, sheet.horizontals), rank)
            rank += 1


def _under(phrase: Phrase, label: Label, *, taken: bool) -> tuple[Word, ...]:
    """Return what a phrase below offers: all of it, or what follows a mere "Name" inside the label's own cell."""
    if not taken:
        return phrase.words
    asks_name = label.end - label.start > 2 and phrase.words[0].text.lower().strip(":") == "name"  # noqa: PLR2004
    return phrase.words[1:] if asks_name else ()


def _overlap(label: Label, phrase: Phrase, sheet: Sheet) -> bool:
    """Tell whether a phrase stands under a label and not in the next column."""
    box = label.phrase.box
    low = around(label.phrase.words[label.start : label.end])
    shared = min(low.right, phrase.box.right) - max(low.left, phrase.box.left)
    near = abs(phrase.box.left - low.left) <= 4 * low.height  # values are often indented
    edge = [line for line in sheet.verticals if line.top <= phrase.box.middle <= line.bottom]
    between = any(
        min(box.left, phrase.box.left) + 2 < line.left < max(low.left, phrase.box.left) - 2 for line in edge
    )
    return (shared > 0 or near) and not between


def _continued(
    value: Sequence[Word], label: Label, groups: Sequence[Phrase], taken: set[int], sheet: Sheet
) -> tuple[Word, ...]:
    """Return the further lines of a value that wraps: left aligned, close below, no line or label between."""
    last, more = around(value), []
    for phrase in groups:
        if phrase.words[0] in value or phrase.box.top < last.middle or len(more) >= MAX_VALUE_LINES:
            continue
        aligned = abs(phrase.box.left - around(value).left) <= last.height
        close = phrase.box.middle - last.middle <= LINE_STEP * max(last.height, phrase.box.height)
        if (
            aligned
            and close
            and id(phrase) not in taken
            and not under_lines(last, phrase.box, sheet.horizontals)
        ):
            more.append(phrase)
            last = phrase.box
    return tuple(word for phrase in more for word in phrase.words)


def _proposal(label: Label, found: Found, *, order: str) -> Proposal:
    text = " ".join(word.text for word in found.words).lstrip(" :.")
    parsed = read_value(text, label.type, order=order)
    raw, value = (parsed.raw, parsed.value) if parsed else (text, text)
    numbers = _features(label, found, text, parsed=parsed is not None)
    confidence = min(word.confidence for word in found.words)
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
    box, value = around(label.phrase.words[label.start : label.end]), around(found.words[:1])
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
