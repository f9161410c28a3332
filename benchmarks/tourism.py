"""Australian tourism, a published benchmark of hierarchies: our volume model beside the field's methods.

TourismLarge (555 nodes by the month, 12 ahead) and TourismSmall (89 by the quarter, 8 ahead), the last
horizon held out, as published. The score is the mean over the levels of each level's scaled CRPS, from the
quantiles 5 %, 10 % … 95 %.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from hierarchicalforecast.methods import MinTrace
from statsforecast import StatsForecast
from statsforecast.models import AutoETS, SeasonalNaive

from models import volume
from models.volume import Panel

Floats = npt.NDArray[np.float64]

SHARES: Final = np.arange(1, 20) / 20
CENTRAL: Final = tuple(range(10, 100, 10))  # central intervals whose ends are those quantiles
PATHS: Final = 1000


@dataclass(frozen=True, slots=True)
class Layout:
    """How a published hierarchy is made.

    Parameters
    ----------
    key : callable
        From the name of a lowest series to the values of its levels.
    sizes : tuple of int
        Nodes of each level, in the order of the rows.
    unit : float
        The panel counts the data in this unit, small enough that whole units lose nothing.
    ets : str
        Which models AutoETS chooses from: all of them for hundreds of series of months take an hour.
    """

    name: str
    key: Callable[[str], tuple[str, ...]]
    levels: tuple[str, ...]
    sizes: tuple[int, ...]
    freq: str
    horizon: int
    unit: float
    ets: str


# States, zones, regions and purposes of travel, 1998 to 2016; codes such as ABBHol.
LARGE: Final = Layout(
    name="tourismlarge",
    key=lambda name: (name[0], name[:2], name[:3], name[3:]),
    levels=("state", "zone", "region", "purpose"),
    sizes=(1, 7, 27, 76, 4, 28, 108, 304),
    freq="M",
    horizon=12,
    unit=0.1,
    ets="ZNA",
)
# States, purposes of travel, cities or not, 1998 to 2006; names such as nsw-hol-city.
SMALL: Final = Layout(
    name="tourismsmall",
    key=lambda name: tuple(name.split("-")),
    levels=("state", "purpose", "city"),
    sizes=(1, 4, 28, 56),
    freq="Q",
    horizon=8,
    unit=1.0,
    ets="ZZZ",
)


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """A hierarchy's lowest series as a panel, what all nodes were, and how they add up.

    Parameters
    ----------
    summing : ndarray of shape (nodes, n)
    y : ndarray of shape (nodes, T)
    """

    layout: Layout
    panel: Panel
    summing: Floats
    y: Floats

    @property
    def origin(self) -> int:
        """Periods known when the last horizon is held out."""
        return int(self.y.shape[1]) - self.layout.horizon


def read(folder: Path, layout: Layout) -> Hierarchy:
    """Read the data and the matrix that adds them up."""
    rows = pd.read_csv(folder / f"{layout.name}_data.csv.gz", index_col=0)
    summing = pd.read_csv(folder / f"{layout.name}_agg_mat.csv.gz", index_col=0)
    y = rows[list(summing.index)].to_numpy().T
    bottom = np.round(y[-summing.shape[1] :] / layout.unit)
    first = pd.Period(rows.index[0], freq=volume.FREQUENCIES[layout.freq].period)
    keys = tuple(layout.key(name) for name in summing.columns)
    return Hierarchy(layout, Panel(layout.levels, keys, layout.freq, first, bottom), summing.to_numpy(), y)


def scores(data: Hierarchy, *, seed: int) -> dict[str, float]:
    """Score our model and the baselines over the last horizon; lower is better."""
    at, horizon = data.origin, data.layout.horizon
    rng = np.random.default_rng(seed)
    known = data.panel.until(at)
    model = volume.fit(known, horizon=horizon, rng=rng)
    paths = model.predict(known, horizon=horizon, paths=PATHS, rng=rng).paths * data.layout.unit
    nodes = np.einsum("nk,pkh->pnh", data.summing, paths)
    return {"recoup": scrps(data, np.quantile(nodes, SHARES, axis=0)), **_baselines(data)}


def scrps(data: Hierarchy, quantiles: Floats) -> float:
    """Mean over levels of 2 * pinball loss / volume; quantiles of shape (19, nodes, horizon)."""
    came = data.y[:, data.origin :]
    share = SHARES[:, None, None]
    loss = 2 * np.maximum(share * (came - quantiles), (share - 1) * (came - quantiles)).mean(0)
    level = np.repeat(np.arange(len(data.layout.sizes)), data.layout.sizes)
    by_level = np.bincount(level, loss.sum(1)) / np.bincount(level, np.abs(came).sum(1))
    return float(by_level.mean())


def _baselines(data: Hierarchy) -> dict[str, float]:
    """Seasonal naive and AutoETS for every node, and AutoETS reconciled by MinTrace."""
    season = volume.FREQUENCIES[data.panel.freq].season
    at = data.origin
    ds = data.panel.periods(0, at).start_time
    count = len(data.y)
    long = pd.DataFrame(
        {"unique_id": np.repeat(np.arange(count), at), "ds": np.tile(ds, count), "y": data.y[:, :at].ravel()}
    )
    models = [SeasonalNaive(season), AutoETS(season_length=season, model=data.layout.ets)]
    told = StatsForecast(models=models, freq="MS" if data.panel.freq == "M" else "QS", n_jobs=1).forecast(
        df=long, h=data.layout.horizon, level=list(CENTRAL)
    )
    naive, ets = (_quantiles(told, name, count) for name in ("SeasonalNaive", "AutoETS"))
    middle, spread = ets[9], ets - ets[9]
    reconciled = MinTrace("wls_struct").fit_predict(S=data.summing, y_hat=middle)["mean"]
    return {
        "seasonal_naive": scrps(data, naive),
        "auto_ets": scrps(data, ets),
        "min_trace": scrps(data, reconciled + spread),
    }


def _quantiles(told: pd.DataFrame, name: str, count: int) -> Floats:
    lows = [f"{name}-lo-{width}" for width in reversed(CENTRAL)]
    columns = [*lows, name, *(f"{name}-hi-{width}" for width in CENTRAL)]
    rows = told.sort_values(["unique_id", "ds"])
    values = [rows[column].to_numpy(np.float64).reshape(count, -1) for column in columns]
    return np.asarray(np.maximum(np.nan_to_num(np.stack(values)), 0.0))
