"""The volume forecast: a validated blend of plain forecasts and trees, with calibrated sample paths."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from features.returns import BadInputError
from models.volume.bases import FLOOR, forecasts
from models.volume.blend import Blend
from models.volume.dispersion import Dispersion, Level, disperse, draw, recalibrated, usual
from models.volume.lift import Lift, fit_lift
from models.volume.panel import FREQUENCIES, Floats, Panel
from models.volume.paths import Forecast
from models.volume.reconcile import LevelBlend, proven_levels, reconciled, unproven_levels
from models.volume.smoothing import smoothings

LONGEST: Final = 90  # periods; further out the level is anyone's guess
FIRST_ORIGIN: Final = {"D": 42, "W": 6, "M": 6, "Q": 4}  # periods of history before the first rolling origin
ORIGINS: Final = 60  # rolling origins looked at
VALIDATION: Final = 16  # the newest of them, which choose the weights and the dispersion
TRAINING: Final = 6  # origins before those that the trees need
MOST_ROWS: Final = 400_000


@dataclass(frozen=True, slots=True)
class Volume:
    """What was learned about one hierarchy of volumes; it forecasts any later panel of the same levels."""

    levels: tuple[str, ...]
    freq: str
    blends: tuple[LevelBlend, ...]
    dispersion: Dispersion
    lift: Lift | None

    def mean(self, panel: Panel, *, horizon: int) -> Floats:
        """Forecast the mean of the periods after the panel; shape (n, horizon), returns a period."""
        known = self._known(panel)
        bases = plain(known, [known.length], checked(horizon))[known.length]
        if self.lift is not None:
            bases["trees"] = self.lift.apply(known, bases)
        return reconciled(self.blends, known.keys, bases)

    def predict(
        self, panel: Panel, *, horizon: int = 28, paths: int = 500, rng: np.random.Generator
    ) -> Forecast:
        """Draw sample paths of the periods after the panel.

        Raises
        ------
        BadInputError
            If the horizon is not 1 to 90 periods, or the panel has other levels than the model or lacks the
            sales that it learned from.
        """
        drawn = draw(self.mean(panel, horizon=horizon), self.dispersion, panel.keys, paths=paths, rng=rng)
        ds = panel.periods(panel.length, panel.length + horizon).start_time
        return Forecast(panel.levels, panel.keys, ds, drawn)

    def save(self, folder: Path) -> None:
        """Write volume.json and, where there are trees, booster.txt."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in self._files().items():
            (folder / name).write_text(text)

    @property
    def digest(self) -> str:
        """The digest of everything that is saved."""
        content = json.dumps(self._files(), sort_keys=True).encode()
        return f"sha256:{hashlib.sha256(content).hexdigest()}"

    def _files(self) -> dict[str, str]:
        facts = {
            "levels": list(self.levels),
            "freq": self.freq,
            "blends": [asdict(level) for level in self.blends],
            "dispersion": asdict(self.dispersion),
            "names": None if self.lift is None else self.lift.names,
        }
        trees = {} if self.lift is None else {"booster.txt": self.lift.text}
        return {"volume.json": json.dumps(facts, indent=1), **trees}

    def _known(self, panel: Panel) -> Panel:
        """What the model can read of a panel: sales are ignored if it has learned from returns alone."""
        if (panel.levels, panel.freq) != (self.levels, self.freq):
            raise BadInputError(
                f"the model knows {self.levels} by {self.freq}, not {panel.levels} by {panel.freq}."
            )
        if "sales" not in self.blends[-1].blend.names:
            return replace(panel, sales=None, lags=None, by_channel=None)
        if panel.sales is None:
            raise BadInputError(
                "the history has no sales, and the model learned from returns and sales; "
                "give the sales as well, or train the model on returns alone."
            )
        return panel


