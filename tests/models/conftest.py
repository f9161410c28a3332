"""A small made-up world in which the truth is known."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from features.table import Table
from models.boosting import Params

QUICK = Params(learning_rate=0.1, leaves=8, min_leaf=20, max_rounds=60, threads=1)
FAMILIES = np.array(["power_tools", "electronics", "apparel"], object)
SITES = np.array(["DAL1", "RNO1"], object)


def draw(rng: np.random.Generator, n: int) -> dict[str, npt.NDArray]:
    """Draw lines; the days since the sale and the family decide what follows."""
    family, days = rng.integers(3, size=n), rng.uniform(0, 60, n)
    requested = np.datetime64("2026-01-01", "us") + np.sort(rng.integers(0, 300 * 24, n)) * np.timedelta64(
        1, "h"
    )
    worn = rng.uniform(size=n) < 0.1 + 0.8 * (days > 30)
    price = rng.uniform(20, 200, n)
    done = np.where(worn, np.where(family == 1, "RECYCLE", "LIQUIDATE"), "RESTOCK")
    share = np.where(done == "RESTOCK", 0.9, np.where(done == "LIQUIDATE", 0.3, 0.0))
    return {
        "requested_at": requested,
        "sold_at": requested - (days * 24).astype(int) * np.timedelta64(1, "h"),
        "family": FAMILIES[family],
        "site": SITES[rng.integers(2, size=n)],
        "price_paid": price,
        "credit_requested": price * rng.uniform(0.5, 1.5, n),
        "quantity": np.ones(n),
        "grade": np.where(worn, "C", "A").astype(object),
        "disposition": done.astype(object),
        "recovered": share * price * rng.uniform(0.8, 1.2, n),
        "minutes": np.exp(rng.normal(1.5 + family * 0.5, 0.3)),
    }


@pytest.fixture
def world() -> Callable[..., tuple[Table, Table]]:
    """Lines to learn from and later ones to judge by."""

    def make(n: int = 3000, seed: int = 3) -> tuple[Table, Table]:
        whole = draw(np.random.default_rng(seed), n)
        cut = n * 2 // 3
        return {k: v[:cut] for k, v in whole.items()}, {k: v[cut:] for k, v in whole.items()}

    return make


@pytest.fixture
def quick() -> Params:
    return replace(QUICK)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(11)
