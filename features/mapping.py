"""A table from anywhere and its mapping file become canonical columns, attributes, labels and a split."""

from __future__ import annotations

from collections.abc import Mapping as MappingOf
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.history import ENTITIES, offline
from features.mapfile import Condition, Derivation, Division, Label, Mapping, Sales, read_mapping
from features.reading import Cells, flags, numbers, parts, read_table, texts, times, typed
from features.returns import BadInputError
from features.splits import Mask, Split, apart, latest
from features.table import KINDS, LABELS, Table

ATTRIBUTE: Final = "attr_"  # attributes live beside the canonical columns under this prefix
RETURNS_FILE: Final = "returns.parquet"  # what a folder of simulated history holds
SALES_FILE: Final = "sales.parquet"
DEFAULT_SPLIT: Final = Division(test_fraction=0.2)


@dataclass(frozen=True, slots=True)
class Loaded:
    """A table ready to learn from or to score; all arrays follow the order of the input rows.

    Parameters
    ----------
    frame : DataFrame
        Canonical and `attr_` columns, `return_line_id` always among them.
    table : Table
        The same columns as arrays, with the as-of history beside them.
    y : ndarray or None
        Labels: objects for classes, float64 for amounts, minutes and fraud (1 and 0); None when scoring.
    split : Split or None
        Training and test rows; None when scoring or counting.
    counts : ndarray
        What a row counts for in a forecast: 1, or the absolute value of the mapping's `count` column.
    sales : DataFrame or None
        For volume: the level columns, `sold_at` and `quantity`.
    """

    source: str
    frame: pd.DataFrame
    table: Table
    mapping: Mapping
    y: npt.NDArray[Any] | None
    split: Split | None
    counts: npt.NDArray[np.float64]
    sales: pd.DataFrame | None

    @property
    def attributes(self) -> MappingOf[str, str]:
        """Declared columns of one's own: name -> number, category or text."""
        return self.mapping.attributes


def load(data: Path | None, mapping: Path | None, *, purpose: str) -> Loaded:
    """Read a table through its mapping; without one, canonical names are expected.

    Parameters
    ----------
    data : Path or None
        A csv, csv.gz or parquet file, or a folder that holds `returns.parquet` (or the mapping's table).
    purpose : str
        A task (disposition, condition, recovery, fraud, workload), "volume", or "score", which keeps every
        row and asks for no label.

    Raises
    ------
    BadInputError
        One sentence that names the file, the column and the row.
    """
    spec = read_mapping(mapping) if mapping else Mapping()
    path = locate(data, mapping, spec.table)
    raw = _Raw(read_table(path), path.name)
    raw = raw.keep(raw.all_hold(spec.where))
    y: npt.NDArray[Any] | None = None
    if purpose in LABELS:
        y, labelled = _labels(raw, spec, purpose)
        raw, y = raw.keep(labelled), y[labelled]
    columns = canonical(raw, spec)
    _refuse_duplicates(raw, columns["return_line_id"])
    table: Table = columns if purpose == "volume" else {**columns, **offline(columns)}
    return Loaded(
        source=str(path),
        frame=pd.DataFrame(columns, copy=False),
        table=table,
        mapping=spec,
        y=y,
        split=_split(raw, spec, columns) if y is not None else None,
        counts=np.abs(numbers(raw.cells(spec.count))) if spec.count else np.ones(len(raw.frame)),
        sales=_sales(path, spec) if purpose == "volume" else None,
    )


@dataclass(frozen=True, slots=True)
class _Raw:
    """A table as it was read; the frame's index stays the row number in the file."""

    frame: pd.DataFrame
    file: str

    def cells(self, column: str) -> Cells:
        if column not in self.frame:
            names = ", ".join(map(str, self.frame.columns))
            raise BadInputError(
                f"{self.file}: column '{column}', row 1: there is no such column; the table has {names}."
            )
        return Cells(self.frame[column], self.file)

    def keep(self, mask: Mask) -> _Raw:
        if not mask.any():
            raise BadInputError(
                f"{self.file}: no row is left after `where` and `label.drop` of the mapping file."
            )
        return self if mask.all() else _Raw(self.frame[mask], self.file)

    def all_hold(self, conditions: tuple[Condition, ...]) -> Mask:
        mask = np.ones(len(self.frame), bool)
        for condition in conditions:
            mask &= _holds(self.cells(condition.column), condition)
        return mask


def _holds(cells: Cells, condition: Condition) -> Mask:
    words = pd.Series(texts(cells), dtype=object)
    mask = np.ones(len(words), bool)
    if condition.startswith is not None:
        mask &= words.str.startswith(condition.startswith, na=False).to_numpy(bool)
    if condition.equals is not None:
        mask &= (words == _word(condition.equals)).to_numpy()
    if condition.in_ is not None:
        mask &= words.isin([_word(value) for value in condition.in_]).to_numpy()
    if condition.not_in is not None:
        mask &= ~words.isin([_word(value) for value in condition.not_in]).to_numpy()
    return mask & _in_range(cells, condition)


