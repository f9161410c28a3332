"""`recoup-lab backtest`: rolling origins, each with data as known then, beside the field's baselines."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Final

import numpy as np
import numpy.typing as npt
import typer

from features.returns import BadInputError
from models import volume
from models.volume import QUANTILES
from training.forecasting.baselines import baselines
from training.forecasting.history import forecast_of, panel_of
from training.options import AsJson, Data, Freq, Horizon, Levels, MappingFile, Seed, names_of

Floats = npt.NDArray[np.float64]

STEP: Final = {"D": 7, "W": 1, "M": 1, "Q": 1}  # periods between origins
LEAST_HISTORY: Final = 2  # periods before the first origin
RESAMPLES: Final = 1000
MIDDLE: Final = QUANTILES.index(0.5)
OWN: Final = "recoup"


@dataclass(frozen=True, slots=True)
class Outlook:
    """What one model said at one origin about every node.

    Parameters
    ----------
    mean : ndarray of shape (nodes, H), returns a period
    quantiles : ndarray of shape (5, nodes, H), optional
        At the levels of `models.volume.QUANTILES`; a model of points has none.
    """

    mean: Floats
    quantiles: Floats | None = None

    @property
    def middle(self) -> Floats:
        """What absolute errors are measured from: the median where there is one."""
        return self.mean if self.quantiles is None else self.quantiles[MIDDLE]


def backtest(  # noqa: PLR0913 - a command line reads its options from the signature
    *,
    data: Data = None,
    mapping: MappingFile = None,
    horizon: Horizon = 28,
    freq: Freq = "D",
    levels: Levels = None,
    origins: Annotated[int, typer.Option(min=1, help="Rolling origins, newest last.")] = 12,
    step: Annotated[int | None, typer.Option(min=1, help="Periods between origins: 7 days, else 1.")] = None,
    as_json: AsJson = False,
    seed: Seed = 0,
) -> None:
    """Measure forecasts against what came, beside seasonal naive, AutoETS, Croston, ADIDA and MinTrace."""
    panel = panel_of(data, mapping, freq=freq, levels=names_of(levels))
    at = origins_of(panel, horizon=horizon, count=origins, step=step or STEP[freq])
    figures = measure(panel, at, horizon=horizon, seed=seed)
    if as_json:
        typer.echo(json.dumps(figures))
        return
    for name, value in figures.items():
        if not name.endswith(("_lo", "_hi")):
            typer.echo(f"{name:50s} {value:9.4f}  [{figures[f'{name}_lo']:.4f}, {figures[f'{name}_hi']:.4f}]")


def origins_of(panel: volume.Panel, *, horizon: int, count: int, step: int) -> list[int]:
    """Choose the newest origins whose horizon is known, oldest first; fewer where the history is short."""
    last = panel.length - horizon
    if last < LEAST_HISTORY:
        raise BadInputError(
            f"{panel.length} periods of history are too few to test {horizon} ahead; use a smaller --horizon."
        )
    return list(range(last, LEAST_HISTORY - 1, -step))[:count][::-1]


def measure(panel: volume.Panel, origins: list[int], *, horizon: int, seed: int) -> dict[str, float]:
    """Backtest every model: `<model>.<level>.<metric>`, with `_lo` and `_hi` (95 % block bootstrap)."""
    spots = list(volume.nodes(panel.keys))
    actual = np.stack([_summed(panel.y, spots)[:, at : at + horizon] for at in origins])
    said: dict[str, list[Outlook]] = {}
    for at in origins:
        for model, outlook in outlooks(panel.until(at), horizon=horizon, seed=seed).items():
            said.setdefault(model, []).append(outlook)
    scale = np.stack([_naive_error(_summed(panel.y[:, :at], spots)) for at in origins])
    block = max(1, -(-horizon // max(int(np.diff(origins).min()), 1))) if len(origins) > 1 else 1
    figures: dict[str, float] = {}
    for level, members in _by_level(panel.levels, spots).items():
        for model, found in said.items():
            parts = _parts(actual[:, members], [_only(one, members) for one in found], scale[:, members])
            for metric, (above, below) in parts.items():
                named = _with_bounds(above, below, block=block, rng=np.random.default_rng(seed))
                figures |= {f"{model}.{level}.{metric}{end}": value for end, value in named.items()}
    gap = max(_incoherence(one.mean, spots, len(panel.keys)) for one in said[OWN])
    return {**figures, **{f"{OWN}.all.coherence_error{end}": gap for end in ("", "_lo", "_hi")}}


def outlooks(panel: volume.Panel, *, horizon: int, seed: int) -> dict[str, Outlook]:
    """Forecast every node from what the panel knows, with our model and with every baseline."""
    forecast = forecast_of(panel, horizon=horizon, seed=seed)
    spots = list(volume.nodes(panel.keys))
    paths = np.stack([forecast.paths[:, members].sum(1) for _, members in spots], axis=1)
    quantiles = np.quantile(paths, QUANTILES, axis=0, method="inverted_cdf").astype(np.float64)
    ours = Outlook(paths.mean(0), quantiles)
    theirs = baselines(_summed(panel.y, spots), spots, panel, horizon=horizon)
    return {OWN: ours, **{name: Outlook(*found) for name, found in theirs.items()}}


def _summed(y: Floats, spots: list[tuple[tuple[str, ...], list[int]]]) -> Floats:
    return np.stack([y[members].sum(0) for _, members in spots])


def _by_level(
    levels: tuple[str, ...], spots: list[tuple[tuple[str, ...], list[int]]]
) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for index, (key, _) in enumerate(spots):
        kept = [level for level, name in zip(levels, key, strict=True) if name != volume.ALL]
        found.setdefault("_".join(kept) or "total", []).append(index)
    return found


def _only(outlook: Outlook, members: list[int]) -> Outlook:
    quantiles = None if outlook.quantiles is None else outlook.quantiles[:, members]
    return Outlook(outlook.mean[members], quantiles)


def _naive_error(y: Floats) -> Floats:
    """Mean squared step of each node before the origin: what RMSSE divides by."""
    steps = np.diff(y, axis=1)
    return np.asarray(np.maximum((steps**2).mean(1), 1e-3))


def _parts(actual: Floats, found: list[Outlook], scale: Floats) -> dict[str, tuple[Floats, Floats]]:
    """Give each metric as numerators and denominators by origin: a figure is the ratio of their sums."""
    mean, middle = np.stack([one.mean for one in found]), np.stack([one.middle for one in found])
    amount, cells = actual.sum((1, 2)), np.full(len(actual), float(actual[0].size))
    nodes = np.full(len(actual), float(actual.shape[1]))
    parts = {
        "wape": (np.abs(actual - middle).sum((1, 2)), amount),
        "wape_of_mean": (np.abs(actual - mean).sum((1, 2)), amount),
        "bias": ((mean - actual).sum((1, 2)), amount),
        "rmsse": (np.sqrt(((actual - mean) ** 2).mean(2) / scale).sum(1), nodes),
    }
    stacked = [one.quantiles for one in found if one.quantiles is not None]
    return parts if not stacked else {**parts, **_interval_parts(actual, np.stack(stacked, 1), scale, cells)}


def _interval_parts(
    actual: Floats, quantiles: Floats, scale: Floats, cells: Floats
) -> dict[str, tuple[Floats, Floats]]:
    share = np.array(QUANTILES)[:, None, None, None]
    pinball = np.maximum(share * (actual - quantiles), (share - 1) * (actual - quantiles)).mean(0)
    volume_of = actual.sum(2)
    scaled = pinball.mean(2) / np.sqrt(scale)
    parts = {
        "wspl": ((scaled * volume_of).sum(1), np.maximum(volume_of.sum(1), 1e-9)),
        "scrps": (2 * pinball.sum((1, 2)), actual.sum((1, 2))),
        "coverage_80": (((actual >= quantiles[0]) & (actual <= quantiles[3])).sum((1, 2)), cells),
    }
    for name, quantile in zip(volume.QUANTILE_NAMES, quantiles, strict=True):
        parts[f"coverage_{name}"] = ((actual <= quantile).sum((1, 2)), cells)
        # Whole units pile up on the quantile itself; the share strictly below bounds coverage from below.
        parts[f"below_{name}"] = ((actual < quantile).sum((1, 2)), cells)
    return parts


def _with_bounds(
    above: Floats, below: Floats, *, block: int, rng: np.random.Generator
) -> Mapping[str, float]:
    """Ratio of sums with its 95 % interval; blocks of neighbouring origins, for their horizons overlap."""
    size = len(above)
    # A block as long as the whole row would draw the same figure every time and feign certainty.
    block = min(block, max(1, size // 3))
    starts = rng.integers(size, size=(RESAMPLES, -(-size // block)))
    drawn = ((starts[:, :, None] + np.arange(block)) % size).reshape(RESAMPLES, -1)[:, :size]
    ratios = above[drawn].sum(1) / np.maximum(below[drawn].sum(1), 1e-9)
    low, high = np.quantile(ratios, (0.025, 0.975))
    return {"": float(above.sum() / max(below.sum(), 1e-9)), "_lo": float(low), "_hi": float(high)}


def _incoherence(mean: Floats, spots: list[tuple[tuple[str, ...], list[int]]], series: int) -> float:
    bottom = {members[0]: row for row, (_, members) in enumerate(spots[:series])}
    gaps = [
        np.abs(mean[row] - mean[[bottom[member] for member in members]].sum(0)).max()
        for row, (_, members) in enumerate(spots)
    ]
    # Sums of floats in another order differ in the last bits; that is no incoherence.
    return float(np.round(max(gaps), 9))
