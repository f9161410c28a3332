"""Features into one matrix of numbers: learned once from training rows, saved as text and plain arrays."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import repeat
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from features.columns import ATTRIBUTE, PLACES, SPELT, STACKED, Column, named
from features.table import Table, rows
from features.text import TextScores, fit_text

Matrix = npt.NDArray[np.float32]
# Rarer values say too little about themselves; they are treated like unseen ones.
MIN_COUNT: Final = 20
# New ones come every week.
NEVER_CLOSED: Final = frozenset({"brand", "supplier_id", "inspector", "note_as_given"})
# On few rows an ordered code overfits less than a subset search (vehicle claims, AUC: .812 -> .815), on many
# it hides what single values say (simulated fraud, average precision: .603 -> .609).
ORDERED_UP_TO: Final = 32
MANY_ROWS: Final = 20_000
REQUIRED: Final = frozenset(
    {"reason", "family", "site", "region", "quantity", "credit_requested", "currency"}
)
GAPS: Final = 0.05  # share of values blanked in training
ENDLESS: Final = ("requested_on",)
QUANTILES: Final = tuple(np.linspace(0, 1, 11))
# A category column is closed if training hardly ever met a value outside its list.
CLOSED_SHARE: Final = 0.999
# A number further outside than this share of the training range is foreign.
FAR: Final = 0.5


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What one output column looked like in training, for drift and for `in_domain`.

    Parameters
    ----------
    quantiles : tuple of float
        At `QUANTILES` of the values that were given; empty where none was.
    missing : float
        Share of rows without a value.
    """

    quantiles: tuple[float, ...]
    missing: float


