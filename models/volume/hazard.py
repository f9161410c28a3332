"""What known sales say about coming returns: the hazard of returning by lag, applied to open sales."""

from __future__ import annotations

from typing import Final

import numpy as np
from scipy.signal import fftconvolve

from models.volume.panel import FREQUENCIES, Floats, Panel

REACH_DAYS: Final = 180  # 99 % of UCI Online Retail's matched returns came back within this time
ENOUGH_RETURNS: Final = 200.0  # returns with a known sale before a group has its own hazard
ENOUGH_OF_COHORT: Final = 1000.0  # returns that a family's hazard is worth against a cohort's own
GIFT_MONTHS: Final = (11, 12)  # sales of which shops take back for longer
LEAST_SEEN: Final = 0.2  # share of the hazard below which the first periods are not filled up further
# Lag from sale to return, median 9 days and P90 66 days (UCI Online Retail), as a log-normal:
# the prior where no return knows its sale.
PRIOR_MEDIAN_DAYS: Final = 9.0
PRIOR_SIGMA: Final = float(np.log(66 / 9) / 1.2816)


def hazards(panel: Panel) -> Floats:
    """Give the probability that a unit sold comes back after 0, 1, 2 … periods, by cohort and series.

    Right-censored: returns at a lag are held against those sales only that are old enough to have shown
    them, so unmatured cohorts do not read as a low return rate. A family leans on all families, and its
    cohorts (by channel, within and without the holiday window) on the family, by the returns that they have.

    Returns
    -------
    ndarray of shape (cohorts, n, L), returns a unit sold
    """
    assert panel.sales is not None
    reach = int(min(panel.length, np.ceil(REACH_DAYS / FREQUENCIES[panel.freq].days) + 1))
    parts = cohorts(panel, _by_channel(panel))
    if panel.lags is None or len(panel.lags.lag) < ENOUGH_RETURNS:
        return np.tile(_prior(reach, FREQUENCIES[panel.freq].days), (len(parts), len(panel.y), 1))
    groups = _groups(panel)
    returned, exposed = _counts(panel, parts, groups, reach)
    pooled = returned.sum((0, 1)) / np.maximum(exposed.sum((0, 1)), 1.0)
    own = _leaning(returned.sum(0), exposed.sum(0), pooled, ENOUGH_RETURNS)
    return np.asarray(_leaning(returned, exposed, own, ENOUGH_OF_COHORT)[:, groups])


def cohorts(panel: Panel, sold: Floats) -> Floats:
    """Split sales of shape (channels, n, S) into those without and those within the holiday window."""
    gift = np.asarray(panel.periods(0, sold.shape[2]).month.isin(GIFT_MONTHS))
    return np.concatenate([sold * ~gift, sold * gift])


def expected_returns(panel: Panel, future_sales: Floats) -> Floats:
    """Convolve known and coming sales with the hazard.

    Parameters
    ----------
    future_sales : ndarray of shape (n, H), units a period
        A forecast of the sales that are not known yet; channels share it as they shared the known sales.

    Returns
    -------
    ndarray of shape (n, T + H), expected returns of every known and every coming period.
    """
    known = _by_channel(panel)
    share = known.sum(2, keepdims=True) / np.maximum(known.sum((0, 2))[None, :, None], 1e-12)
    sales = cohorts(panel, np.concatenate([known, share * future_sales], axis=2))
    kernel = hazards(panel)
    expected = fftconvolve(sales, kernel, axes=2)[:, :, : sales.shape[2]].sum(0)
    # The first periods come back from sales older than the table: fill up what those would have added.
    usual = np.einsum("kn,knl->nl", sales.sum(2), kernel)
    seen = np.cumsum(usual, axis=1) / np.maximum(usual.sum(1, keepdims=True), 1e-12)
    seen = np.pad(seen, ((0, 0), (0, sales.shape[2])), constant_values=1.0)[:, : sales.shape[2]]
    return np.asarray(np.maximum(expected, 0.0) / np.maximum(seen, LEAST_SEEN))


def _by_channel(panel: Panel) -> Floats:
    assert panel.sales is not None
    return panel.sales[None] if panel.by_channel is None else panel.by_channel


def _leaning(returned: Floats, exposed: Floats, usual: Floats, worth: float) -> Floats:
    """Lean hazards on the usual one: worth so many returns, and standing where nothing was seen yet."""
    lean = worth * usual / np.maximum(usual.sum(-1, keepdims=True), 1e-12)
    return np.asarray(usual * (returned + lean) / np.maximum(exposed * usual + lean, 1e-12))


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
    panel: Panel, parts: Floats, groups: np.ndarray[tuple[int], np.dtype[np.int64]], reach: int
) -> tuple[Floats, Floats]:
    """Returns at each lag, and the sales old enough to show one, of each cohort and group."""
    assert panel.lags is not None
    lags, size = panel.lags, int(groups.max()) + 1
    within = lags.lag < reach
    sold_in = np.asarray(panel.periods(0, panel.length).month)[(lags.period - lags.lag)[within]]
    channel = np.zeros(within.sum(), dtype=np.int64) if lags.channel is None else lags.channel[within]
    cohort = channel + np.isin(sold_in, GIFT_MONTHS) * (len(parts) // 2)
    returned = np.zeros((len(parts), size, reach))
    np.add.at(returned, (cohort, groups[lags.series[within]], lags.lag[within]), 1.0)
    belongs = (np.arange(size)[:, None] == groups).astype(np.float64)
    grown = np.cumsum(belongs @ parts, axis=2)
    # Sales that are at least 0, 1, 2 … periods old.
    return returned, grown[:, :, ::-1][:, :, :reach]
