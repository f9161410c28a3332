"""A saved model's answers as a table: what `score` writes and what MLflow serves.

MLflow loads a logged model through `_load_pyfunc` of this module, so our own text files are all there is.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from features.history import HISTORY
from features.reading import Cells, typed
from features.table import KINDS, LABELS, Table, objects, take
from models import condition, disposition, fields, fraud, recovery, volume, workload

CARD: Final = "card.json"
FOUND_ON_INSPECTION: Final = ("grade", "inspected_at", "inspector", "serial_found")
LOAD: Final[dict[str, Callable[[Path], Any]]] = {
    "disposition": disposition.load,
    "condition": condition.load,
    "recovery": recovery.load,
    "fraud": fraud.load,
    "workload": workload.load,
    "volume": volume.load,
    "fields": fields.load,
}


def load(folder: Path) -> Any:
    """Load the model of a folder by the task that its card names."""
    return LOAD[card(folder)["task"]](folder)


def card(folder: Path) -> dict[str, Any]:
    """Read the card of a model folder."""
    return dict(json.loads((folder / CARD).read_text(encoding="utf-8")))


def answers(task: str, model: Any, table: Table) -> pd.DataFrame:
    """Answer every row of a table: p_<CLASS>, p_fraud, or quantiles such as p50 and p90."""
    if task == "recovery":
        return _recovered(model, table)
    found = model.predict(table)
    if task in {"disposition", "condition"}:
        return pd.DataFrame(found.probabilities, columns=[f"p_{name}" for name in found.classes])
    if task == "fraud":
        return pd.DataFrame({"p_fraud": found.score})
    return pd.DataFrame({"p50": found.p50, "p90": found.p90})


def _recovered(model: recovery.Model, table: Table) -> pd.DataFrame:
    """Answer for the disposition of each row; where it has none, for the one that promises most."""
    named = pd.Series(objects(table, "disposition")).where(lambda names: names.isin(model.dispositions))
    parts = []
    for name in named.unique():
        index = np.flatnonzero(named.isna() if pd.isna(name) else named == name)
        asked = model.dispositions if pd.isna(name) else (str(name),)
        found = model.predict(take(table, index), asked)
        best = (np.arange(len(index)), np.nan_to_num(found.mean, nan=-np.inf).argmax(axis=1))
        figures = {column: getattr(found, column)[best] for column in ("mean", "p10", "p50", "p90")}
        parts.append(pd.DataFrame(figures, index=index))
    return pd.concat(parts).sort_index()


def without_inspection(table: Table) -> Table:
    """Return a table as it stood before anybody looked at the items."""
    return {name: values for name, values in table.items() if name not in FOUND_ON_INSPECTION}


def asked_first(task: str, model: Any, table: Table) -> pd.DataFrame:
    """Answer rows as they stood when they were asked for: nobody had looked, and nothing was decided."""
    unknown = {*FOUND_ON_INSPECTION, "disposition"}
    return answers(task, model, {name: values for name, values in table.items() if name not in unknown})


def as_request(task: str, table: Table) -> pd.DataFrame:
    """Return the inputs of a table as a client sends them: floats, texts, times; no labels, nothing empty."""
    labels = {*LABELS.values(), "label_known_at", "fraud_known_at", "minutes"} - {"grade"}
    if task == "condition":
        labels |= set(FOUND_ON_INSPECTION)
    if task == "recovery":
        labels -= {"disposition"}
    columns = {name: _plain(values) for name, values in table.items() if name not in labels}
    frame = pd.DataFrame(columns)
    return frame.loc[:, frame.notna().any()]


def _plain(values: Any) -> Any:
    if values.dtype.kind == "M":
        return values.astype("datetime64[ns]")
    if values.dtype == object:
        return np.array([None if v is None else str(v) for v in values], object)
    return values.astype(float)


@dataclass(frozen=True, slots=True)
class Served:
    """What MLflow calls: a frame of canonical columns in, a frame of answers out."""

    task: str
    model: Any
    attributes: dict[str, str]

    def predict(self, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """Answer the rows of a frame; a column that is missing is a missing value."""
        del params
        return answers(self.task, self.model, as_table(model_input, self.attributes))


@dataclass(frozen=True, slots=True)
class ServedVolume:
    """The same for the forecast: tidy history (levels, ds, y, sold) in, what comes of every node out."""

    model: volume.Volume
    horizon: int

    def predict(self, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """Forecast the periods after the history; the same history gives the same rows."""
        del params
        sales = model_input.assign(y=model_input["sold"]) if "sold" in model_input else None
        panel = volume.panel(model_input, levels=self.model.levels, freq=self.model.freq, sales=sales)
        return self.model.predict(panel, horizon=self.horizon, rng=np.random.default_rng(0)).rows()


@dataclass(frozen=True, slots=True)
class ServedFields:
    """The same for readings of document fields: their features in, the probability of each out."""

    model: fields.FieldRanker

    def predict(self, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """Answer the rows of a frame of features."""
        del params
        X = model_input[list(fields.COLUMNS)].to_numpy(np.float32)
        return pd.DataFrame({"p_right": self.model.probabilities_of(X)})


AnyServed = Served | ServedVolume | ServedFields


def served(folder: Path) -> AnyServed:
    """Load the model of a folder for frames in and out."""
    facts = card(folder)
    if facts["task"] == "fields":
        return ServedFields(load(folder))
    if facts["task"] == "volume":
        return ServedVolume(load(folder), facts["params"]["horizon"])
    return Served(facts["task"], load(folder), facts["attributes"])


def tidy(panel: volume.Panel) -> pd.DataFrame:
    """Return a panel as tidy rows: levels, ds, y returns, and units sold where sales are known."""
    ds = panel.periods(0, panel.length).start_time
    spots = {
        level: np.repeat([key[k] for key in panel.keys], panel.length) for k, level in enumerate(panel.levels)
    }
    sold = {} if panel.sales is None else {"sold": panel.sales.ravel()}
    return pd.DataFrame({**spots, "ds": np.tile(ds, len(panel.keys)), "y": panel.y.ravel(), **sold})


def as_table(frame: pd.DataFrame, attributes: dict[str, str]) -> Table:
    """Return a frame of canonical columns as arrays of their declared types."""
    kinds = {**KINDS, **dict.fromkeys(HISTORY, "number"), **{f"attr_{k}": v for k, v in attributes.items()}}
    table: Table = {
        str(name): typed(Cells(frame[name], "request"), str(name), kinds[str(name)])
        for name in frame.columns
        if name in kinds
    }
    return table


def _load_pyfunc(data_path: str) -> AnyServed:
    """Load a logged model for MLflow."""
    return served(Path(data_path))