def _in_range(cells: Cells, condition: Condition) -> Mask:
    mask = np.ones(len(cells.column), bool)
    for bound, lower in ((condition.from_, True), (condition.until, False)):
        if bound is None:
            continue
        dated = isinstance(bound, str)
        values: Any = times(cells) if dated else numbers(cells)
        limit: Any = _moment(str(bound)) if dated else bound
        mask &= values >= limit if lower else values < limit
    return mask


def _word(value: Any) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _moment(text: str) -> Any:
    return times(Cells(pd.Series([text], name="date"), "mapping file"))[0]


def part_of(frame: pd.DataFrame, spec: Mapping, *, file: str) -> tuple[Table, npt.NDArray[np.int64]]:
    """Return the canonical columns of some rows of a table, the history left out, and the rows' places.

    Parameters
    ----------
    frame : DataFrame
        Rows as they were read; the index is their place in the whole table, from 0.

    Raises
    ------
    BadInputError
        One sentence that names the file, the column and the row. That no line occurs twice in the whole
        table is for the caller to see to.
    """
    raw = _Raw(frame, file)
    raw = _Raw(frame[raw.all_hold(spec.where)], file)
    columns = canonical(raw, spec)
    _refuse_duplicates(raw, columns["return_line_id"])
    return columns, raw.frame.index.to_numpy(np.int64)


def locate(data: Path | None, mapping: Path | None, table: str | None) -> Path:
    """Return what to read: `data`, the table in the folder `data`, or the mapping's own table.

    A table is a file, or a folder of parts (`part*.parquet`).
    """
    if data is None and (mapping is None or table is None):
        raise BadInputError("no table to read; give --data, or a mapping file that names its `table`.")
    if data is None:
        return Path(mapping or ".").parent / str(table)
    if data.is_dir():
        named = data / table if table else data / RETURNS_FILE
        named = named if named.exists() else data / RETURNS_FILE
        return data if not named.exists() and parts(data) else named
    return data


def canonical(raw: _Raw, spec: Mapping) -> dict[str, npt.NDArray[Any]]:
    """Return every canonical and `attr_` column that the table and its mapping provide."""
    sources = _sources(raw, spec)
    columns: dict[str, npt.NDArray[Any]] = {
        name: typed(raw.cells(source), name, KINDS[name]) for name, source in sources.items()
    }
    for name, rule in spec.derive.items():
        columns[_target(name, spec)] = _derived(raw.cells(rule.from_), rule)
    for name, value in spec.constants.items():
        repeated = pd.Series([value] * len(raw.frame), index=raw.frame.index, name=name)
        columns[_target(name, spec)] = typed(Cells(repeated, "mapping file"), name, KINDS.get(name, "text"))
    for name, kind in spec.attributes.items():
        if ATTRIBUTE + name not in columns:
            columns[ATTRIBUTE + name] = typed(raw.cells(name), ATTRIBUTE + name, kind)
    if "return_line_id" not in columns:
        columns["return_line_id"] = np.array([str(row + 1) for row in raw.frame.index], object)
    return columns


def _sources(raw: _Raw, spec: Mapping) -> dict[str, str]:
    """Return canonical name -> the table's column: what is renamed, timed or grouped, else the same name."""
    wanted = {target: source for source, target in spec.rename.items()}
    for entity, source in spec.groups.items():
        wanted.setdefault(ENTITIES.get(entity, ""), source)
    wanted |= {"requested_at": spec.time.event} if spec.time.event else {}
    wanted |= {"label_known_at": spec.time.label_known} if spec.time.label_known else {}
    wanted.pop("", None)
    for target in wanted:
        if target not in KINDS:
            raise BadInputError(
                f"mapping file: rename: '{target}' is no canonical column; declare it under attributes."
            )
    same = {name: name for name in KINDS if name in raw.frame and name not in spec.attributes}
    label = spec.label.column if spec.label else None
    # A label of one's own may bear a canonical name without holding canonical codes.
    return {name: source for name, source in (same | wanted).items() if source != label or name in wanted}


def _target(name: str, spec: Mapping) -> str:
    if name in KINDS and name not in spec.attributes:
        return name
    if name in spec.attributes:
        return ATTRIBUTE + name
    raise BadInputError(
        f"mapping file: '{name}' is neither a canonical column nor declared under attributes."
    )


def _derived(cells: Cells, rule: Derivation) -> npt.NDArray[np.object_]:
    words = [(name, tuple(word.lower() for word in keywords)) for name, keywords in rule.keywords.items()]

    def name_of(text: str | None) -> str | None:
        lowered = (text or "").lower()
        return next((name for name, keys in words if any(key in lowered for key in keys)), rule.otherwise)

    values = texts(cells)
    named = {text: name_of(text) for text in set(values.tolist())}
    return np.array([named[text] for text in values], object)


