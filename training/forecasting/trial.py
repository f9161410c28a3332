"""What a volume model shows before it is promoted: a short backtest of its own, beside a bare baseline."""

from __future__ import annotations

from typing import Final

import numpy as np

from features.returns import BadInputError
from models.volume import FREQUENCIES, Panel
from training.forecasting.backtest import origins_of, rolled
from training.forecasting.measures import OWN, Floats, Nodes, Outlook, off_coverage

BARE: Final = "seasonal_naive"
ORIGINS: Final = 6  # a horizon apart, so that each says something of its own


def trial(panel: Panel, *, horizon: int, seed: int) -> dict[str, float]:
    """Backtest the newest horizons: error of the lowest level with its interval, coverage, coherence.

    A history too short for any origin is judged by nobody: the figures say so by a baseline as good as ours.
    """
    try:
        at = origins_of(panel, horizon=horizon, count=ORIGINS, step=horizon)
    except BadInputError:
        return {"wape": 1.0, "baseline_wape": 1.0}
    found = rolled(panel, at, horizon=horizon, seed=seed, rivals=last_season)
    told = found.figures()
    lowest = next(level for level, members in found.by_level().items() if members[0] == 0)
    return {
        **{f"wape{end}": told[f"{OWN}.{lowest}.wape{end}"] for end in ("", "_lo", "_hi")},
        "baseline_wape": told[f"{BARE}.{lowest}.wape"],
        "wape_total": told[f"{OWN}.total.wape"],
        "wspl": told[f"{OWN}.{lowest}.wspl"],
        "rmsse": told[f"{OWN}.{lowest}.rmsse"],
        "coverage_80": told[f"{OWN}.{lowest}.coverage_80"],
        "off_coverage": off_coverage(told, lowest),
        "coherence_error": told[f"{OWN}.all.coherence_error"],
        "origins": float(len(at)),
    }


def last_season(y: Floats, nodes: Nodes, panel: Panel, *, horizon: int) -> dict[str, Outlook]:
    """Repeat the last season of every node, or its last value where no whole season is known."""
    season = FREQUENCIES[panel.freq].season
    season = season if y.shape[1] >= season else 1
    assert len(nodes) == len(y)
    return {BARE: Outlook(y[:, -season:][:, np.arange(horizon) % season])}
