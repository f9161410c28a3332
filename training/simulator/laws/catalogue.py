"""The catalogue of the simulated distributor: families with their habits, and the products drawn from them.

Figures are planning priors chosen so that the whole world meets the published ones that
``tests/training/test_simulator.py`` holds it to (NRF 2025, UCI Online Retail, CMR 2004).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from features.returns import HandlingClass, RegulatoryClass

Array = npt.NDArray[Any]

SKUS_PER_FAMILY: Final = 50
BRANDS_PER_FAMILY: Final = 5
# Defect multiplier of a brand, by its rank within the family: a property that a history can reveal.
BRAND_DEFECTS: Final = np.array([0.4, 0.7, 1.0, 1.4, 2.2])


@dataclass(frozen=True, slots=True)
class Family:
    """How one family sells, comes back and ages.

    `share` of sales; median `price` in dollars and `weight` in kilograms; rates of return for a `defect`,
    for damage in transit (`fragile`) and for `regret`; `lure` to fraud; loss of value per week; median
    inspection `minutes` of a unit in grade A; `group` decides the reasons people give and what may
    be done with the item: goods, apparel or perishable; `repairable` families are refurbished.
    """

    name: str
    share: float
    price: float
    weight: float
    defect: float
    fragile: float
    regret: float
    lure: float
    weekly_loss: float
    minutes: float
    group: str = "goods"
    repairable: bool = False


FAMILIES: Final = (
    Family("power_tools", 0.11, 140, 3.0, 0.055, 0.010, 0.035, 1.2, 0.0023, 9, repairable=True),
    Family("hand_tools", 0.10, 28, 0.8, 0.028, 0.005, 0.050, 0.5, 0.001, 4),
    Family("electronics", 0.12, 210, 1.5, 0.045, 0.018, 0.035, 2.0, 0.010, 14, repairable=True),
    Family("appliances", 0.06, 320, 18.0, 0.045, 0.028, 0.030, 0.8, 0.004, 16, repairable=True),
    Family("lighting", 0.07, 45, 1.2, 0.030, 0.040, 0.055, 0.4, 0.002, 6),
    Family("plumbing", 0.08, 60, 2.5, 0.028, 0.010, 0.070, 0.4, 0.001, 6),
    Family("hvac", 0.04, 420, 22.0, 0.050, 0.020, 0.040, 0.6, 0.002, 18, repairable=True),
    Family("safety", 0.06, 35, 0.7, 0.020, 0.004, 0.060, 0.5, 0.001, 4),
    Family("batteries", 0.06, 75, 1.6, 0.060, 0.006, 0.030, 0.9, 0.004, 7),
    Family("pharma", 0.04, 55, 0.3, 0.008, 0.010, 0.050, 0.3, 0.006, 8, "perishable"),
    Family("food", 0.04, 25, 2.0, 0.010, 0.022, 0.035, 0.1, 0.020, 3, "perishable"),
    Family("apparel", 0.22, 58, 0.5, 0.018, 0.003, 0.230, 1.6, 0.006, 4, "apparel"),
)
FAMILY_NAMES: Final = np.array([family.name for family in FAMILIES], object)
GROUPS: Final = ("goods", "apparel", "perishable")
GROUP: Final = np.array([GROUPS.index(family.group) for family in FAMILIES])
REPAIRABLE: Final = np.array([family.repairable for family in FAMILIES])

# Share of a family's products that carry a class; the rest are NONE.
REGULATED: Final = {
    "power_tools": (RegulatoryClass.LITHIUM_BATTERY, 0.4),
    "electronics": (RegulatoryClass.DATA_BEARING, 0.3),
    "batteries": (RegulatoryClass.LITHIUM_BATTERY, 0.8),
    "hvac": (RegulatoryClass.HAZMAT, 0.1),
    "pharma": (RegulatoryClass.RX_DSCSA, 1.0),
    "food": (RegulatoryClass.FOOD_AMBIENT, 1.0),
}
SERIALIZED_SHARE: Final = 0.75  # of repairable families
VENDOR_TAKES_BACK: Final = 0.25  # share of suppliers with a return agreement


def family_figure(name: str) -> Array:
    """One figure of every family, in the order of FAMILIES."""
    return np.array([getattr(family, name) for family in FAMILIES], float)


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Products as arrays of one length: what the ERP knows of every SKU."""

    sku: Array
    family: Array  # index into FAMILIES
    brand_rank: Array  # 0 .. BRANDS_PER_FAMILY - 1
    brand: Array
    supplier: Array
    price: Array  # list price, dollars a unit
    unit_cost: Array
    weight: Array  # kilograms
    regulatory: Array
    handling: Array
    serialized: Array  # bool
    vendor_returns: Array  # bool: the supplier takes returns back

    @property
    def group(self) -> Array:
        """Index into GROUPS."""
        return np.asarray(GROUP[self.family])


def draw_catalogue(rng: np.random.Generator) -> Catalogue:
    """Draw the products: SKUS_PER_FAMILY in every family."""
    family = np.repeat(np.arange(len(FAMILIES)), SKUS_PER_FAMILY)
    number = np.tile(np.arange(SKUS_PER_FAMILY), len(FAMILIES))
    rank = number % BRANDS_PER_FAMILY
    names = FAMILY_NAMES[family]
    price = family_figure("price")[family] * rng.lognormal(0, 0.6, family.size)
    serialized = REPAIRABLE[family] & (rng.random(family.size) < SERIALIZED_SHARE)
    takes_back = rng.random((len(FAMILIES), BRANDS_PER_FAMILY)) < VENDOR_TAKES_BACK
    return Catalogue(
        sku=np.array([f"{name[:3].upper()}-{n:03d}" for name, n in zip(names, number, strict=True)], object),
        family=family,
        brand_rank=rank,
        brand=np.array([f"brand-{r + 1}" for r in rank], object),
        supplier=np.array([f"S-{f:02d}{r}" for f, r in zip(family, rank, strict=True)], object),
        price=price.round(2),
        unit_cost=(price * rng.uniform(0.55, 0.75, family.size)).round(2),
        weight=(family_figure("weight")[family] * rng.lognormal(0, 0.4, family.size)).round(2),
        regulatory=_regulatory(names, rng.random(family.size)),
        handling=_handling(family, serialized),
        serialized=serialized,
        vendor_returns=takes_back[family, rank],
    )


def _regulatory(families: Array, chance: Array) -> Array:
    none = (RegulatoryClass.NONE, 0.0)
    pairs = [REGULATED.get(family, none) for family in families]
    return np.array(
        [str(code if u < share else none[0]) for (code, share), u in zip(pairs, chance, strict=True)], object
    )


def _handling(family: Array, serialized: Array) -> Array:
    lots = GROUP[family] == GROUPS.index("perishable")
    codes = np.full(family.size, "", object)
    codes[serialized] = str(HandlingClass.SERIALIZED)
    codes[lots] = str(HandlingClass.LOT_TRACKED)
    return codes