def _labels(raw: _Raw, spec: Mapping, task: str) -> tuple[npt.NDArray[Any], Mask]:
    """Return the labels and which rows have one; refuse values outside the map and a label of one class."""
    label = _label_of(spec, task)
    cells = raw.cells(_column_of(raw, spec, label.column))
    if task in {"recovery", "workload"}:
        amounts = numbers(cells)
        return amounts, ~np.isnan(amounts)
    words = texts(cells) if label.map or label.positive is not None or task != "fraud" else _flags(cells)
    dropped = {_word(value) for value in label.drop}
    kept = np.array([word is not None and word not in dropped for word in words])
    y = _mapped(cells, words, kept, label)
    if task == "fraud":
        positive = _word(label.positive) if label.positive is not None and not label.map else "true"
        y = np.array(
            [float(word in {positive, "1"} if positive == "true" else word == positive) for word in y]
        )
    if len(set(y[kept].tolist())) < 2:  # noqa: PLR2004 - one class teaches nothing
        cells.refuse(np.ones(len(y), bool), "every label is the same as {}; two classes are needed")
    return y, kept


def _label_of(spec: Mapping, task: str) -> Label:
    if task == "fraud" and spec.fraud:
        return spec.fraud
    return spec.label or Label(column=LABELS[task])


def _column_of(raw: _Raw, spec: Mapping, name: str) -> str:
    """Accept a column by its own name or by the canonical one that it is renamed to."""
    renamed = {target: source for source, target in spec.rename.items()}
    return renamed.get(name, name) if name not in raw.frame else name


def _flags(cells: Cells) -> npt.NDArray[np.object_]:
    return np.array([None if flag is None else str(flag).lower() for flag in flags(cells)], object)


def _mapped(
    cells: Cells, words: npt.NDArray[np.object_], kept: Mask, label: Label
) -> npt.NDArray[np.object_]:
    if not label.map:
        return words
    names = {_word(value): name for value, name in label.map.items()}
    unknown = np.array([word not in names for word in words]) & kept
    cells.refuse(unknown, "label {} is neither in `label.map` nor in `label.drop`")
    return np.array([names.get(word) for word in words], object)


def _refuse_duplicates(raw: _Raw, ids: npt.NDArray[np.object_]) -> None:
    again = pd.Series(ids).duplicated().to_numpy()
    named = pd.Series(ids, index=raw.frame.index, name="return_line_id")
    Cells(named, raw.file).refuse(again, "{} occurs twice; a return line is one row")
    Cells(named, raw.file).refuse(pd.Series(ids).isna().to_numpy(), "the id is missing")


def _split(raw: _Raw, spec: Mapping, columns: dict[str, npt.NDArray[Any]]) -> Split:
    """Return train and test rows as the mapping says; by default the latest fifth tests."""
    rule = spec.split or DEFAULT_SPLIT
    groups = [texts(raw.cells(column)) for column in spec.groups.values()]
    return apart(_tested(raw, rule, columns), groups)


def _tested(raw: _Raw, rule: Division, columns: dict[str, npt.NDArray[Any]]) -> Mask:
    if rule.column is not None:
        return np.isin(texts(raw.cells(rule.column)).astype(str), [_word(value) for value in rule.test or ()])
    if "requested_at" not in columns:
        raise BadInputError(
            f"{raw.file}: a split by time needs `time.event` in the mapping file, or `split.column`."
        )
    if rule.test_from is not None:
        return np.asarray(columns["requested_at"] >= _moment(rule.test_from))
    if rule.test_fraction is None:
        raise BadInputError("mapping file: split: give test_from, test_fraction, or column with test.")
    within = texts(raw.cells(rule.within)) if rule.within else None
    return latest(columns["requested_at"], fraction=rule.test_fraction, within=within)


def _sales(path: Path, spec: Mapping) -> pd.DataFrame | None:
    """Return the sales that returns lag, at the same levels; None where none are given."""
    simulated = path.parent / SALES_FILE
    if spec.sales is None:
        return pd.read_parquet(simulated) if path.name == RETURNS_FILE and simulated.exists() else None
    rule: Sales = spec.sales
    source = path.parent / rule.table if rule.table else path
    sold = _Raw(read_table(source), source.name)
    sold = sold.keep(sold.all_hold(rule.where))
    columns = canonical(sold, spec)
    # Customer and product let a return find the sale that it comes from.
    kept = dict.fromkeys((*(rule.levels or spec.levels), "customer_id", "sku"))
    levels = {name: columns[name] for name in kept if name in columns}
    when = rule.time or spec.time.event or "sold_at"
    return pd.DataFrame(
        {
            **levels,
            "sold_at": times(sold.cells(when)),
            "quantity": numbers(sold.cells(rule.quantity)) if rule.quantity else np.ones(len(sold.frame)),
        }
    )
