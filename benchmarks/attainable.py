"""A simulated world whose true process is known: which share of the gain over AutoETS our forecast attains.

The true process knows every law and, of chance, what has happened until the origin; nobody can do better. It
stands beside ours and all the baselines in the same backtest.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmarks.report import Figure, Mode
from models import staffing, volume
from models.volume import QUANTILES, Panel
from models.volume.panel import Lags
from training.forecasting.backtest import origins_of
from training.forecasting.baselines import baselines
from training.forecasting.daysoff import with_days_off
from training.forecasting.history import forecast_of
from training.forecasting.measures import OWN, Backtest, Nodes, Outlook, naive_error, off_coverage, summed
from training.simulator.demand import CELLS, Process, process
from training.simulator.draws.lines import World
from training.simulator.laws.market import CHANNELS
from training.simulator.world import draw_world

Floats = npt.NDArray[np.float64]
Paths = npt.NDArray[np.int64]

START: Final = datetime(2023, 11, 1, tzinfo=UTC)
RETURNS: Final[dict[Mode, int]] = {"quick": 30_000, "normal": 200_000, "full": 200_000}
ORIGINS: Final[dict[Mode, int]] = {"quick": 3, "normal": 13, "full": 26}
STEP: Final[dict[Mode, int]] = {"quick": 28, "normal": 14, "full": 7}
HORIZON: Final = 28
TRUTH: Final = "truth"
LEVEL: Final = "region_family"
PATHS: Final = 500
RIVALS: Final = ("seasonal_naive", "auto_ets", "croston_sba", "adida", "bottom_up", "min_trace", "mlforecast")
SITE: Final = staffing.Site()


@dataclass(frozen=True, slots=True)
class Seen:
    """One origin: what every model said, and our paths and those of the true process."""

    said: dict[str, Outlook]
    ours: Paths
    true: Paths


def attainable(mode: Mode) -> dict[str, Figure]:
    """Backtest in a world of its own, and plan its labour."""
    world = draw_world(RETURNS[mode], rng=np.random.default_rng(1), start=START)
    panel, laws = panel_of(world), process(world)
    at = origins_of(panel, horizon=HORIZON, count=ORIGINS[mode], step=STEP[mode])
    seen = [_look(panel, laws, origin) for origin in at]
    nodes = list(volume.nodes(panel.keys))
    found = Backtest(
        panel.levels,
        nodes,
        np.stack([summed(panel.y[:, o : o + HORIZON], nodes) for o in at]),
        np.stack([naive_error(summed(panel.y[:, :o], nodes)) for o in at]),
        {model: [one.said[model] for one in seen] for model in seen[0].said},
        -(-HORIZON // STEP[mode]),
    )
    return {**_accuracy(found), **_staffing(panel, world, at, seen)}


def panel_of(world: World) -> Panel:
    """Count requests, sales and lags of every region and family by the day, without the last broken day."""
    sales, back = world.sales, world.rows
    cells = sales.region * len(CELLS) // len(np.unique(sales.region)) + sales.family
    sold = np.floor(sales.sold).astype(int)
    requested = np.floor(sales.requested[back]).astype(int)
    length = int(requested.max())
    order = sorted(range(len(CELLS)), key=lambda cell: CELLS[cell])
    place = np.argsort(order)[cells]
    known = requested < length
    series, period = place[back][known], requested[known]
    channels = [sales.channel == number for number in range(len(CHANNELS))]
    panel = Panel(
        ("region", "family"),
        tuple(CELLS[cell] for cell in order),
        "D",
        pd.Period(START.date(), "D"),
        _counted(series, period, length),
        _counted(place[sold < length], sold[sold < length], length),
        Lags(series, period, period - sold[back][known], sales.channel[back][known]),
        by_channel=np.stack(
            [_counted(place[one & (sold < length)], sold[one & (sold < length)], length) for one in channels]
        ),
    )
    return with_days_off(panel)


def _counted(series: Paths, period: Paths, length: int) -> Floats:
    table = np.zeros((len(CELLS), length))
    np.add.at(table, (series, period), 1.0)
    return table


def _look(panel: Panel, laws: Process, origin: int) -> Seen:
    known, nodes = panel.until(origin), list(volume.nodes(panel.keys))
    drawn = laws.paths(origin, horizon=HORIZON, paths=PATHS, rng=np.random.default_rng(origin))
    true = drawn[:, [CELLS.index(key) for key in panel.keys]]
    ours = forecast_of(known, horizon=HORIZON, seed=0).paths
    theirs = baselines(summed(known.y, nodes), nodes, known, horizon=HORIZON)
    return Seen({OWN: _outlook(ours, nodes), **theirs, TRUTH: _outlook(true, nodes)}, ours, true)


def _outlook(paths: Paths, nodes: Nodes) -> Outlook:
    sums = np.stack([paths[:, members].sum(1) for _, members in nodes], axis=1)
    quantiles = np.quantile(sums, QUANTILES, axis=0, method="inverted_cdf").astype(np.float64)
    return Outlook(sums.mean(0), quantiles)


def _accuracy(found: Backtest) -> dict[str, Figure]:
    told = found.figures()
    figures = {}
    for metric in ("wape", "wspl"):
        for model in (OWN, TRUTH, *RIVALS):
            name = f"{model}.{LEVEL}.{metric}"
            if name in told:
                figures[f"simulator.{model}.{metric}"] = Figure(
                    told[name],
                    "share" if metric == "wape" else "scaled",
                    told[f"{name}_lo"],
                    told[f"{name}_hi"],
                )
        possible, low, high = found.shares("auto_ets", TRUTH, level=LEVEL, metric=metric)
        figures[f"simulator.share_of_gain_{metric}"] = Figure(possible, "share", low, high, ">= 0.85")
    best = min(RIVALS, key=lambda model: told[f"{model}.{LEVEL}.wape"])
    gain = found.gain(best, level=LEVEL)
    figures["simulator.gain_over_best"] = Figure(gain[0], "share", gain[1], gain[2])
    figures["simulator.gain_over_best_lo"] = Figure(gain[1], "share", target=">= 0.0")
    figures["simulator.coherence_error"] = Figure(
        told[f"{OWN}.all.coherence_error"], "returns", target="== 0"
    )
    for level in found.by_level():
        worst = off_coverage(told, level)
        figures[f"simulator.{level}.off_coverage"] = Figure(worst, "share", target="<= 0.02")
        # What chance alone does to these origins: in the long run the truth covers exactly what it says.
        chance = off_coverage(told, level, model=TRUTH)
        figures[f"simulator.{level}.off_coverage_of_truth"] = Figure(chance, "share")
    return figures


def _staffing(panel: Panel, world: World, at: list[int], seen: list[Seen]) -> dict[str, Figure]:
    """Plan every region's hours of every day at the level that costs least, and pay for what came."""
    minutes = pd.Series(world.outcomes.minutes).groupby(world.returned.family).mean()
    names = [family for _, family in CELLS[: len(minutes)]]
    by_family = dict(zip(names, minutes, strict=True))
    need = np.array([by_family[family] for _, family in panel.keys])
    regions = sorted({region for region, _ in panel.keys})
    paid = {"ours": 0.0, "true": 0.0}
    for origin, one in zip(at, seen, strict=True):
        for region in regions:
            members = [index for index, key in enumerate(panel.keys) if key[0] == region]
            came = panel.y[members, origin : origin + HORIZON][None].astype(np.int64)
            hours = staffing.hours(came, need[members], site=SITE)[0]
            for name, paths in (("ours", one.ours), ("true", one.true)):
                drawn = staffing.hours(paths[:, members], need[members], site=SITE)
                planned = np.quantile(drawn, SITE.service_level, axis=0)
                paid[name] += sum(
                    staffing.cost(hours[day : day + 1], float(planned[day]), site=SITE)
                    for day in range(HORIZON)
                )
    return {"simulator.staffing_cost_ratio": Figure(paid["ours"] / paid["true"], "ratio", target="<= 1.05")}
