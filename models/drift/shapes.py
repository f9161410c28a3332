"""The shape of one column, and how far other values of it lie from that: PSI and Kolmogorov-Smirnov."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]

FINE: Final = 50  # bins of a number: enough for KS to two hundredths
COARSE: Final = 10  # groups of bins for PSI, as is usual in the field
MOST_VALUES: Final = 30  # of a category; rarer ones are "other"
PSI_LIMIT: Final = 0.2  # the field's usual threshold of a significant shift
LEAST_ROWS: Final = 100  # fewer say nothing about bins
KS_LIMIT: Final = 0.15  # planning default: 15 of 100 rows have moved
_Z: Final = 3.09  # normal quantile of 0.999: a column in a thousand is flagged by chance alone
_KOLMOGOROV: Final = 1.95  # quantile 0.999 of the limiting distribution of KS


@dataclass(frozen=True, slots=True)
class Drift:
    """How far a column has moved.

    Parameters
    ----------
    rows : int
        Rows compared.
    psi : float
        Population stability index over about ten bins and "missing".
    ks : float or None
        Largest distance of the two distribution functions, for numbers.
    psi_chance, ks_chance : float
        What as many rows of an unmoved column stay below in about 999 cases of 1,000; of less than a few
        hundred rows in rather fewer.
    """

    rows: int
    psi: float
    ks: float | None
    psi_chance: float
    ks_chance: float

    @property
    def moved(self) -> bool:
        """Whether it moved by more than the field's limits and chance together; few rows cannot tell."""
        if self.rows < LEAST_ROWS:
            return False
        far = self.ks is not None and self.ks > KS_LIMIT + self.ks_chance
        return far or self.psi > PSI_LIMIT + self.psi_chance


@dataclass(frozen=True, slots=True)
class Shape:
    """How the values of one column were spread over bins; no single row can be told from it.

    Parameters
    ----------
    rows : int
        How many rows it was taken from.
    missing : float
        Share of them without a value.
    shares : tuple of float
        Of the values in each bin: up to each of `edges` and above the last, or each of `values` and others.
    edges : tuple of float, optional
        Of a number.
    values : tuple of str, optional
        Of a category.
    """

    rows: int
    missing: float
    shares: tuple[float, ...]
    edges: tuple[float, ...] | None = None
    values: tuple[str, ...] | None = None

    @classmethod
    def of_numbers(cls, numbers: Floats) -> Shape:
        """Take the shape of numbers; NaN is missing."""
        given = numbers[~np.isnan(numbers)]
        edges: Floats = np.empty(0)
        if len(given):
            inner = np.unique(np.quantile(given, np.linspace(0, 1, FINE + 1), method="lower"))
            # One edge below all of them, so that what is smaller than ever before has a bin of its own.
            edges = np.concatenate(
                [[np.nextafter(inner[0], -np.inf)], inner[:-1] if len(inner) > 1 else inner]
            )
        return _filled(cls(len(numbers), 0.0, (), edges=tuple(map(float, edges))), numbers)

    @classmethod
    def of_categories(cls, words: npt.NDArray[Any]) -> Shape:
        """Take the shape of categories; None is missing."""
        counts = Counter(str(word) for word in words if word is not None)
        kept = tuple(sorted(word for word, _ in counts.most_common(MOST_VALUES)))
        return _filled(cls(len(words), 0.0, (), values=kept), words)

    def counts(self, values: npt.NDArray[Any]) -> Counts:
        """Count values by bin, those that are missing last; counts of several batches add up.

        Parameters
        ----------
        values : ndarray of shape (n,)
            float64 for a number (NaN missing), objects for a category (None missing).

        Returns
        -------
        ndarray of shape (len(shares) + 1,), int64
        """
        if self.edges is not None:
            given = values[~np.isnan(values)]
            places = np.searchsorted(self.edges, given, side="left")
            bins = len(self.edges) + 1
        else:
            known = {word: place for place, word in enumerate(self.values or ())}
            bins = len(known) + 1
            places = np.array(
                [known.get(str(word), bins - 1) for word in values if word is not None], np.int64
            )
        counted = np.bincount(places, minlength=bins)
        return np.append(counted, len(values) - len(places)).astype(np.int64)

    def drift(self, counts: Counts) -> Drift:
        """Tell how far rows, counted by bin, lie from this shape."""
        rows = int(counts.sum())
        groups = self._groups
        expected = _regrouped(self._expected * self.rows, groups) + 0.5
        expected /= expected.sum()
        # As if one more row like training had come: a bin without rows is no proof of a bin that is gone.
        found = (_regrouped(counts.astype(np.float64), groups) + expected) / (rows + 1)
        psi = float(((found - expected) * np.log(found / expected)).sum())
        less = 1 / max(rows, 1) + 1 / max(self.rows, 1)
        return Drift(
            rows,
            psi,
            self._distance(counts),
            _chi_square(len(expected) - 1) * less,
            _KOLMOGOROV * float(np.sqrt(less)),
        )

    @property
    def _expected(self) -> Floats:
        """The share of each bin among all rows, of those that are missing last."""
        return np.append(np.array(self.shares) * (1 - self.missing), self.missing)

    @property
    def _groups(self) -> npt.NDArray[np.int64]:
        """The group of each bin and of "missing": tenths of a number, every value of a category."""
        if self.edges is None:
            places = np.arange(len(self.shares))
        else:
            shares = np.array(self.shares)
            middle = np.cumsum(shares) - shares / 2
            places = np.minimum((middle * COARSE + 1e-9).astype(np.int64), COARSE - 1)
        return np.append(np.unique(places, return_inverse=True)[1], len(set(places.tolist())))

    def _distance(self, counts: Counts) -> float | None:
        given = int(counts[:-1].sum())
        if self.edges is None or not given:
            return None
        return float(np.abs(np.cumsum(counts[:-1] / given) - np.cumsum(self.shares)).max())

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        kind = {"edges": list(self.edges)} if self.edges is not None else {"values": list(self.values or ())}
        return {"rows": self.rows, "missing": self.missing, "shares": list(self.shares), **kind}

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> Shape:
        """Rebuild from `to_json`."""
        edges, values = saved.get("edges"), saved.get("values")
        return cls(
            saved["rows"],
            saved["missing"],
            tuple(saved["shares"]),
            None if edges is None else tuple(edges),
            None if values is None else tuple(values),
        )


def _filled(bare: Shape, values: npt.NDArray[Any]) -> Shape:
    """Return a shape with its bins' shares of the values it is taken from."""
    counts = bare.counts(values)
    given = max(int(counts[:-1].sum()), 1)
    shares = tuple(round(float(count) / given, 8) for count in counts[:-1])
    return replace(bare, shares=shares, missing=round(float(counts[-1]) / max(len(values), 1), 8))


def _regrouped(shares: Floats, groups: npt.NDArray[np.int64]) -> Floats:
    return np.asarray(np.bincount(groups, weights=shares, minlength=int(groups.max()) + 1), np.float64)


def _chi_square(freedom: int) -> float:
    """The quantile 0.999 of chi-square (Wilson and Hilferty), which n m / (n + m) PSI follows by chance."""
    if freedom < 1:
        return 0.0
    part = 2 / (9 * freedom)
    return float(freedom * (1 - part + _Z * np.sqrt(part)) ** 3)
