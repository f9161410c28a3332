"""How well a model answers rows it has not seen, beside a bare baseline and, if known, the best possible."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.table import Table, number, objects, take
from training.answers import answers, without_inspection
from training.datasets import Dataset, Rows
from training.evidence import reliability
from training.evidence.card import Curves
from training.evidence.coverage import cells, summary
from training.evidence.figures import (
    LEAST_PROBABILITY,
    Amounts,
    Binary,
    Classes,
    Figures,
    Judged,
    ratios,
    redraw,
    with_intervals,
)

CLASS_TASKS: Final = frozenset({"disposition", "condition"})
ASKED_TWICE: Final = frozenset({"disposition", "recovery"})
"""Tasks that are answered at intake and again once the condition is known."""
TRUE_MINUTES: Final = {50: "minutes_p50", 90: "minutes_p90"}
TRUE_RECOVERED: Final = {10: "recovered_p10", 50: "recovered_p50", 90: "recovered_p90"}
LINE: Final = "{:<30}{:>10}  {:>23}{:>13}"


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Predictions of one set of rows, in three voices."""

    model: Judged
    baseline: Judged
    best: Judged | None


def evaluate(model: Any, dataset: Dataset, *, rng: np.random.Generator) -> Figures:
    """Judge a model on the test rows of a dataset.

    The figures under plain names are those at intake, before an inspection; where the table knows
    grades, those of the second answer follow as `inspected_<name>`.

    Returns
    -------
    dict of str to float
        The figures of the contract, each with `_lo` and `_hi`; `baseline_<name>`; `bayes_ratio_<name>`.
    """
    rows = dataset.test
    first = at_intake(rows)
    figures = {"rows": float(len(rows.y)), **_figures(compared(model, dataset, first), first, rng)}
    graded = np.flatnonzero(pd.notna(objects(rows.table, "grade")))
    if dataset.task not in ASKED_TWICE or not len(graded):
        return figures
    looked = _rows(rows, graded)
    second = _figures(compared(model, dataset, looked, inspected=True), looked, rng)
    return figures | {f"inspected_{name}": value for name, value in second.items()}


def at_intake(rows: Rows) -> Rows:
    """Return rows as they stood before anybody looked at the items."""
    return Rows(without_inspection(rows.table), rows.y, rows.blocks, rows.truth)


def compared(model: Any, dataset: Dataset, rows: Rows, *, inspected: bool = False) -> Evaluation:
    """Let the model, the baseline and the truth predict the same rows."""
    if dataset.task in CLASS_TASKS:
        return _classes(model, dataset, rows, inspected=inspected)
    if dataset.task == "fraud":
        rate, stakes = float(dataset.train.y.mean()), np.nan_to_num(number(rows.table, "credit_requested"))
        said = model.predict(rows.table).score
        best = None if rows.truth is None else Binary(rows.y, rows.truth["p_fraud"].to_numpy(), stakes)
        bare = Binary(rows.y, np.full(len(rows.y), rate), stakes)
        return Evaluation(Binary(rows.y, said, stakes), bare, best)
    return _amounts(model, dataset, rows, inspected=inspected)


def losses(judged: Judged) -> npt.NDArray[np.float64]:
    """Return the proper loss of every row: log-loss of classes, mean pinball loss of quantiles."""
    if isinstance(judged, Classes):
        happened = judged.p[np.arange(len(judged.codes)), judged.codes]
        return np.asarray(-np.log(np.maximum(happened, LEAST_PROBABILITY)))
    if isinstance(judged, Binary):
        happened = np.where(judged.y == 1, judged.p, 1 - judged.p)
        return np.asarray(-np.log(np.maximum(happened, LEAST_PROBABILITY)))
    assert isinstance(judged, Amounts)
    misses = [(judged.y - values, q / 100) for q, values in judged.quantiles.items()]
    return np.asarray(np.mean([np.maximum(q * miss, (q - 1) * miss) for miss, q in misses], axis=0))


def _figures(found: Evaluation, rows: Rows, rng: np.random.Generator) -> Figures:
    samples = redraw(rows.blocks, rng)

    def every(index: npt.NDArray[Any]) -> Figures:
        model, baseline = found.model.take(index).figures(), found.baseline.take(index).figures()
        figures = model | {f"baseline_{name}": value for name, value in baseline.items()}
        if found.best is None:
            return figures
        return figures | ratios(model, baseline, found.best.take(index).figures())

    figures = with_intervals(every, samples, len(rows.blocks))
    if isinstance(found.model, Classes) and found.model.covered is not None:
        figures |= summary(cells(found.model.covered, rows.y, objects(rows.table, "site")))
    return figures


