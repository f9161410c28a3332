"""Real tables: our models beside a bare gradient boosting, on the same rows and the same split.

The tables are no part of the project; they lie where RECOUP_REAL_DATA says, by default beside it. One that
is missing has no figures.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import lightgbm
import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.metrics import accuracy_score, average_precision_score, f1_score, roc_auc_score

from benchmarks.report import Figure, Mode
from benchmarks.running import ROOT
from features.table import Table
from training.datasets import Dataset, read
from training.evaluate import evaluate
from training.train import MODELS, fit

DATA: Final = Path(os.environ.get("RECOUP_REAL_DATA", ROOT.parent / "shared" / "data"))
MAPPINGS: Final = ROOT / "notebooks" / "mappings"
TEXTS: Final = frozenset({"problem"})
ROUNDS: Final = 100  # LightGBM's own default
SCORES: Final = 50  # of a text: the leading directions of its word frequencies

# What bare boosting reached when the targets were set.
TARGETS: Final = {
    "openrepair": {"accuracy": ">= 0.595", "macro_f1": ">= 0.31"},
    "openrepair_text": {"accuracy": ">= 0.635", "macro_f1": ">= 0.49"},
    "vehicle_claims": {"auc": ">= 0.778", "average_precision": ">= 0.157"},
}


def on_real_tables(mode: Mode) -> dict[str, Figure]:
    """Train on every real table that is there and judge ours and the bare one on its test rows."""
    figures: dict[str, Figure] = {}
    for name, dataset in _datasets(quick=mode == "quick"):
        task = dataset.task
        model = fit(
            task, dataset.train, attributes=dataset.origin.attributes, params=MODELS[task].PARAMS, seed=0
        )
        ours, bare = evaluate(model, dataset, rng=np.random.default_rng(0)), _bare(dataset)
        for metric, target in TARGETS[name].items():
            low, high = ours[f"{metric}_lo"], ours[f"{metric}_hi"]
            figures[f"{name}.{metric}"] = Figure(ours[metric], "", low, high, target)
            figures[f"{name}.{metric}_over_bare"] = Figure(ours[metric] / bare[metric], "", target=">= 1.0")
            figures[f"{name}.bare_{metric}"] = Figure(bare[metric], "")
    return figures


def _datasets(*, quick: bool) -> Iterator[tuple[str, Dataset]]:
    """Yield the questions, those of repairs without and with what the owner says is wrong."""
    claims = DATA / "vehicle_claims" / "vehicle_claims.csv.gz"
    if claims.is_file():
        yield "vehicle_claims", read("fraud", data=claims, mapping=MAPPINGS / "vehicle_claims.yaml")
    repairs = DATA / "openrepair" / "openrepair.parquet"
    if repairs.is_file() and not quick:
        yield (
            "openrepair",
            read("disposition", data=repairs, mapping=MAPPINGS / "openrepair_without_text.yaml"),
        )
        yield "openrepair_text", read("disposition", data=repairs, mapping=MAPPINGS / "openrepair.yaml")


def _bare(dataset: Dataset) -> dict[str, float]:
    """Return what LightGBM reaches with its defaults on the declared attributes."""
    train, test = _matrices(dataset)
    classes = sorted(set(dataset.train.y.tolist()))
    objective = {"objective": "multiclass", "num_class": len(classes)}
    if dataset.task == "fraud":
        objective = {"objective": "binary"}
    codes = np.searchsorted(np.array(classes), dataset.train.y)
    params = {**objective, "num_threads": 2, "deterministic": True, "seed": 0, "verbose": -1}
    said = np.asarray(lightgbm.train(params, lightgbm.Dataset(train, codes), ROUNDS).predict(test))
    y = dataset.test.y
    if dataset.task == "fraud":
        return {
            "auc": float(roc_auc_score(y, said)),
            "average_precision": float(average_precision_score(y, said)),
        }
    chosen = np.array(classes)[said.argmax(axis=1)]
    return {
        "accuracy": float(accuracy_score(y, chosen)),
        "macro_f1": float(f1_score(y, chosen, average="macro", zero_division=0)),
    }


def _matrices(dataset: Dataset) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Return attributes as numbers: categories by code, texts by the leading directions of their words."""
    parts: list[tuple[npt.NDArray[Any], npt.NDArray[Any]]] = []
    for name, kind in dataset.origin.attributes.items():
        column = f"attr_{name}"
        train, test = (_values(rows.table, column) for rows in (dataset.train, dataset.test))
        if kind == "number":
            parts.append((train.astype(float)[:, None], test.astype(float)[:, None]))
        elif kind == "category" or name not in TEXTS:
            _, known = pd.factorize(pd.Series(train))
            parts.append((known.get_indexer(train)[:, None], known.get_indexer(test)[:, None]))
        else:
            parts.append(_text(train, test))
    return tuple(np.hstack(side) for side in zip(*parts, strict=True))  # type: ignore[return-value]


def _values(table: Table, name: str) -> npt.NDArray[Any]:
    return table[name]


def _text(train: npt.NDArray[Any], test: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    words = TfidfVectorizer(min_df=5, sublinear_tf=True)
    filled = [[text or "" for text in side] for side in (train, test)]
    svd = TruncatedSVD(SCORES, random_state=0)
    return svd.fit_transform(words.fit_transform(filled[0])), svd.transform(words.transform(filled[1]))
