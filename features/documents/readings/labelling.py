"""Which phrases of a page are labels, told from what stands around them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Final

from features.documents.document import Kind
from features.documents.layout import Phrase
from features.documents.readings.labels import Label, find_labels, normal, options

PARTIES: Final = frozenset({"shipper", "consignee", "customer", "vendor", "carrier"})
HEADING_WITHIN: Final = 3.0  # heights of text between the heading of a block and its first line
OTHER_PARTY: Final = "bill_to"


def labelled(groups: Sequence[Phrase], *, kind: Kind) -> dict[int, list[Label]]:
    """Return the labels in each phrase of a page, by the phrase's ``id``."""
    found = {id(phrase): find_labels(phrase, kind=kind) for phrase in groups}
    for before, phrase in pairwise(groups):
        # Beside a label, "Shortage" is what is claimed, not what is counted.
        beside = before.row == phrase.row and found[id(before)] and found[id(phrase)]
        if beside and _is_bare(before, found[id(before)]) and phrase.text.casefold() in options():
            found[id(phrase)] = []
    return _named_by_heading(groups, found)


def _is_bare(phrase: Phrase, labels: Sequence[Label]) -> bool:
    """Tell whether a phrase is a label and nothing else, so that its value must stand elsewhere."""
    return len(labels) == 1 and labels[0].end == len(phrase.words)


def _named_by_heading(
    groups: Sequence[Phrase], found: Mapping[int, Sequence[Label]]
) -> dict[int, list[Label]]:
    """Return the labels with every "Name:" called after the heading of its block, which labels no more."""
    labels = {key: list(some) for key, some in found.items()}
    for phrase in groups:
        first = next(iter(found[id(phrase)]), None)
        if first is None or first.start or normal(first.text) != "name":
            continue
        heading = _heading(phrase, groups)
        if heading is None:
            continue
        party = next((label.name for label in found[id(heading)]), OTHER_PARTY)
        if party in PARTIES | {OTHER_PARTY}:
            labels[id(phrase)][0] = replace(first, name=party)
            labels[id(heading)] = []
    return labels


def _heading(phrase: Phrase, groups: Sequence[Phrase]) -> Phrase | None:
    """Return the phrase just above that stands over a block: in capitals."""
    box = phrase.box
    above = [
        other
        for other in groups
        if other.row < phrase.row
        and 0 <= box.top - other.box.bottom <= HEADING_WITHIN * box.height
        and other.box.left <= box.right + box.height
        and other.box.right >= box.left
    ]
    nearest = max(above, key=lambda other: other.box.bottom, default=None)
    return nearest if nearest and nearest.text.isupper() else None
