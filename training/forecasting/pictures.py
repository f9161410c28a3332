"""Plots of a backtest: what was said against what came, and how often quantiles held."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.figure import Figure

from models.volume import QUANTILE_NAMES, QUANTILES
from training.forecasting.measures import OWN, Backtest


def pictures(backtest: Backtest) -> Mapping[str, Figure]:
    """Draw the total of every origin, the error by level and model, and the coverage by level."""
    figures = backtest.figures()
    return {
        "total": _total(backtest),
        "wape": _errors(backtest, figures),
        "coverage": _coverage(backtest, figures),
    }


def _total(backtest: Backtest) -> Figure:
    figure = Figure(figsize=(9, 4), layout="constrained")
    axes = figure.subplots()
    row = backtest.by_level()["total"][0]
    came = backtest.actual[:, row].sum(1)
    quantiles = [one.quantiles for one in backtest.said[OWN] if one.quantiles is not None]
    steps = range(len(came))
    axes.plot(steps, came, "k.-", label="came")
    axes.plot(steps, [one.mean[row].sum() for one in backtest.said[OWN]], label="expected")
    low, high = ([found[at, row].sum() for found in quantiles] for at in (0, 3))
    axes.fill_between(
        steps, low, high, alpha=0.2, label="sum of P10 to P90, wider than P10 to P90 of the sum"
    )
    axes.set(xlabel="origin, oldest first", ylabel="returns over the horizon", ylim=(0, None))
    axes.legend()
    return figure


def _errors(backtest: Backtest, figures: Mapping[str, float]) -> Figure:
    figure = Figure(figsize=(9, 4), layout="constrained")
    axes = figure.subplots()
    levels = list(backtest.by_level())
    for model in backtest.said:
        axes.plot(levels, [figures[f"{model}.{level}.wape"] for level in levels], ".-", label=model)
    axes.set(ylabel="WAPE", ylim=(0, None))
    axes.legend()
    return figure


def _coverage(backtest: Backtest, figures: Mapping[str, float]) -> Figure:
    figure = Figure(figsize=(5, 5), layout="constrained")
    axes = figure.subplots()
    for level in backtest.by_level():
        held = [
            (figures[f"{OWN}.{level}.below_{name}"] + figures[f"{OWN}.{level}.coverage_{name}"]) / 2
            for name in QUANTILE_NAMES
        ]
        axes.plot(QUANTILES, held, ".-", label=level)
    axes.plot([0, 1], [0, 1], "k:")
    axes.set(xlabel="promised", ylabel="held; what lies on a quantile counts half")
    axes.legend()
    return figure
