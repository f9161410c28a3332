"""Sample paths: whole futures in whole units at the lowest level, summed upwards."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from models.volume.panel import ALL, Integers

QUANTILES: Final = (0.10, 0.50, 0.80, 0.90, 0.95)
QUANTILE_NAMES: Final = tuple(f"q{round(100 * q)}" for q in QUANTILES)


@dataclass(frozen=True, slots=True)
class Forecast:
    """Sample paths of every series.

    Parameters
    ----------
    levels, keys
        As in the panel.
    ds : pandas.DatetimeIndex
        First day of each coming period.
    paths : ndarray of shape (paths, n, H), int64, returns a period
    """

    levels: tuple[str, ...]
    keys: tuple[tuple[str, ...], ...]
    ds: pd.DatetimeIndex
    paths: Integers

    def rows(self) -> pd.DataFrame:
        """Summarise every node of the hierarchy, `*` where a level is collapsed; quantiles are of sums."""
        return pd.concat([self._node(key, members) for key, members in nodes(self.keys)], ignore_index=True)

    def _node(self, key: tuple[str, ...], members: Sequence[int]) -> pd.DataFrame:
        total = self.paths[:, list(members), :].sum(1)
        # The inverted distribution: a quantile of whole units is a whole unit.
        quantiles = np.quantile(total, QUANTILES, axis=0, method="inverted_cdf")
        named = dict(zip(QUANTILE_NAMES, quantiles.astype(np.int64), strict=True))
        spots = dict(zip(self.levels, key, strict=True))
        return pd.DataFrame({**spots, "ds": self.ds, "mean": total.mean(0), **named})

    def path_rows(self) -> pd.DataFrame:
        """The paths of the lowest level as a wide frame: levels, ds, p0, p1 and so on."""
        n, horizon = len(self.keys), len(self.ds)
        wide = self.paths.reshape(len(self.paths), n * horizon).T
        frame = pd.DataFrame(wide, columns=[f"p{index}" for index in range(wide.shape[1])])
        spots = pd.DataFrame(
            np.repeat(np.array(self.keys, dtype=object), horizon, axis=0), columns=list(self.levels)
        )
        return pd.concat([spots.assign(ds=np.tile(self.ds, n)), frame], axis=1)


def paths_beside(out: Path) -> Path:
    """Where the sample paths of a forecast file lie."""
    return out.with_name(f"{out.stem}.paths.parquet")


def nodes(keys: Sequence[tuple[str, ...]]) -> Iterator[tuple[tuple[str, ...], list[int]]]:
    """List every node of the hierarchy with the series below it: all combinations of collapsed levels."""
    depth = len(keys[0])
    for kept in product((True, False), repeat=depth):
        members: dict[tuple[str, ...], list[int]] = {}
        for index, key in enumerate(keys):
            spot = tuple(name if keep else ALL for name, keep in zip(key, kept, strict=True))
            members.setdefault(spot, []).append(index)
        yield from members.items()
