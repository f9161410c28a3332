"""The cards of the models, as promotion and training left them in BentoML's store: no MLflow is needed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

TASKS: Final = ("disposition", "condition", "recovery", "fraud", "workload", "volume", "fields")
# Read as files, as the ranker of document fields is: cards are text, and nothing has to be loaded for them.
CARD: Final = "card.json"
NEEDED: Final = frozenset({"version", "created_at", "train_rows", "test_rows", "metrics"})
NO_FIGURES: Final = ("_lo", "_hi")
INSPECTED, BASELINE = "inspected_", "baseline_"
SMALLER_IS_BETTER: Final = (
    "log_loss",
    "brier",
    "ece",
    "pinball",
    "mae",
    "wape",
    "rmsse",
    "wspl",
    "scrps",
    "mean_set_size",
)


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of a card: its value with a 95 % interval, the bare baseline's, and the challenger's."""

    name: str
    value: float
    lo: float | None
    hi: float | None
    baseline: float | None
    challenger: float | None

    @property
    def is_better_small(self) -> bool:
        """Whether less of it is better."""
        return any(part in self.name for part in SMALLER_IS_BETTER)

    @property
    def gain(self) -> str:
        """Whether the challenger does better, worse, or neither by the champion's own interval."""
        if self.challenger is None or self.lo is None or self.hi is None:
            return ""
        if self.lo <= self.challenger <= self.hi:
            return "even"
        return "better" if (self.challenger < self.lo) == self.is_better_small else "worse"


@dataclass(frozen=True, slots=True)
class Family:
    """What the store holds of a task: the champion, those before it, and the challenger."""

    task: str
    champion: Mapping[str, Any] | None
    earlier: tuple[Mapping[str, Any], ...]
    challenger: Mapping[str, Any] | None
    folder: Path | None

    @property
    def figures(self) -> list[Figure]:
        """Every figure of the champion's card."""
        return figures_of(self.champion or self.challenger or {}, self.challenger if self.champion else None)


def family_of(store: Path, task: str) -> Family:
    """Read the cards of one task; a card that cannot be read, or is half a card, is none."""
    place = store / "models" / f"recoup-{task}"
    latest = _text(place / "latest")
    champion = _card(place / latest) if latest else None
    versions = [path.name for path in place.iterdir() if path.is_dir()] if place.is_dir() else []
    earlier = [card for name in versions if name != latest and (card := _card(place / name))]
    rival = store / "models" / f"recoup-{task}-challenger"
    last = _text(rival / "latest")
    challenger = _card(rival / last) if last else None
    if challenger and champion and str(challenger.get("version")) == str(champion.get("version")):
        challenger = None  # it was promoted
    earlier.sort(key=lambda card: str(card.get("created_at", "")), reverse=True)
    return Family(task, champion, tuple(earlier), challenger, place / latest if champion and latest else None)


def figures_of(card: Mapping[str, Any], challenger: Mapping[str, Any] | None = None) -> list[Figure]:
    """The figures of a card that are neither bounds nor a baseline's."""
    told: Mapping[str, float] = card.get("metrics", {})
    rival: Mapping[str, float] = (challenger or {}).get("metrics", {})
    return [
        Figure(
            name,
            value,
            told.get(f"{name}_lo"),
            told.get(f"{name}_hi"),
            told.get(_bare(name)),
            rival.get(name),
        )
        for name, value in told.items()
        if not name.endswith(NO_FIGURES) and BASELINE not in name
    ]


def _bare(name: str) -> str:
    view, bare = (INSPECTED, name.removeprefix(INSPECTED)) if name.startswith(INSPECTED) else ("", name)
    return f"{view}{BASELINE}{bare}"


def _card(folder: Path) -> Mapping[str, Any] | None:
    text = _text(folder / CARD)
    try:
        found = json.loads(text) if text else None
    except ValueError:
        return None
    return found if isinstance(found, dict) and found.keys() >= NEEDED else None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""