@dataclass(frozen=True)
class Encoder:
    """Columns -> float32 matrix. Categories become codes, texts scores; unseen and missing become NaN.

    Parameters
    ----------
    columns : tuple of Column
    categories : mapping of str to tuple of str
        For each category column the values that have a code, in the order of their codes.
    closed : frozenset of str
        Category columns in which an unseen value is a stranger, not one more brand.
    texts : mapping of str to TextScores
    snapshots : tuple of Snapshot
        One for each name of `names`.
    ordered_up_to : int
        Categories of no more values have codes in order.
    """

    columns: tuple[Column, ...]
    categories: Mapping[str, tuple[str, ...]]
    closed: frozenset[str]
    texts: Mapping[str, TextScores]
    snapshots: tuple[Snapshot, ...] = ()
    ordered_up_to: int = ORDERED_UP_TO

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle what is saved: the columns' functions are found again by name."""
        return Encoder.from_json, (self.to_json(), self.arrays())

    @cached_property
    def _codes(self) -> Mapping[str, Mapping[str, int]]:
        return {
            name: {value: code for code, value in enumerate(values)}
            for name, values in self.categories.items()
        }

    @classmethod
    def fit(
        cls,
        columns: Sequence[Column],
        table: Table,
        targets: npt.NDArray[np.float64],
        *,
        rng: np.random.Generator,
    ) -> tuple[Encoder, Matrix]:
        """Learn codes and text scores from training rows.

        Parameters
        ----------
        targets : ndarray of shape (n, k)
            What text scores should tell: a column of 1 and 0 for each class, or one of amounts.

        Returns
        -------
        Encoder and ndarray of shape (n, columns), float32
            The encoder, and the matrix of these rows with text scored by models that did not see the row.
        """
        categories, closed = _categories(columns, table)
        learned = {
            column.name: fit_text(column.compute(table), targets, rng=rng)
            for column in columns
            if column.kind == "text"
        }
        read = {name: found for name, found in learned.items() if found}
        kept = tuple(column for column in columns if column.kind != "text" or column.name in read)
        encoder = cls(kept, categories, closed, {name: scorer for name, (scorer, _) in read.items()})
        matrix = encoder._matrix(table, {name: held_out for name, (_, held_out) in read.items()})
        snapshots = tuple(_snapshot(values) for values in matrix.T)
        ordered = ORDERED_UP_TO if rows(table) < MANY_ROWS else 2
        return replace(encoder, snapshots=snapshots, ordered_up_to=ordered), matrix

    def with_gaps(self, matrix: Matrix, rng: np.random.Generator) -> Matrix:
        """Blank some values of columns that training always knew and a request need not tell.

        LightGBM takes a missing value for zero where it never saw one missing: "not told" would become "no".
        """
        optional = np.array([name not in REQUIRED for name in self.names])
        gapless = optional & ~np.isnan(matrix).any(axis=0)
        blank = np.zeros(matrix.shape, np.bool_)
        blank[:, gapless] = rng.random((len(matrix), int(gapless.sum()))) < GAPS
        return np.where(blank, np.float32(np.nan), matrix)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names of the matrix's columns."""
        return tuple(
            name
            for column in self.columns
            for name in (
                [f"{column.name}:{k}" for k in range(len(self.texts[column.name].base))]
                if column.kind == "text"
                else [column.name]
            )
        )

    @property
    def categorical(self) -> tuple[int, ...]:
        """Positions of the columns whose codes have no order."""
        return tuple(
            place
            for place, name in enumerate(self.names)
            if len(self.categories.get(name, ())) > self.ordered_up_to
        )

    def matrix(self, table: Table) -> Matrix:
        """Return shape (n, len(names)), float32; a column that the table lacks is all NaN."""
        return self._matrix(table, {})

    def _matrix(self, table: Table, scored: Mapping[str, npt.NDArray[np.float64]]) -> Matrix:
        count = rows(table)
        result = np.empty((count, len(self.snapshots) or len(self.names)), np.float32)
        stacked = table.get(STACKED)
        if stacked is not None:
            sources, targets = self._declared
            result[:, targets] = stacked[:, sources]
            self._code_all(table[SPELT], result)
        for place, column in self._placed if stacked is None else self._others:
            if column.kind == "number":
                result[:, place] = column.compute(table)
            elif column.kind == "category":
                result[:, place] = _codes_of(column.compute(table), self._codes[column.name])
            else:
                found = scored.get(column.name)
                scores = self.texts[column.name].scores(column.compute(table)) if found is None else found
                result[:, place : place + scores.shape[1]] = scores
        return result

    def _code_all(self, spelt: npt.NDArray[Any], result: Matrix) -> None:
        """Put the codes of the declared categories where they go."""
        if len(spelt) == 1:  # a service's request: an array a code takes longer than to find all of them
            values, targets = spelt[0], [place for _, place, _ in self._spelt]
            result[0, targets] = [codes.get(values[source], np.nan) for source, _, codes in self._spelt]
            return
        for source, place, codes in self._spelt:
            result[:, place] = _codes_of(spelt[:, source], codes)

    @cached_property
    def _placed(self) -> tuple[tuple[int, Column], ...]:
        """Every column with the place of its first output."""
        place, placed = 0, []
        for column in self.columns:
            placed.append((place, column))
            place += len(self.texts[column.name].base) if column.kind == "text" else 1
        return tuple(placed)

    @cached_property
    def _others(self) -> tuple[tuple[int, Column], ...]:
        """The columns that no stack of declared numbers holds."""
        return tuple((place, column) for place, column in self._placed if column.name not in PLACES)

    @cached_property
    def _declared(self) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
        """Where the declared numbers lie in a stack, and where they go."""
        pairs = [
            (PLACES[one.name], place)
            for place, one in self._placed
            if one.name in PLACES and one.kind == "number"
        ]
        return np.array([pair[0] for pair in pairs], np.intp), np.array([pair[1] for pair in pairs], np.intp)

    @cached_property
    def _spelt(self) -> tuple[tuple[int, int, Mapping[str, int]], ...]:
        """Where the declared categories lie in a stack, where they go, and their codes."""
        return tuple(
            (PLACES[one.name], place, self._codes[one.name])
            for place, one in self._placed
            if one.name in PLACES and one.kind == "category"
        )

    def in_domain(self, table: Table, matrix: Matrix) -> npt.NDArray[np.bool_]:
        """Tell which rows resemble training: no stranger in a closed column, no number far out of range.

        Parameters
        ----------
        matrix : ndarray
            This encoder's own matrix of `table`.
        """
        low, high = self._bounds
        inside = ~np.asarray(((matrix < low) | (matrix > high)).any(axis=1))
        places, columns = self._closed
        strange = np.isnan(matrix[:, places])  # without a code: unseen, or not told
        for which in np.flatnonzero(strange.any(axis=0)):
            told = np.fromiter((v is not None for v in columns[which].compute(table)), np.bool_, len(matrix))
            inside &= ~(strange[:, which] & told)
        return inside

    @cached_property
    def _closed(self) -> tuple[npt.NDArray[np.intp], tuple[Column, ...]]:
        """The columns in which an unseen value is a stranger, and where they go."""
        found = [(place, column) for place, column in self._placed if column.name in self.closed]
        return np.array([place for place, _ in found], np.intp), tuple(column for _, column in found)

    @cached_property
    def _bounds(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """The lowest and highest value of each output column that is still familiar."""
        ends = [shot.quantiles or (-np.inf, np.inf) for shot in self.snapshots]
        low, high = np.array([quantiles[0] for quantiles in ends]), np.array([q[-1] for q in ends])
        room = np.where(np.isfinite(low), FAR * (high - low), 0.0)
        # A column that never varied taught nothing, so no value of it is strange; and time always goes on.
        constant = (low == high) | np.isin(self.names, ENDLESS)
        return np.where(constant, -np.inf, low - room), np.where(constant, np.inf, high + room)

    def to_json(self) -> dict[str, Any]:
        """Return everything but the text arrays as plain JSON values."""
        return {
            "columns": [column.name for column in self.columns],
            "attributes": {
                column.name.removeprefix(ATTRIBUTE): column.kind
                for column in self.columns
                if column.name.startswith(ATTRIBUTE)
            },
            "categories": {name: list(values) for name, values in self.categories.items()},
            "closed": sorted(self.closed),
            "texts": sorted(self.texts),
            "ordered_up_to": self.ordered_up_to,
            "snapshots": [[list(shot.quantiles), shot.missing] for shot in self.snapshots],
        }

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return the text arrays under names `<column>/<array>`."""
        return {
            f"{name}/{part}": values
            for name, scorer in self.texts.items()
            for part, values in scorer.arrays().items()
        }

    @classmethod
    def from_json(cls, saved: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]) -> Encoder:
        """Rebuild from `to_json` and `arrays`; its matrices are the same to the last bit."""
        return cls(
            named(saved["columns"], saved["attributes"]),
            {name: tuple(values) for name, values in saved["categories"].items()},
            frozenset(saved["closed"]),
            {
                name: TextScores.of_arrays(
                    {
                        key.removeprefix(f"{name}/"): v
                        for key, v in arrays.items()
                        if key.startswith(f"{name}/")
                    }
                )
                for name in saved["texts"]
            },
            tuple(Snapshot(tuple(quantiles), missing) for quantiles, missing in saved["snapshots"]),
            saved["ordered_up_to"],
        )

    @property
    def digest(self) -> str:
        """SHA-256 of everything that was learned here."""
        content = hashlib.sha256(json.dumps(self.to_json(), sort_keys=True).encode())
        for name, values in sorted(self.arrays().items()):
            content.update(name.encode())
            content.update(values.tobytes())
        return f"sha256:{content.hexdigest()}"


def _codes_of(values: npt.NDArray[Any], codes: Mapping[str, int]) -> npt.NDArray[np.float64]:
    return np.fromiter(map(codes.get, values, repeat(np.nan)), np.float64, len(values))


def _categories(columns: Sequence[Column], table: Table) -> tuple[dict[str, tuple[str, ...]], frozenset[str]]:
    categories, closed = {}, set()
    for column in columns:
        if column.kind != "category":
            continue
        counts = Counter(value for value in column.compute(table) if value is not None)
        kept = [value for value, count in counts.items() if count >= min(MIN_COUNT, rows(table) / 100)]
        categories[column.name] = tuple(sorted(kept))
        if (
            column.name not in NEVER_CLOSED
            and sum(counts[value] for value in kept) >= CLOSED_SHARE * counts.total()
        ):
            closed.add(column.name)
    return categories, frozenset(closed)


def _snapshot(values: npt.NDArray[np.float32]) -> Snapshot:
    given = values[~np.isnan(values)]
    quantiles = tuple(float(q) for q in np.quantile(given, QUANTILES)) if len(given) else ()
    return Snapshot(quantiles, 1 - len(given) / max(len(values), 1))
