"""What people mark rather than write: boxes that are ticked, places that are signed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

import cv2
import numpy as np

from features.documents.document import Box, Polygon, Proposal
from features.documents.layout import Phrase, Picture, Sheet, Tick, outline
from features.documents.readings.labels import Label, options

NO_FEATURES: Final = (0.0,) * 15
OPTION_WITHIN: Final = 2.5  # heights between a box and its word
GROUP_WITHIN: Final = 2.0  # heights between the label of a group and the row of its boxes
PRINTED: Final = 0.7  # confidence above which what stands on a signature's line is print
SIGNED_INK: Final = 0.9  # squares of the label's height: less is a speck or the end of a line
SPECK: Final = 0.01  # of the place's height squared: smaller strokes are dust
SURE: Final = 0.9  # how far a mark is believed
LINE_ABOVE: Final = 1.2  # heights between a line to sign on and the label below it
SIGNATURE_REACH: Final = 22.0  # heights to the right of its label
INK: Final = 140  # grey level


def ticked(sheet: Sheet, phrases: Sequence[Phrase], labels: Sequence[Label]) -> Iterator[Proposal]:
    """Yield what is ticked in each group of boxes."""
    groups: dict[str, list[tuple[Tick, Phrase, Label | None]]] = defaultdict(list)
    for tick in sheet.ticks:
        option = _option(tick, phrases)
        if option is None:
            continue
        label = _group(tick, labels)
        name = label.name if label else options().get(option.text.casefold())
        if name:
            groups[name].append((tick, option, label))
    for name, members in groups.items():
        chosen = [(tick, option) for tick, option, _ in members if tick.ticked]
        label = next((label for _, _, label in members if label), None)
        if chosen:
            yield _choice(name, chosen, label)
        elif label:
            yield _nothing(name, members[0][0], label)


def without_ticks(sheet: Sheet) -> Sheet:
    """Return the page without the letters that boxes to tick were taken for."""
    words = tuple(
        word for word in sheet.words if not any(_covers(tick.box, word.box) for tick in sheet.ticks)
    )
    return replace(sheet, words=words)


def options_of(sheet: Sheet, phrases: Sequence[Phrase]) -> frozenset[int]:
    """Return the phrases that boxes to tick offer, by their ``id``: they label nothing else."""
    found = (_option(tick, phrases) for tick in sheet.ticks)
    return frozenset(id(phrase) for phrase in found if phrase)


def _covers(tick: Box, word: Box) -> bool:
    across = min(tick.right, word.right) - max(tick.left, word.left)
    down = min(tick.bottom, word.bottom) - max(tick.top, word.top)
    return across > 0 and down > 0 and across * down > (word.right - word.left) * word.height / 2


def _option(tick: Tick, phrases: Sequence[Phrase]) -> Phrase | None:
    """Return the words beside a box: to its right, as printers have it."""
    height = tick.box.height
    beside = [
        phrase
        for phrase in phrases
        if not phrase.text.endswith(":")  # asks something itself
        and abs(phrase.box.middle - tick.box.middle) <= height * 0.7
        and -height / 3 <= phrase.box.left - tick.box.right <= OPTION_WITHIN * height
    ]
    return min(beside, key=lambda phrase: phrase.box.left, default=None)


def _group(tick: Tick, asked: Sequence[Label]) -> Label | None:
    """Return the label that asks what is ticked: nearest to the left, else just above."""
    height = max(tick.box.height, 1.0)
    level = [
        a for a in asked if abs(a.box.middle - tick.box.middle) <= height and a.box.right <= tick.box.left
    ]
    if level:
        return max(level, key=lambda label: label.box.right)
    above = [
        a
        for a in asked
        if 0 <= tick.box.top - a.box.bottom <= GROUP_WITHIN * height and a.box.left <= tick.box.right
    ]
    return max(above, key=lambda label: label.box.bottom, default=None)


def _choice(name: str, chosen: Sequence[tuple[Tick, Phrase]], label: Label | None) -> Proposal:
    text = "; ".join(option.text.strip(" :") for _, option in chosen)
    confidence = min(word.confidence for _, option in chosen for word in option.words)
    return _marked(
        name, text, chosen[0][0].polygon, label, page=chosen[0][1].words[0].page, confidence=confidence
    )


def _nothing(name: str, tick: Tick, label: Label) -> Proposal:
    """Return that nothing is ticked: no value, and no other reading of the label's surroundings either."""
    return _marked(name, "", tick.polygon, label, page=label.phrase.words[0].page, confidence=0.0)


def signatures(sheet: Sheet, labels: Sequence[Label]) -> Iterator[Proposal]:
    """Yield for every place to sign whether somebody did."""
    if sheet.picture is None:
        return
    for label in labels:
        if label.name == "signature":
            place = _place(label, sheet)
            signed = _ink(place, sheet, sheet.picture) > SIGNED_INK * label.box.height**2
            where = outline(label.phrase.words)
            text = "present" if signed else "absent"
            yield _marked("signature", text, where, label, page=label.phrase.words[0].page, confidence=SURE)


def _place(label: Label, sheet: Sheet) -> Box:
    """Return where to sign: on the line above the label where one is there, else to its right."""
    box, height = label.box, label.box.height
    lines = [
        line
        for line in sheet.horizontals
        if -height / 2 <= box.top - line.bottom <= LINE_ABOVE * height
        and line.left <= box.right
        and line.right >= box.left
    ]
    if lines:
        line = lines[0]
        return Box(line.left, line.top - 4 * height, line.right, line.top)
    edges = [
        edge.left
        for edge in sheet.verticals
        if edge.left > box.right and edge.top <= box.middle <= edge.bottom
    ]
    right = min([*edges, box.right + SIGNATURE_REACH * height])
    return Box(box.right + height / 2, box.top - 2.5 * height, right, box.bottom + height / 2)


def _ink(place: Box, sheet: Sheet, picture: Picture) -> float:
    """Return how much ink is there that is no print: the area of its strokes, in square units."""
    left, top, right, bottom = (max(int(edge * picture.scale), 0) for edge in place)
    ink = (picture.pixels[top:bottom, left:right] < INK).astype(np.uint8)
    if not ink.size:
        return 0.0
    for word in sheet.words:
        if word.confidence >= PRINTED:
            x1, y1, x2, y2 = (int(edge * picture.scale) for edge in word.box)
            ink[max(y1 - top, 0) : max(y2 - top, 0), max(x1 - left, 0) : max(x2 - left, 0)] = 0
    _, _, stats, _ = cv2.connectedComponentsWithStats(ink, connectivity=8)
    extents = stats[1:, cv2.CC_STAT_WIDTH] * stats[1:, cv2.CC_STAT_HEIGHT]
    strokes = extents[extents > SPECK * ink.shape[0] ** 2]
    return float(strokes.sum()) / picture.scale**2


def _marked(
    name: str, text: str, polygon: Polygon, label: Label | None, *, page: int, confidence: float
) -> Proposal:
    return Proposal(
        name=name,
        label=label.text if label else "",
        raw=text,
        value=text,
        type="mark",
        currency=None,
        parsed=True,
        page=page,
        polygon=polygon,
        method="mark",
        confidence=confidence,
        score=SURE,
        features=NO_FEATURES,
    )
