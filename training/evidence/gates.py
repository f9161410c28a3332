"""The gates before the crown: what a challenger must show, alone and beside the champion it would follow."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from time import perf_counter
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.returns import BadInputError
from features.table import LABELS, objects, take
from models.recovery import value_of
from training.answers import answers, as_request, card, load, without_inspection
from training.datasets import Dataset, Rows, read
from training.evaluate import compared, losses
from training.evidence.canary import changed_features, features_of, usual_moment
from training.evidence.figures import Binary, Judged, redraw
from training.tracking import Registered, Registry

Floats = npt.NDArray[np.float64]

SEGMENTS: Final = ("site", "family")
CANARY_ROWS: Final = 20_000
TIMED: Final = 15


@dataclass(frozen=True, slots=True)
class Limits:
    """What the gates allow.

    Parameters
    ----------
    margin, segment_margin : float
        How much worse a challenger may be, over all and in one segment, as a share of the champion's loss.
    ece : float
        Calibration error; a thousand test rows are off by two or three points through chance alone.
    volume_coverage : float
        How far a quantile of volumes may be off in a backtest of a few origins.
    coverage : float
        Of the sets and ranges that promise 0.90; drift since the calibration takes some of it.
    segment_rows : int
        Fewer say nothing about a segment.
    cell_deviation : float
        How far the coverage of any one class or site with thousands of rows may be from 0.90.
    milliseconds : float
        Median time for one row.
    """

    margin: float = 0.02
    segment_margin: float = 0.05
    segment_rows: int = 200
    ece: float = 0.05
    coverage: float = 0.85
    volume_coverage: float = 0.10
    cell_deviation: float = 0.10
    milliseconds: float = 50.0


LIMITS: Final = Limits()


@dataclass(frozen=True, slots=True)
class Gate:
    """One question that a challenger must answer with yes."""

    name: str
    passes: bool
    finding: str


def gates_of(
    challenger: Registered,
    champion: Registered | None,
    *,
    registry: Registry,
    seed: int,
    limits: Limits = LIMITS,
) -> list[Gate]:
    """Ask every gate of a challenger."""
    facts = card(challenger.folder)
    model = load(challenger.folder)
    gates = [
        Gate(
            "signature", registry.has_signature(challenger), "the logged model describes inputs and outputs"
        ),
        Gate("digest", model.digest == facts["digest"], "the files are those that were trained"),
    ]
    if challenger.task not in LABELS:  # judged when trained: on layouts unseen, or by a backtest
        of_task = _volumes if challenger.task == "volume" else _calibration
        return [*gates, _worth(facts["metrics"]), *of_task(facts["metrics"], limits)]
    dataset = again(facts)
    gates += [
        _reload(challenger, model, dataset, registry),
        _worth(facts["metrics"]),
        *_calibration(facts["metrics"], limits),
        _leakage(model),
        _canary(model, dataset),
        _latency(model, dataset, limits),
    ]
    if champion is None or champion.version == challenger.version:
        return gates
    return [*gates, *beside_champion(model, load(champion.folder), dataset, seed=seed, limits=limits)]


def _reload(challenger: Registered, model: Any, dataset: Dataset, registry: Registry) -> Gate:
    some = take(dataset.test.table, np.arange(min(50, len(dataset.test.y))))
    here = answers(challenger.task, model, some)
    there = registry.served(challenger, as_request(challenger.task, some))
    same = list(here) == list(there) and np.array_equal(here.to_numpy(), there.to_numpy())
    return Gate("reload", same, "MLflow's copy answers as the model does, to the last bit")


def _worth(metrics: dict[str, float]) -> Gate:
    """Ask whether the model beats the bare baseline in its proper loss."""
    name = next(n for n in ("log_loss", "pinball_p50", "wape") if n in metrics)
    value, bare = metrics[name], metrics[f"baseline_{name}"]
    return Gate("worth", value < bare, f"{name} {value:.4f}, bare baseline {bare:.4f}")


def _calibration(metrics: dict[str, float], limits: Limits) -> list[Gate]:
    """Ask whether probabilities come true, and sets and ranges cover, where a model has them."""
    gates = []
    if "ece" in metrics:
        finding = f"error {metrics['ece']:.3f} (at most {limits.ece})"
        gates.append(Gate("calibration", metrics["ece"] <= limits.ece, finding))
    if "coverage_90" in metrics:
        covered = metrics["coverage_90"]
        finding = f"{covered:.3f} of what promises 0.90 (at least {limits.coverage})"
        gates.append(Gate("coverage", covered >= limits.coverage, finding))
    if "coverage_worst_deviation" in metrics:
        worst = metrics["coverage_worst_deviation"]
        finding = f"{worst:.3f} from 0.90 in the worst class or site (at most {limits.cell_deviation})"
        gates.append(Gate("coverage by class and site", worst <= limits.cell_deviation, finding))
    return gates


def _volumes(metrics: dict[str, float], limits: Limits) -> list[Gate]:
    """Ask of a volume forecast's backtest whether quantiles hold and parts add up."""
    if "off_coverage" not in metrics:
        return [Gate("backtest", passes=False, finding="the history is too short for a backtest")]
    off, gap = metrics["off_coverage"], metrics["coherence_error"]
    return [
        Gate(
            "coverage",
            off <= limits.volume_coverage,
            f"quantiles off by {off:.3f} at worst (at most {limits.volume_coverage})",
        ),
        Gate("coherence", gap == 0, f"parts and totals differ by {gap:g}"),
    ]


