"""The field's own forecasts of every node, which ours has to beat: statsforecast's models and MinTrace."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from hierarchicalforecast.methods import MinTrace
from statsforecast import StatsForecast
from statsforecast.models import ADIDA, AutoARIMA, AutoETS, CrostonSBA, SeasonalNaive

from models.volume import QUANTILES, Panel
from training.forecasting.measures import Nodes, Outlook

Floats = npt.NDArray[np.float64]

SEASON: Final = {"D": 7, "W": 1, "M": 12, "Q": 4}  # a year of weeks is too long a season for any of them
NAMES: Final = {
    "seasonal_naive": "SeasonalNaive",
    "auto_ets": "AutoETS",
    "croston_sba": "CrostonSBA",
    "adida": "ADIDA",
}
ARIMA: Final = "auto_arima"  # where periods are weeks or longer; days take it minutes
SIMPLE: Final = {"max_p": 2, "max_q": 2, "max_P": 1, "max_Q": 1, "max_order": 3, "approximation": True}
POINTS: Final = ("croston_sba", "adida")
# A quantile of 80 % is the upper end of a central interval of 60 %.
ENDS: Final = ("-lo-80", "", "-hi-60", "-hi-80", "-hi-90")


def baselines(y: Floats, nodes: Nodes, panel: Panel, *, horizon: int) -> dict[str, Outlook]:
    """Forecast every node by itself, and reconcile AutoETS from the bottom and by MinTrace.

    Parameters
    ----------
    y : ndarray of shape (nodes, T), returns a period
    """
    found = _statistical(y, panel, horizon=horizon)
    named = NAMES if panel.freq == "D" else {**NAMES, ARIMA: "AutoARIMA"}
    told = {name: Outlook(_matrix(found, column, len(y))) for name, column in named.items()}
    for name in set(told) - set(POINTS):
        ends = [_matrix(found, named[name] + end, len(y)) for end in ENDS]
        told[name] = Outlook(told[name].mean, np.stack(ends))
    ets, series = told["auto_ets"].mean, len(panel.keys)
    bottom = np.stack([ets[[_row(nodes, member) for member in members]].sum(0) for _, members in nodes])
    return {**told, "bottom_up": Outlook(bottom), "min_trace": Outlook(_reconciled(ets, nodes, series))}


def _row(nodes: Nodes, series: int) -> int:
    return next(row for row, (_, members) in enumerate(nodes) if members == [series])


def _statistical(y: Floats, panel: Panel, *, horizon: int) -> pd.DataFrame:
    season = SEASON[panel.freq] if y.shape[1] >= 2 * SEASON[panel.freq] else 1
    ds = panel.periods(0, y.shape[1]).start_time
    long = pd.DataFrame(
        {"unique_id": np.repeat(np.arange(len(y)), y.shape[1]), "ds": np.tile(ds, len(y)), "y": y.ravel()}
    )
    step = {"D": "D", "W": "W-MON", "M": "MS", "Q": "QS"}[panel.freq]
    levels = sorted({round(abs(2 * share - 1) * 100) for share in QUANTILES} - {0})
    # Croston and ADIDA know points only; asked for intervals they would fall back to another model.
    points = StatsForecast(models=[CrostonSBA(), ADIDA()], freq=step, n_jobs=1)
    arima = [] if panel.freq == "D" else [AutoARIMA(season_length=season, **SIMPLE)]
    # AutoETS refuses a handful of points; the naive forecast speaks for it there.
    ranges = StatsForecast(
        models=[SeasonalNaive(season), AutoETS(season_length=season), *arima],
        freq=step,
        n_jobs=1,
        fallback_model=SeasonalNaive(1),
    )
    told = ranges.forecast(df=long, h=horizon, level=levels)
    both: pd.DataFrame = told.merge(points.forecast(df=long, h=horizon), on=["unique_id", "ds"])
    return both


def _matrix(found: pd.DataFrame, column: str, rows: int) -> Floats:
    # Volumes are not negative; the baselines do not know that.
    values = found.sort_values(["unique_id", "ds"])[column].to_numpy(np.float64).reshape(rows, -1)
    return np.asarray(np.maximum(np.nan_to_num(values), 0.0))


def _reconciled(mean: Floats, nodes: Nodes, series: int) -> Floats:
    # hierarchicalforecast wants the lowest level last; nodes() gives it first.
    order = [*range(series, len(nodes)), *range(series)]
    place = {members[0]: column for column, (_, members) in enumerate(nodes[:series])}
    summing = np.zeros((len(nodes), series))
    for row, index in enumerate(order):
        summing[row, [place[member] for member in nodes[index][1]]] = 1.0
    found = MinTrace("wls_struct").fit_predict(S=summing, y_hat=mean[order])["mean"]
    back = np.argsort(order)
    return np.asarray(np.maximum(found[back], 0.0))
