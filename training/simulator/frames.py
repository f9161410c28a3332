"""A world as tables: the columns that a company's systems would hold, and nothing hidden."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np
import pandas as pd

from features.returns import Grade, Stage
from training.simulator.draws.lines import World
from training.simulator.laws.catalogue import FAMILY_NAMES, GROUPS, Array
from training.simulator.laws.claims import NOTES, REASONS
from training.simulator.laws.condition import GRADES
from training.simulator.laws.delays import CARRIERS
from training.simulator.laws.handling import DISPOSITIONS, SPEEDS, generation
from training.simulator.laws.market import CHANNELS, REGIONS, SITES, receiving_site
from training.simulator.laws.people import TIERS

WARRANTY: Final = timedelta(days=365)
SHELF_LIFE: Final = timedelta(days=180)


def returns_frame(world: World) -> pd.DataFrame:
    """Return lines in order of request: canonical columns, and the logged choices beside them."""
    start = world.scene.market.start
    sold, claims, catalogue = world.returned, world.claims, world.scene.catalogue
    product, customer = sold.product, sold.customer
    number = np.arange(sold.sold.size)
    serial = [f"SN-{n:08d}" if has else None for n, has in zip(number, claims.marks.serialized, strict=True)]
    claimed = [
        f"{s}-X" if s and differs else s
        for s, differs in zip(serial, claims.marks.serial_differs, strict=True)
    ]
    sold_at = _moment(sold.sold, start)
    asked = pd.DataFrame(
        {
            "return_line_id": [f"RMA-{n:07d}/1" for n in number],
            "rma_number": [f"RMA-{n:07d}" for n in number],
            "order_number": _order_numbers(world.rows),
            "invoice_number": [f"INV-{n:08d}" for n in world.rows],
            "requested_at": _moment(sold.requested, start),
            "site": SITES[claims.site],
            "region": REGIONS[sold.region],
            "customer_id": _codes("C", customer),
            "address_id": _codes("A", world.customers.address[customer]),
            "device_id": _codes("D", world.customers.device[customer]),
            "customer_tier": TIERS[world.customers.tier[customer]],
            "customer_since": _moment(-world.customers.account_age[customer], start),
            "supplier_id": catalogue.supplier[product],
            "sku": catalogue.sku[product],
            "family": FAMILY_NAMES[sold.family],
            "brand": catalogue.brand[product],
            "unit_cost": catalogue.unit_cost[product],
            "weight_kg": catalogue.weight[product],
            "serial": claimed,
            "serial_shipped": serial,
            "regulatory_classes": catalogue.regulatory[product],
            "handling_classes": catalogue.handling[product],
            "sold_at": sold_at,
            "channel": CHANNELS[sold.channel],
            "price_paid": sold.price,
            "sold_quantity": sold.quantity.astype(float),
            "quantity": claims.quantity.astype(float),
            "reason": np.array([str(reason) for reason in REASONS], object)[claims.marks.reason],
            "customer_note": NOTES[claims.marks.note],
            "opened": claims.marks.opened,
            "expires_at": sold_at.where(claims.marks.group == GROUPS.index("perishable")) + SHELF_LIFE,
            "warranty_until": sold_at + WARRANTY,
            "credit_requested": (sold.price * claims.quantity).round(2),
            "currency": "USD",
            "stage": str(Stage.AUTHORIZATION),
        }
    )
    return pd.concat([asked, _found_frame(world, np.array(claimed, object))], axis=1)


def _found_frame(world: World, claimed: Array) -> pd.DataFrame:
    """What inspection found and what became of each line; `claimed` are the serial numbers sent back."""
    start = world.scene.market.start
    outcomes, judged = world.outcomes, ~np.isnan(world.outcomes.fraud)
    graded = np.array([*map(str, GRADES), str(Grade.UNGRADED)], object)[outcomes.code]
    looked = ~np.isnan(outcomes.inspected)
    place = np.arange(looked.size), outcomes.inspector
    person = outcomes.inspector + SPEEDS.size * generation(world.claims.marks.day)[place]
    return pd.DataFrame(
        {
            "grade": pd.Series(graded, dtype=object).where(looked, None),
            "carrier": CARRIERS[outcomes.carrier],
            "policy_version": [f"v{version + 1}" for version in outcomes.version],
            "received_at": _moment(outcomes.received, start),
            "inspected_at": _moment(outcomes.inspected, start),
            "inspector": [
                f"emp:{site}-{n}" if seen else None
                for site, n, seen in zip(SITES[world.claims.site], person, looked, strict=True)
            ],
            "serial_found": pd.Series(claimed, dtype=object).where(looked, None),
            "disposition": np.array([str(d) for d in DISPOSITIONS], object)[outcomes.disposition],
            "recovered": outcomes.recovered.round(2),
            "minutes": np.where(looked, outcomes.minutes.round(2), np.nan),
            "fraud": pd.Series(outcomes.fraud == 1, dtype=object).where(judged, None),
            "label_known_at": _moment(outcomes.label_known, start),
            "fraud_known_at": _moment(outcomes.fraud_known, start),
            "propensity": outcomes.propensity,
        }
    )


def sales_frame(world: World, rng: np.random.Generator) -> pd.DataFrame:
    """Sales lines in order of sale, those that were kept among them."""
    sales, start = world.sales, world.scene.market.start
    frame = pd.DataFrame(
        {
            "order_number": _order_numbers(np.arange(sales.sold.size)),
            "sku": world.scene.catalogue.sku[sales.product],
            "family": FAMILY_NAMES[sales.family],
            "region": REGIONS[sales.region],
            "site": SITES[receiving_site(sales.region, sales.sold, rng)],
            "channel": CHANNELS[sales.channel],
            "sold_at": _moment(sales.sold, start),
            "quantity": sales.quantity.astype(float),
            "price_paid": sales.price,
            "customer_id": _codes("C", sales.customer),
        }
    )
    return frame.sort_values("sold_at", kind="stable", ignore_index=True)


def market_frame(world: World) -> pd.DataFrame:
    """Intensity of sales by region, family and day until the world ends: what sales statistics show."""
    market = world.scene.market
    days = int(np.floor(world.sales.requested[world.rows].max())) + 1
    places = pd.MultiIndex.from_product(
        [REGIONS, FAMILY_NAMES, pd.date_range(market.start, periods=days, freq="D")],
        names=["region", "family", "day"],
    )
    frame = pd.DataFrame({"intensity": market.demand[:, :, :days].ravel()}, index=places)
    return frame.reset_index().astype({"day": "datetime64[us, UTC]"})


def _moment(days: Array, start: datetime) -> pd.Series:
    whole = pd.to_timedelta(pd.Series(days) * 86_400, unit="s").dt.floor("s")
    return (whole + pd.Timestamp(start).tz_convert(UTC)).astype("datetime64[us, UTC]")


def _order_numbers(rows: Array) -> list[str]:
    return [f"SO-{row:08d}" for row in rows]


def _codes(letter: str, numbers: Array) -> list[str]:
    return [f"{letter}-{number:06d}" for number in numbers]