def _leakage(model: Any) -> Gate:
    """Ask whether a label slipped in among the features."""
    labels = {*LABELS.values(), "label_known_at", "fraud_known_at"} - {"grade"}
    allowed = {"disposition"} if model.bundle.task == "recovery" else set()
    read_by = {source for column in features_of(model) for source in column.sources}
    leaked = sorted(read_by & (labels - allowed))
    return Gate("leakage", not leaked, f"labels among the features: {', '.join(leaked) or 'none'}")


def _canary(model: Any, dataset: Dataset) -> Gate:
    """Ask whether a feature of earlier rows moves once everything later is another story."""
    table = take(dataset.train.table, np.arange(min(CANARY_ROWS, len(dataset.train.y))))
    moved = changed_features(features_of(model), table, at=usual_moment(table))
    return Gate("canary", not moved, f"features that know the future: {', '.join(moved) or 'none'}")


def _latency(model: Any, dataset: Dataset, limits: Limits) -> Gate:
    one = take(dataset.test.table, np.arange(1))
    seconds = []
    for _ in range(TIMED):
        begun = perf_counter()
        model.predict(one)
        seconds.append(perf_counter() - begun)
    milliseconds = 1000 * float(np.median(seconds))
    finding = f"{milliseconds:.1f} ms for one row (at most {limits.milliseconds:.0f})"
    return Gate("latency", milliseconds <= limits.milliseconds, finding)


def beside_champion(
    new: Any, old: Any, dataset: Dataset, *, seed: int, limits: Limits = LIMITS
) -> Iterator[Gate]:
    """Compare both row by row on the common test rows, resampled by customer."""
    rows = dataset.test
    intake = Rows(without_inspection(rows.table), rows.y, rows.blocks, rows.truth)
    mine, theirs = (compared(model, dataset, intake).model for model in (new, old))
    pair = Pair(losses(mine), losses(theirs), rows.blocks, seed)
    most, limit = pair.bounds[1], limits.margin * pair.usual
    finding = f"loss {pair.mine.mean():.4f} against {pair.usual:.4f}, at most {most:+.4f} (limit {limit:.4f})"
    yield Gate("non-inferior", most <= limit, finding)
    yield _money(pair, mine, theirs, rows, limits)
    for name, index in _segments(dataset, limits.segment_rows):
        part = pair.take(index)
        least = part.bounds[0]
        finding = f"loss {part.worse.mean():+.4f}, surely {least:+.4f} or more"
        yield Gate(name, least <= limits.segment_margin * part.usual, finding)


@dataclass(frozen=True, slots=True)
class Pair:
    """Losses of two models on the same rows; what differs is redrawn by whole customers."""

    mine: Floats
    theirs: Floats
    blocks: npt.NDArray[np.int64]
    seed: int

    def take(self, index: npt.NDArray[Any]) -> Pair:
        """Return the chosen rows."""
        return Pair(self.mine[index], self.theirs[index], self.blocks[index], self.seed)

    @property
    def worse(self) -> Floats:
        """By how much the first model is worse, row by row."""
        return self.mine - self.theirs

    @property
    def usual(self) -> float:
        """The mean loss of the second model."""
        return float(self.theirs.mean())

    @property
    def bounds(self) -> tuple[float, float]:
        """The 95 % interval of the mean difference (paired block bootstrap)."""
        samples = redraw(self.blocks, np.random.default_rng(self.seed))
        low, high = np.quantile([self.worse[sample].mean() for sample in samples], [0.025, 0.975])
        return float(low), float(high)


def _money(pair: Pair, mine: Judged, theirs: Judged, rows: Rows, limits: Limits) -> Gate:
    """Ask whether the challenger surely costs money: savings lost in review, or errors on dear lines."""
    if isinstance(mine, Binary) and isinstance(theirs, Binary):
        lost = Pair(-mine.saved(), -theirs.saved(), rows.blocks, pair.seed)
        finding = f"review saves {-lost.mine.mean():.2f} a line, the champion {-lost.usual:.2f}"
    else:
        value = value_of(rows.table)
        weight = value / value.mean()
        lost = Pair(pair.mine * weight, pair.theirs * weight, rows.blocks, pair.seed)
        finding = f"loss by value {lost.mine.mean():.4f}, the champion's {lost.usual:.4f}"
    return Gate("money", lost.bounds[0] <= limits.margin * abs(lost.usual), finding)


def _segments(dataset: Dataset, least: int) -> Iterator[tuple[str, npt.NDArray[np.int64]]]:
    """Yield every site and family with enough test rows, and the customers whom training never met."""
    rows = dataset.test
    for column in SEGMENTS:
        values = pd.Series(objects(rows.table, column))
        for value, index in values.groupby(values).indices.items():
            if len(index) >= least:
                yield f"{column} {value}", np.asarray(index)
    new = np.flatnonzero(~np.isin(rows.blocks, dataset.train.blocks))
    if len(new) >= least:
        yield "new customers", new


def again(facts: dict[str, Any]) -> Dataset:
    """Read the data that a card names once more; refuse data that has changed since.

    Raises
    ------
    BadInputError
        If the file is gone or is another one than the model was trained on.
    """
    mapping = Path(facts["mapping"]) if facts["mapping"] else None
    as_of = datetime.fromisoformat(facts["as_of"]) if facts["as_of"] else None
    dataset = read(facts["task"], data=Path(facts["data"]), mapping=mapping, as_of=as_of)
    if dataset.origin.digest != facts["data_hash"]:
        raise BadInputError(f"{facts['data']} has changed since the model was trained; train again.")
    return dataset
