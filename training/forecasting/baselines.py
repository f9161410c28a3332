"""The field's own forecasts, which ours has to beat: statsforecast's, MinTrace, and trees by mlforecast."""

from __future__ import annotations

from typing import Final

import lightgbm as lgb
import numpy as np
import numpy.typing as npt
import pandas as pd
from hierarchicalforecast.methods import MinTrace
from mlforecast import MLForecast
from mlforecast.lag_transforms import ExponentiallyWeightedMean, RollingMean
from statsforecast import StatsForecast
from statsforecast.models import ADIDA, AutoARIMA, AutoETS, CrostonSBA, SeasonalNaive

from models.volume import QUANTILES, Panel
from training.forecasting.measures import Nodes, Outlook, summed

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
STEPS: Final = {"D": "D", "W": "W-MON", "M": "MS", "Q": "QS"}
LAGS: Final = (1, 2, 3, 4)  # periods, and the season's
SMOOTHING: Final = 0.1
LEAST_ROWS: Final = 200  # ten leaves of LightGBM's own least size; fewer teach no trees
POINTS: Final = ("croston_sba", "adida")
# A quantile of 80 % is the upper end of a central interval of 60 %.
ENDS: Final = ("-lo-80", "", "-hi-60", "-hi-80", "-hi-90")


def baselines(y: Floats, nodes: Nodes, panel: Panel, *, horizon: int) -> dict[str, Outlook]:
    """Forecast every node by itself, reconcile AutoETS, and grow trees on the lags of all series together.

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
    lowest = [_row(nodes, member) for member in range(series)]
    return {
        **told,
        "bottom_up": Outlook(summed(ets[lowest], nodes)),
        "min_trace": Outlook(_reconciled(ets, nodes, series)),
        "mlforecast": Outlook(summed(_trees(panel, ets[lowest], horizon=horizon), nodes)),
    }


def _trees(panel: Panel, otherwise: Floats, *, horizon: int) -> Floats:
    """LightGBM on the lags of all series together, as mlforecast makes them; `otherwise` where too few."""
    season = SEASON[panel.freq]
    lags = [*LAGS, *({season, 2 * season} - set(LAGS))]
    if len(panel.keys) * (panel.length - max(lags)) < LEAST_ROWS:
        return otherwise
    trees = lgb.LGBMRegressor(objective="poisson", n_jobs=1, random_state=0, verbosity=-1)
    own = {1: [RollingMean(max(season, len(LAGS))), ExponentiallyWeightedMean(SMOOTHING)]}
    model = MLForecast({"trees": trees}, freq=STEPS[panel.freq], lags=lags, lag_transforms=own, num_threads=1)
    rows = _long(panel.y, panel)
    model.fit(rows.assign(series=rows["unique_id"].astype("category")), static_features=["series"])
    return _matrix(model.predict(horizon), "trees", len(panel.keys))


def _row(nodes: Nodes, series: int) -> int:
    return next(row for row, (_, members) in enumerate(nodes) if members == [series])


def _statistical(y: Floats, panel: Panel, *, horizon: int) -> pd.DataFrame:
    season = SEASON[panel.freq] if y.shape[1] >= 2 * SEASON[panel.freq] else 1
    long, step = _long(y, panel), STEPS[panel.freq]
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


def _long(y: Floats, panel: Panel) -> pd.DataFrame:
    ds = panel.periods(0, y.shape[1]).start_time
    return pd.DataFrame(
        {"unique_id": np.repeat(np.arange(len(y)), y.shape[1]), "ds": np.tile(ds, len(y)), "y": y.ravel()}
    )


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
