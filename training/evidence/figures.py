"""How good predictions are: the figures of the contract, each with a 95 % bootstrap interval.

Samples are redrawn by block (a customer's rows stay together), so that intervals do not flatter.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol, Self

import numpy as np
import numpy.typing as npt
from sklearn.metrics import (
    average_precision_score,
    f1_score,
    mean_pinball_loss,
    roc_auc_score,
    roc_curve,
)

from models.fraud import REVIEW_SHARE

Array = npt.NDArray[Any]
Figures = dict[str, float]

DRAWS: Final = 200
BINS: Final = 15
LEAST_PROBABILITY: Final = 1e-15
FALSE_POSITIVES: Final = 0.01
# What is compared with the best possible: scores of which more is better, and losses.
COMPARED: Final = frozenset(
    {
        *("accuracy", "macro_f1", "auc", "average_precision", "recall_at_1pct_fpr"),
        *("precision_at_budget", "savings_at_budget"),
        *("log_loss", "brier", "pinball_p10", "pinball_p50", "pinball_p90", "mae"),
    }
)


class Judged(Protocol):
    """Predictions beside what happened."""

    def take(self, rows: Array) -> Self:
        """Return the chosen rows."""
        ...

    def figures(self) -> Figures:
        """Return every figure that applies."""
        ...


@dataclass(frozen=True, slots=True)
class Classes:
    """Probabilities of k classes beside the index of the one that happened.

    Parameters
    ----------
    codes : ndarray of shape (n,), int
    p : ndarray of shape (n, k)
    sets : ndarray of shape (n, k), bool, or None
        The prediction sets.
    """

    codes: Array
    p: Array
    sets: Array | None = None

    def take(self, rows: Array) -> Classes:
        """Return the chosen rows."""
        return Classes(self.codes[rows], self.p[rows], None if self.sets is None else self.sets[rows])

    def figures(self) -> Figures:
        """Return every figure that applies."""
        chosen = self.p.argmax(axis=1)
        happened = self.p[np.arange(len(self.codes)), self.codes]
        squares = (self.p**2).sum(axis=1) - 2 * happened + 1
        figures = {
            "accuracy": float((chosen == self.codes).mean()),
            "majority_accuracy": float(np.bincount(self.codes).max() / len(self.codes)),
            "macro_f1": float(f1_score(self.codes, chosen, average="macro", zero_division=0)),
            "log_loss": float(-np.log(np.maximum(happened, LEAST_PROBABILITY)).mean()),
            "brier": float(squares.mean()),
            "ece": calibration_error(self.p.max(axis=1), chosen == self.codes),
            "classwise_ece": float(np.mean(self._errors())),
        }
        if self.sets is not None and self.covered is not None:
            figures["coverage_90"] = float(self.covered.mean())
            figures["mean_set_size"] = float(self.sets.sum(axis=1).mean())
        return figures

    @property
    def covered(self) -> Array | None:
        """Which sets hold the class that happened; None without sets."""
        return None if self.sets is None else np.asarray(self.sets[np.arange(len(self.codes)), self.codes])

    def _errors(self) -> list[float]:
        """Calibration error of every class on its own."""
        return [calibration_error(said, self.codes == code) for code, said in enumerate(self.p.T)]


@dataclass(frozen=True, slots=True)
class Binary:
    """A probability beside what happened (1 or 0).

    Parameters
    ----------
    stakes : ndarray of shape (n,), or None
        The credit asked: what is saved where a review stops a fraud.
    """

    y: Array
    p: Array
    stakes: Array | None = None

    def take(self, rows: Array) -> Binary:
        """Return the chosen rows."""
        return Binary(self.y[rows], self.p[rows], None if self.stakes is None else self.stakes[rows])

    def figures(self) -> Figures:
        """Return every figure that applies; rankings need both classes."""
        p = np.clip(self.p, LEAST_PROBABILITY, 1 - LEAST_PROBABILITY)
        figures = {
            "log_loss": float(-np.where(self.y == 1, np.log(p), np.log1p(-p)).mean()),
            "brier": float(((self.p - self.y) ** 2).mean()),
            "ece": calibration_error(self.p, self.y == 1),
        }
        if 0 < self.y.sum() < len(self.y):
            false, true, _ = roc_curve(self.y, self.p)
            figures |= {
                "auc": float(roc_auc_score(self.y, self.p)),
                "average_precision": float(average_precision_score(self.y, self.p)),
                "recall_at_1pct_fpr": float(true[false <= FALSE_POSITIVES].max()),
                "precision_at_budget": float(self.y[reviewed(self.p)].mean()),
            }
        if self.stakes is not None:
            figures["savings_at_budget"] = float(self.saved().mean())
        return figures

    def saved(self) -> Array:
        """Return what review saves by row: the stakes of frauds among the dearest expected losses."""
        assert self.stakes is not None
        chosen = np.zeros(len(self.y))
        chosen[reviewed(self.p * self.stakes)] = 1.0
        return np.asarray(chosen * self.y * self.stakes)


@dataclass(frozen=True, slots=True)
class Amounts:
    """Quantiles and a point of an amount beside the amount: minutes or money."""

    y: Array
    point: Array
    quantiles: dict[int, Array]  # per cent -> values

    def take(self, rows: Array) -> Amounts:
        """Return the chosen rows."""
        return Amounts(
            self.y[rows], self.point[rows], {q: values[rows] for q, values in self.quantiles.items()}
        )

    def figures(self) -> Figures:
        """Return every figure that applies; `coverage_90` is the share at or under P90."""
        figures = {"mae": float(np.abs(self.y - self.point).mean())}
        for q, values in self.quantiles.items():
            figures[f"pinball_p{q}"] = float(mean_pinball_loss(self.y, values, alpha=q / 100))
        if 90 in self.quantiles:  # noqa: PLR2004  the P90 by name
            figures["coverage_90"] = float((self.y <= self.quantiles[90]).mean())
        return figures


def reviewed(score: Array) -> Array:
    """Return the rows that a review budget reaches: the highest scores, at least one; ties in their order."""
    return np.argsort(-score, kind="stable")[: max(1, round(REVIEW_SHARE * len(score)))]


def calibration_error(said: Array, happened: Array) -> float:
    """Expected calibration error over BINS bins of equal width."""
    place = np.minimum((said * BINS).astype(int), BINS - 1)
    gap = np.bincount(place, weights=said - happened, minlength=BINS)
    return float(np.abs(gap).sum() / len(said))


def redraw(blocks: Array, rng: np.random.Generator, *, draws: int = DRAWS) -> list[Array]:
    """Draw bootstrap samples of rows: whole blocks, with replacement."""
    order = np.argsort(blocks, kind="stable")
    _, first, size = np.unique(blocks[order], return_index=True, return_counts=True)
    samples = []
    for _ in range(draws):
        chosen = rng.integers(len(size), size=len(size))
        count = size[chosen]
        within = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
        samples.append(order[np.repeat(first[chosen], count) + within])
    return samples


def with_intervals(figures: Callable[[Array], Figures], samples: list[Array], rows: int) -> Figures:
    """Return the figures of all rows, each followed by its 95 % interval over the samples."""
    points = figures(np.arange(rows))
    drawn = [figures(sample) for sample in samples]
    result: Figures = {}
    for name, value in points.items():
        seen = [each[name] for each in drawn if name in each]
        low, high = np.quantile(seen, [0.025, 0.975]) if seen else (value, value)
        # Redrawing adds noise, which only ever raises a calibration error: its own value may lie below.
        result |= {name: value, f"{name}_lo": min(value, float(low)), f"{name}_hi": max(value, float(high))}
    return result


def ratios(model: Figures, baseline: Figures, best: Figures) -> Figures:
    """Compare a model with the best possible, figure by figure: model / best, and one is perfect.

    Of a loss, a ratio above one is what the model still gives away. `share_of_log_loss_gain` is how much of
    what could be gained over the bare baseline was: (baseline - model) / (baseline - best).
    """
    result = {
        f"bayes_ratio_{name}": model[name] / best[name] for name in COMPARED & best.keys() if best[name]
    }
    gain = baseline.get("log_loss", 0.0) - best.get("log_loss", 0.0)
    if "log_loss" in best and gain > 0:
        result["share_of_log_loss_gain"] = (baseline["log_loss"] - model["log_loss"]) / gain
    return dict(sorted(result.items()))
