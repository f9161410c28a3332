"""Every figure of the world as JSON: the constants of its laws, and what was drawn before the first sale."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import asdict, is_dataclass
from types import ModuleType
from typing import Any, Final

import numpy as np

from training.simulator.draws.lines import World
from training.simulator.laws import catalogue, claims, condition, delays, fraud, handling, market, people
from training.simulator.laws.catalogue import FAMILIES
from training.simulator.laws.market import ACQUIRED_FROM, SITES
from training.simulator.laws.people import TYPE_SHARE, TYPES

LAWS: Final = (catalogue, people, market, claims, condition, delays, fraud, handling)


def parameters(world: World) -> dict[str, Any]:
    """Tell all: the constants of the laws by module, the products, and when the world began and ended."""
    end = float(world.sales.requested[world.rows].max())
    return {
        "start": world.scene.market.start.isoformat(),
        "days": int(end) + 1,
        "acquired_site": {"site": str(SITES[-1]), "after_days": int(ACQUIRED_FROM)},
        "types": dict(zip(TYPES, TYPE_SHARE.tolist(), strict=True)),
        "families": [asdict(family) for family in FAMILIES],
        "laws": {law.__name__.rpartition(".")[2]: _constants(law) for law in LAWS},
        "products": {
            name: _plain(getattr(world.scene.catalogue, name))
            for name in ("sku", "brand_rank", "vendor_returns")
        },
    }


def _constants(law: ModuleType) -> dict[str, Any]:
    return {name: _plain(value) for name, value in vars(law).items() if name.isupper() and name != "FAMILIES"}


def _plain(value: object) -> Any:
    """Turn arrays, tuples, sets, mappings, codes and records into what JSON can hold."""
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, AbstractSet):
        return sorted(map(str, value))
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value if isinstance(value, bool | int | float) or value is None else str(value)
