"""What known sales say about coming returns: the hazard of returning by lag, applied to open sales."""

from __future__ import annotations

from typing import Final

import numpy as np

from models.volume.panel import FREQUENCIES, Floats, Lags, Panel

REACH_DAYS: Final = 180  # 99 % of UCI Online Retail's matched returns came back within this time
ENOUGH_RETURNS: Final = 200  # returns with a known sale before a group has its own hazard
LEAST_SEEN: Final = 0.2  # share of the hazard below which the first periods are not filled up further
# Lag from sale to return, median 9 days and P90 66 days (UCI Online Retail), as a log-normal:
# the prior where no return knows its sale.
PRIOR_MEDIAN_DAYS: Final = 9.0
PRIOR_SIGMA: Final = float(np.log(66 / 9) / 1.2816)


def hazards(panel: Panel) -> Floats:
    """Give the probability that a unit sold comes back after 0, 1, 2 … periods, series by series.

    Right-censored: returns at a lag are held against those sales only that are old enough to have shown
    them, so unmatured cohorts do not read as a low return rate.

    Returns
    -------
    ndarray of shape (n, L), returns a unit sold; a group with few returns borrows from all series.
    """
    assert panel.sales is not None
    reach = int(min(panel.length, np.ceil(REACH_DAYS / FREQUENCIES[panel.freq].days) + 1))
    if panel.lags is None or len(panel.lags.lag) < ENOUGH_RETURNS:
        return np.tile(_prior(reach, FREQUENCIES[panel.freq].days), (len(panel.y), 1))
    groups = _groups(panel)
    returned, exposed = _counts(panel.lags, panel.sales, groups, reach)
    pooled = returned.sum(0) / np.maximum(exposed.sum(0), 1.0)
    expected = exposed * pooled
    # A group keeps its own hazard in so far as it has the returns to show it.
    own = (returned + ENOUGH_RETURNS * _shares(expected)) / np.maximum(
        exposed * (1 + ENOUGH_RETURNS / np.maximum(expected.sum(1, keepdims=True), 1.0)), 1.0
    )
    return np.asarray(own[groups])


def expected_returns(panel: Panel, future_sales: Floats) -> Floats:
    """Convolve known and coming sales with the hazard.

    Parameters
    ----------
    future_sales : ndarray of shape (n, H), units a period
        A forecast of the sales that are not known yet.

    Returns
    -------
    ndarray of shape (n, T + H), expected returns of every known and every coming period.
    """
    assert panel.sales is not None
    kernel = hazards(panel)
    sales = np.concatenate([panel.sales, future_sales], axis=1)
    expected = np.zeros_like(sales)
    for lag in range(kernel.shape[1]):
        expected[:, lag:] += kernel[:, lag, None] * sales[:, : sales.shape[1] - lag]
    # The first periods come back from sales older than the table: fill up what those would have added.
    seen = np.cumsum(kernel, axis=1) / np.maximum(kernel.sum(1, keepdims=True), 1e-12)
    seen = np.pad(seen, ((0, 0), (0, sales.shape[1])), constant_values=1.0)[:, : sales.shape[1]]
    return np.asarray(expected / np.maximum(seen, LEAST_SEEN))


def _prior(reach: int, days: float) -> Floats:
    edges = np.maximum(np.arange(reach + 1) * days, 0.5)
    grid = np.log(edges / PRIOR_MEDIAN_DAYS) / PRIOR_SIGMA
    mass = np.diff(1 / (1 + np.exp(-1.702 * grid)))  # the logistic curve within .01 of the normal one
    return np.asarray(mass / mass.sum())


def _groups(panel: Panel) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    # The family decides how fast things come back; without one, every series stands for itself.
    at = panel.levels.index("family") if "family" in panel.levels else None
    names = [key if at is None else key[at] for key in panel.keys]
    distinct = {name: index for index, name in enumerate(dict.fromkeys(names))}
    return np.array([distinct[name] for name in names])


def _counts(
    lags: Lags, sales: Floats, groups: np.ndarray[tuple[int], np.dtype[np.int64]], reach: int
) -> tuple[Floats, Floats]:
    size = int(groups.max()) + 1
    within = lags.lag < reach
    returned = np.zeros((size, reach))
    np.add.at(returned, (groups[lags.series[within]], lags.lag[within]), 1.0)
    sold = np.zeros((size, sales.shape[1]))
    np.add.at(sold, groups, sales)
    grown = np.cumsum(sold, axis=1)
    exposed = grown[:, ::-1][:, :reach]  # sales that are at least 0, 1, 2 … periods old
    return returned, exposed


def _shares(expected: Floats) -> Floats:
    return np.asarray(expected / np.maximum(expected.sum(axis=1, keepdims=True), 1e-12))
