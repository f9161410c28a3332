"""Which phrases are labels, what they are called here, and what kind of paper carries them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

import yaml
from rapidfuzz import fuzz, process

from features.documents.document import Box, Kind
from features.documents.layout import Phrase, around

UNMISTAKABLE: Final = 3  # words: nothing but the label begins like this
LONGEST: Final = 11  # words
MIN_FUZZY_LENGTH: Final = 6  # letters: shorter labels differ from each other by one
MIN_RATIO: Final = 88.0  # rapidfuzz ratio: one wrong letter in eight
PROSE: Final = 9  # words without a colon: a sentence, not a label and its value
SURE_OF_KIND: Final = 4.0  # sum of weights below which a paper is of no known kind
TITLE_WEIGHT: Final = 3.0  # a mere label says no more at the top than below
TOP_ROWS: Final = 8
LEGIBLE: Final = 0.5  # confidence below which a colon may be a speck
MIN_OWN_LENGTH: Final = 3
OWN_LABEL: Final = 0.8  # match of a label that the catalogue does not know; any that it knows is nearer

_NUMBER_WORDS: Final = {"#", "no", "nos", "num", "number", "numbers", "nr"}
_COMPOUND = re.compile(r"(?<=[a-z])nummer\b")  # German writes label and number as one word
_VALUE = re.compile(r"\d")
_CURRENCY = re.compile(r"RM|[A-Z]{3}|[$\u20ac\u00a3]")
_IN_CURRENCY = re.compile(r"[({\[](?:rm|usd|eur|gbp|cad|aud|us\$|\$)[)}\]]")
_ITEM_NUMBER = re.compile(r"\W{0,2}\d{1,2}[.,:;)]{1,2}|\W+")


@dataclass(frozen=True, slots=True)
class Label:
    """A label found in a phrase: words `start` to `end` call `name`; `match` is 1 for the exact words."""

    phrase: Phrase
    start: int
    end: int
    name: str
    type: str | None  # None: whatever the value turns out to be
    match: float
    colon: bool

    @property
    def box(self) -> Box:
        """The box around the label's own words."""
        return around(self.phrase.words[self.start : self.end])

    @property
    def text(self) -> str:
        """The label as printed."""
        return " ".join(word.text for word in self.phrase.words[self.start : self.end]).strip(" :")


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The labels of ``labels.yaml``: normal form -> names, name -> type, and the kinds of paper."""

    names: Mapping[str, tuple[str, ...]]
    types: Mapping[str, str]
    titles: Mapping[Kind, Mapping[str, float]]
    renames: Mapping[Kind, Mapping[str, str]]


@cache
def catalogue() -> Catalogue:
    """Return the labels shipped with this package."""
    data = yaml.safe_load(files(__package__).joinpath("labels.yaml").read_text(encoding="utf-8"))
    names: dict[str, tuple[str, ...]] = {}
    for name, entry in data["fields"].items():
        for label in entry["labels"]:
            names[normal(label)] = (*names.get(normal(label), ()), name)
    return Catalogue(
        names=names,
        types={name: entry["type"] for name, entry in data["fields"].items()},
        titles={
            Kind(kind): {normal(t): w for t, w in entry["titles"].items()}
            for kind, entry in data["kinds"].items()
        },
        renames={Kind(kind): entry["renames"] for kind, entry in data["kinds"].items()},
    )


@cache
def normal(text: str) -> str:
    """Return a label without case, punctuation or ways of writing "number"."""
    plain = unidecoded(text.lower()).replace("p.o.", "po").replace("'s", "").replace("#", " # ")
    parts = re.findall(r"[a-z0-9$]+|#", _COMPOUND.sub(" no", _IN_CURRENCY.sub(" ", plain)))
    return " ".join("no" if part in _NUMBER_WORDS else part for part in parts)


def unidecoded(text: str) -> str:
    """Return the text without accents, as eyes that know no German read it."""
    return "".join(
        letter for letter in unicodedata.normalize("NFKD", text.replace("ß", "ss")) if letter.isascii()
    )


@cache
def options() -> Mapping[str, str]:
    """Return what boxes offer, in small letters, and the field that it answers."""
    data = yaml.safe_load(files(__package__).joinpath("labels.yaml").read_text(encoding="utf-8"))
    return {
        option.casefold(): name
        for name, entry in data["fields"].items()
        for option in entry.get("options", ())
    }


def classify(phrases: Sequence[Phrase]) -> tuple[Kind, float]:
    """Return the kind of paper by its titles and labels, with the share of the evidence that says so."""
    texts = [
        (f" {normal(phrase.text)} ", 2.0 if phrase.row < TOP_ROWS and phrase.words[0].page == 1 else 1.0)
        for phrase in phrases
    ]
    scores = {
        kind: sum(
            weight
            * max(
                (place if weight >= TITLE_WEIGHT else 1.0 for text, place in texts if f" {title} " in text),
                default=0.0,
            )
            for title, weight in titles.items()
        )
        for kind, titles in catalogue().titles.items()
    }
    kind = max(scores, key=lambda kind: scores[kind])
    if scores[kind] < SURE_OF_KIND:
        return Kind.OTHER, round(1 - scores[kind] / (2 * SURE_OF_KIND), 3)
    return kind, round(scores[kind] / sum(scores.values()), 3)


def find_labels(phrase: Phrase, *, kind: Kind) -> list[Label]:
    """Return the labels in a phrase from left to right, none overlapping another."""
    found: list[Label] = []
    words = phrase.words
    position = 0
    while position < len(words):
        label = _label_at(phrase, position, kind=kind) if _may_start(phrase, position) else None
        found += [label] if label else []
        position = label.end if label else position + 1
    return found or _own_label(phrase)


def is_numbered(phrase: Phrase) -> bool:
    """Tell whether a phrase begins as the numbered questions of official forms do."""
    return len(phrase.words) > 1 and re.fullmatch(r"\W?\d{1,2}[.,:)]", phrase.words[0].text) is not None


def _may_start(phrase: Phrase, position: int) -> bool:
    return re.search(r"[A-Za-z#]", phrase.words[position].text) is not None


def _label_at(phrase: Phrase, start: int, *, kind: Kind) -> Label | None:
    """Return the label that begins at a word: the longest that is exact, else the nearest."""
    words = phrase.words
    best: Label | None = None
    for end in range(min(len(words), start + LONGEST), start, -1):
        if any(word.text.endswith(":") for word in words[start : end - 1]):
            continue
        key = normal(" ".join(word.text for word in words[start:end]))
        matched, ratio = _match(key)
        colon = words[end - 1].text.endswith((":", "#")) or (
            end < len(words) and words[end].text.startswith(":")
        )
        if matched and _stands_out(phrase, start, end, colon=colon):
            name = _name(matched, kind=kind)
            found = Label(phrase, start, end, name, catalogue().types.get(name), ratio, colon)
            best = found if best is None or ratio > best.match else best
            if ratio == 1.0:
                break
    return best


@cache
def _match(key: str) -> tuple[str | None, float]:
    if key in catalogue().names:
        return key, 1.0
    if len(key) < MIN_FUZZY_LENGTH:
        return None, 0.0
    best = process.extractOne(key, catalogue().names.keys(), scorer=fuzz.ratio, score_cutoff=MIN_RATIO)
    return (best[0], best[1] / 100) if best else (None, 0.0)


def _stands_out(phrase: Phrase, start: int, end: int, *, colon: bool) -> bool:
    """Tell a label from the same words inside a sentence or a longer label."""
    first = all(_ITEM_NUMBER.fullmatch(word.text) for word in phrase.words[:start])
    if first and (colon or end == len(phrase.words)):
        return True
    if colon:  # a further label of the row begins with a capital; the last word of a sentence does not
        return phrase.words[start].text[0].isupper()
    after = [word.text for word in phrase.words[end:]]
    if not first or len(phrase.words) > PROSE or not after or any(text.endswith(":") for text in after[:4]):
        return False
    if end - start >= UNMISTAKABLE and after[0][0].isupper():
        return True
    # Behind a short label without a colon only a number tells where its value begins.
    return bool(_VALUE.search(after[0])) or (bool(_CURRENCY.fullmatch(after[0])) and len(after) > 1)


def _name(key: str, *, kind: Kind) -> str:
    names = catalogue().names[key]
    renames = catalogue().renames.get(kind, {})
    return renames.get(names[0], names[0])


def _own_label(phrase: Phrase) -> list[Label]:
    """Return a label that the catalogue does not know but a colon shows, under its own name."""
    words = phrase.words
    end = next((end for end, word in enumerate(words[:5], start=1) if word.text.endswith(":")), 0)
    text = " ".join(word.text for word in words[:end])
    printed = bool(re.match(r"[^A-Za-z]{0,2}[A-ZÄÖÜ][A-Za-zäöüß]", text)) and not re.search(r"\d", text)
    if not printed or len(words) - end > PROSE or min(word.confidence for word in words[:end]) < LEGIBLE:
        return []
    name = "_".join("number" if part == "no" else part for part in normal(text).split())
    return [Label(phrase, 0, end, name, None, OWN_LABEL, colon=True)] if len(name) >= MIN_OWN_LENGTH else []