def load(folder: Path) -> Volume:
    """Read what `Volume.save` wrote."""
    facts = json.loads((folder / "volume.json").read_text())
    names = facts["names"]
    lift = None
    if names is not None:
        lift = Lift((folder / "booster.txt").read_text(), tuple(tuple(level) for level in names))
    return Volume(
        levels=tuple(facts["levels"]),
        freq=facts["freq"],
        blends=tuple(
            LevelBlend(tuple(each["kept"]), _blend(each["blend"]), each["noise"]) for each in facts["blends"]
        ),
        dispersion=_dispersion(facts["dispersion"]),
        lift=lift,
    )


def _blend(facts: Mapping[str, Any]) -> Blend:
    keys = tuple(tuple(key) for key in facts["keys"])
    own = tuple(tuple(row) for row in facts["own"])
    return Blend(tuple(facts["names"]), tuple(facts["pooled"]), keys, own)


def _dispersion(facts: Mapping[str, Any]) -> Dispersion:
    levels = (Level(tuple(each["kept"]), each["whole"], each["period"]) for each in facts["levels"])
    return Dispersion(tuple(levels), facts["batch"])


def fit(panel: Panel, *, horizon: int = 28, rng: np.random.Generator) -> Volume:
    """Learn trees, weights and dispersion from rolling origins, each seeing only what was known then.

    A history too short for backtests gets the prior weights and dispersion; one too short for trees, none.
    """
    reach = min(checked(horizon), max(panel.length // 4, 1))
    bases = plain(panel, _origins(panel, reach), reach)
    judged = sorted(bases)[-VALIDATION:]
    lift = None
    early = {o: bases[o] for o in bases if judged and o + reach <= judged[0]}
    if len(early) >= TRAINING:
        trial = fit_lift(panel, early, rng=rng)
        lift = fit_lift(panel, bases, rng=rng)
        for origin in judged:
            bases[origin] = {**bases[origin], "trees": trial.apply(panel.until(origin), bases[origin])}
    if not judged:
        names = tuple(plain(panel, [panel.length], 1)[panel.length])
        blends = unproven_levels(names, len(panel.levels))
        return Volume(panel.levels, panel.freq, blends, usual(panel.keys), None)
    # A series without a return yet could not be foreseen: it says nothing about the methods.
    born = np.stack([panel.y[:, :o].sum(1, keepdims=True) > 0 for o in judged])
    actual = born * np.stack([panel.y[:, o : o + reach] for o in judged])
    found = {name: born * np.stack([bases[o][name] for o in judged]) for name in bases[judged[0]]}
    blends, mean = proven_levels(actual, found, panel.keys, origins=judged)
    spread = recalibrated(disperse(actual, mean, panel.keys), actual, mean, panel.keys)
    return Volume(panel.levels, panel.freq, blends, spread, lift)


def plain(panel: Panel, origins: Sequence[int], horizon: int) -> dict[int, dict[str, Floats]]:
    """Forecast from every origin with every method that needs no training, each with what was known then."""
    season = FREQUENCIES[panel.freq].season
    smooth = smoothings(panel.y, season=season, horizon=horizon, origins=origins)
    return {
        o: {**forecasts(panel.until(o), horizon), "smooth": np.maximum(smooth[o], FLOOR)} for o in origins
    }


def checked(horizon: int) -> int:
    """Hand back a horizon of 1 to 90 periods; refuse any other."""
    if not 1 <= horizon <= LONGEST:
        raise BadInputError(f"a horizon of {horizon} periods is out of reach; use 1 to {LONGEST}.")
    return horizon


def _origins(panel: Panel, reach: int) -> list[int]:
    # A step that is no multiple of seven, so that every weekday serves as an origin.
    step = max(1, reach // 5)
    most = max(VALIDATION, min(ORIGINS, MOST_ROWS // (len(panel.y) * reach)))
    first, last = FIRST_ORIGIN[panel.freq], panel.length - reach
    # What was said before two seasons were known tells little about what is said with many.
    seasons = 2 * FREQUENCIES[panel.freq].season
    if (last - seasons) // step >= TRAINING:
        first = max(first, seasons)
    eligible = list(range(last, first - 1, -step))
    # The newest judge; the others, spread over the whole history, teach.
    older = eligible[VALIDATION:]
    return eligible[:VALIDATION] + older[:: max(1, -(-len(older) // max(most - VALIDATION, 1)))]
