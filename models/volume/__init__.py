"""How many items will come back, where and when: fit, predict, save, load."""

from models.volume.counts import CHANNEL, tally, with_channels, with_lags
from models.volume.model import Volume, fit, load
from models.volume.panel import ALL, FREQUENCIES, Panel, panel
from models.volume.paths import QUANTILE_NAMES, QUANTILES, Forecast, nodes
from models.volume.rows import ForecastRow, read_forecast

__all__ = [
    "ALL",
    "CHANNEL",
    "FREQUENCIES",
    "QUANTILES",
    "QUANTILE_NAMES",
    "Forecast",
    "ForecastRow",
    "Panel",
    "Volume",
    "fit",
    "load",
    "nodes",
    "panel",
    "read_forecast",
    "tally",
    "with_channels",
    "with_lags",
]
