"""How good the volume forecast is beside what planners could pick instead, all in one run.

Real data: Online Retail by the week, and Australian tourism as published. A simulated world, whose true
process is known, gives the share of the gain that anyone could attain, and what a labour plan from our paths
costs. Last, what two hundred series of two years of days take beside AutoETS.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from collections.abc import Mapping
from typing import Final

import numpy as np
import pandas as pd
from statsforecast import StatsForecast
from statsforecast.models import AutoETS

from benchmarks import tourism
from benchmarks.attainable import attainable
from benchmarks.real_tables import DATA, MAPPINGS
from benchmarks.report import Figure, Mode
from models import volume
from models.volume import Panel
from training.forecasting.backtest import origins_of, rolled
from training.forecasting.history import forecast_of, panel_of
from training.forecasting.measures import OWN, Backtest, off_coverage

HORIZON: Final = 4  # weeks
ORIGINS: Final[dict[Mode, int]] = {"quick": 3, "normal": 16, "full": 16}
POINTS: Final = 0.02  # coverage may be off by two points
RIVALS: Final = (
    "seasonal_naive",
    "auto_ets",
    "auto_arima",
    "croston_sba",
    "adida",
    "bottom_up",
    "min_trace",
    "mlforecast",
)
SERIES: Final[dict[Mode, int]] = {"quick": 40, "normal": 200, "full": 200}
DAYS: Final = 730
AHEAD: Final = 28


def run(mode: Mode) -> dict[str, Figure]:
    """Measure everything; the real tables only where they lie beside the project."""
    return {**_retail(mode), **_tourism(mode), **attainable(mode), **_speed(mode)}


def coverage(found: Backtest, figures: Mapping[str, float], *, name: str) -> dict[str, Figure]:
    """Say for each level by how much its worst quantile misses what it promises."""
    return {
        f"{name}.{level}.off_coverage": Figure(off_coverage(figures, level), "share", target=f"<= {POINTS}")
        for level in found.by_level()
    }


def _retail(mode: Mode) -> dict[str, Figure]:
    table = DATA / "online_retail" / "online_retail.parquet"
    if not table.is_file():
        return {}
    panel = panel_of(table, MAPPINGS / "online_retail_regions.yaml", freq="W", levels=None)
    at = origins_of(panel, horizon=HORIZON, count=ORIGINS[mode], step=1)
    found = rolled(panel, at, horizon=HORIZON, seed=0)
    told, level = found.figures(), "region_family"
    best = min(RIVALS, key=lambda name: told[f"{name}.{level}.wape"])
    shown = {
        f"retail.{name}.wape": Figure(
            told[f"{name}.{level}.wape"],
            "share",
            lo=told[f"{name}.{level}.wape_lo"],
            hi=told[f"{name}.{level}.wape_hi"],
        )
        for name in (OWN, *RIVALS)
    }
    value, low, high = found.gain("auto_ets", level=level)
    over_best = found.gain(best, level=level)
    return shown | {
        "retail.median_in_hindsight.wape": Figure(_hindsight(found, level), "share"),
        "retail.origins": Figure(float(len(at)), "count", target=">= 12"),
        "retail.gain_over_auto_ets": Figure(value, "share", low, high, target=">= 0.10"),
        "retail.gain_over_auto_ets_lo": Figure(low, "share", target=">= 0.0"),
        "retail.gain_over_best": Figure(*over_best[:1], "share", *over_best[1:], target=">= 0.03"),
        "retail.coherence_error": Figure(told[f"{OWN}.all.coherence_error"], "returns", target="== 0"),
        **coverage(found, told, name="retail"),
    }


def _hindsight(found: Backtest, level: str) -> float:
    """Error of each series' median over the very weeks to be foretold: no steady level can do better."""
    came = found.actual[:, found.by_level()[level]]
    middle = np.median(came, axis=(0, 2), keepdims=True)
    return float(np.abs(came - middle).sum() / came.sum())


def _tourism(mode: Mode) -> dict[str, Figure]:
    folder = DATA / "hierarchical"
    if not folder.is_dir():
        return {}
    asked = [(tourism.SMALL, "<= 0.0649")]
    if mode != "quick":
        asked.append((tourism.LARGE, "<= 0.1313"))
    return {
        f"{layout.name}.{name}.scrps": Figure(score, "share", target=target if name == OWN else None)
        for layout, target in asked
        for name, score in tourism.scores(tourism.read(folder, layout), seed=0).items()
    }


def _speed(mode: Mode) -> dict[str, Figure]:
    """Time ours and AutoETS on the same series, each in a process of its own, and ask for the memory."""
    ours, memory = _alone("ours", SERIES[mode])
    theirs, _ = _alone("auto_ets", SERIES[mode])
    return {
        "speed.series": Figure(float(SERIES[mode]), "count"),
        "speed.recoup": Figure(ours, "s"),
        "speed.auto_ets": Figure(theirs, "s"),
        "speed.over_auto_ets": Figure(ours / theirs, "ratio", target="<= 1.0"),
        "speed.memory": Figure(memory, "GB", target="<= 1.5"),
    }


def _alone(what: str, series: int) -> tuple[float, float]:
    words = [sys.executable, "-m", "benchmarks.forecast_quality", what, str(series)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    seconds, gigabytes = map(float, done.stdout.split()[-2:])
    return seconds, gigabytes


def _timed(what: str, series: int) -> tuple[float, float]:
    """Seconds to fit and predict, the second time round so that nothing is compiled, and gigabytes."""
    panel = _a_panel(series)
    work = {"ours": _ours, "auto_ets": _auto_ets}[what]
    work(_a_panel(2))
    started = time.perf_counter()
    work(panel)
    return time.perf_counter() - started, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def _a_panel(series: int) -> Panel:
    """Weekly rhythm, a yearly season and a level that wanders, in ten regions."""
    rng = np.random.default_rng(0)
    days = np.arange(DAYS)
    week = np.array([1.2, 1.1, 1.0, 1.0, 1.1, 0.9, 0.7])[days % 7]
    year = 1 + 0.2 * np.sin(2 * np.pi * days / 365.25)
    level = rng.uniform(5, 60, (series, 1)) * np.exp(np.cumsum(rng.normal(0, 0.01, (series, DAYS)), axis=1))
    keys = tuple((f"R{index % 10}", f"F{index // 10:02d}") for index in range(series))
    order = sorted(range(series), key=lambda index: keys[index])
    y = rng.poisson(level * week * year).astype(np.float64)
    named = tuple(keys[index] for index in order)
    return Panel(("region", "family"), named, "D", pd.Period("2024-01-01", "D"), y[order])


def _ours(panel: Panel) -> None:
    found: volume.Forecast = forecast_of(panel, horizon=AHEAD, seed=0)
    found.rows()


def _auto_ets(panel: Panel) -> None:
    n, length = panel.y.shape
    ds = panel.periods(0, length).start_time
    long = pd.DataFrame(
        {"unique_id": np.repeat(np.arange(n), length), "ds": np.tile(ds, n), "y": panel.y.ravel()}
    )
    StatsForecast(models=[AutoETS(season_length=7)], freq="D", n_jobs=1).forecast(
        df=long, h=AHEAD, level=[60, 80, 90]
    )


if __name__ == "__main__":
    print(*_timed(sys.argv[1], int(sys.argv[2])))