def _classes(model: Any, dataset: Dataset, rows: Rows, *, inspected: bool) -> Evaluation:
    found = model.predict(rows.table)
    # A class that only the test rows know is one more column: probability zero, and it costs.
    classes = [*found.classes, *sorted(set(rows.y.tolist()) - set(found.classes))]
    at = {name: place for place, name in enumerate(classes)}
    codes = np.array([at[name] for name in rows.y], np.int64)
    missing = ((0, 0), (0, len(classes) - len(found.classes)))
    share = (
        pd.Series(dataset.train.y).value_counts(normalize=True).reindex(classes, fill_value=0.0).to_numpy()
    )
    best = None
    prefix = "given_grade_p_" if inspected else "p_"
    if rows.truth is not None and all(f"{prefix}{name}" in rows.truth for name in classes):
        best = Classes(codes, rows.truth[[f"{prefix}{name}" for name in classes]].to_numpy())
    return Evaluation(
        Classes(codes, np.pad(found.probabilities, missing), np.pad(found.sets, missing)),
        Classes(codes, np.tile(share, (len(codes), 1))),
        best,
    )


def _amounts(model: Any, dataset: Dataset, rows: Rows, *, inspected: bool) -> Evaluation:
    said = answers(dataset.task, model, rows.table)
    quantiles = {q: said[f"p{q}"].to_numpy() for q in (10, 50, 90) if f"p{q}" in said}
    point = said["p50"].to_numpy()
    usual = {q: np.full(len(rows.y), np.quantile(dataset.train.y, q / 100)) for q in quantiles}
    truth = TRUE_MINUTES if dataset.task == "workload" else TRUE_RECOVERED
    best = None
    if rows.truth is not None and not inspected:
        exact = {q: rows.truth[truth[q]].to_numpy() for q in quantiles if q in truth}
        best = Amounts(rows.y, exact[50], exact)
    return Evaluation(Amounts(rows.y, point, quantiles), Amounts(rows.y, usual[50], usual), best)


def _rows(rows: Rows, index: npt.NDArray[Any]) -> Rows:
    exact = None if rows.truth is None else rows.truth.iloc[index]
    return Rows(take(rows.table, index), rows.y[index], rows.blocks[index], exact)


def table_of_figures(figures: Figures, *, title: str) -> str:
    """Lay figures out for a terminal of 80 columns: value, 95 % interval and the bare baseline."""
    lines = [title, LINE.format("figure", "value", "95 % interval", "baseline").rstrip()]
    for name, value in figures.items():
        if name.startswith("baseline_") or name.endswith(("_lo", "_hi")) or "_baseline_" in name:
            continue
        view, bare = ("inspected_", name[10:]) if name.startswith("inspected_") else ("", name)
        low, high = figures.get(f"{name}_lo"), figures.get(f"{name}_hi")
        span = "" if low is None or high is None else f"[{low:.4g}, {high:.4g}]"
        baseline = figures.get(f"{view}baseline_{bare}")
        shown = f"{value:.0f}" if name == "rows" else f"{value:.4f}"
        lines.append(LINE.format(name, shown, span, "" if baseline is None else f"{baseline:.4f}").rstrip())
    return "\n".join(lines)


def curves_of(model: Any, dataset: Dataset) -> Curves:
    """Return what was said beside what happened, for the calibration and the precision-recall plot."""
    rows = dataset.test
    table: Table = without_inspection(rows.table)
    if dataset.task == "fraud":
        return {"fraud": (model.predict(table).score, rows.y == 1)}
    if dataset.task not in CLASS_TASKS:
        return {}
    found = model.predict(table)
    return {name: (found.probabilities[:, k], rows.y == name) for k, name in enumerate(found.classes)}


def reliability_of(model: Any, dataset: Dataset) -> dict[str, reliability.Points]:
    """Return what was said beside what happened, in points for the card: of classes, or of quantiles."""
    if curves := curves_of(model, dataset):
        return reliability.of_classes(curves)
    said = answers(dataset.task, model, without_inspection(dataset.test.table))
    quantiles = {q: said[f"p{q}"].to_numpy() for q in (10, 50, 90) if f"p{q}" in said}
    return reliability.of_quantiles(quantiles, dataset.test.y)
