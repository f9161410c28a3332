"""A world of N returns: drawn from one generator, written as tables beside its exact truth."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from features.returns import BadInputError, Grade, Stage
from training.simulator.behaviour import CHANNELS, GRADES, NOTES, REASONS, TIERS, TYPE_SHARE, TYPES
from training.simulator.catalogue import FAMILIES, FAMILY_NAMES, GROUPS, Array, draw_catalogue
from training.simulator.events import lifecycle
from training.simulator.lines import World, draw_claims, draw_outcomes
from training.simulator.outcomes import DISPOSITIONS
from training.simulator.sales import (
    ACQUIRED_AFTER_SHARE,
    DAYS,
    REGIONS,
    SALES_PER_CUSTOMER,
    SITES,
    Sales,
    draw_customers,
    draw_sales,
    receiving_site,
)
from training.simulator.truth import truth

RETURN_SHARE: Final = (
    0.14  # of sales, counted inside the world's days; a little low, so that enough are drawn
)
WARRANTY: Final = timedelta(days=365)
SHELF_LIFE: Final = timedelta(days=180)


@dataclass(frozen=True, slots=True)
class Tables:
    """The written form of a world."""

    returns: pd.DataFrame
    sales: pd.DataFrame
    events: pd.DataFrame
    truth: pd.DataFrame
    parameters: dict[str, Any]


def simulate(*, returns: int, rng: np.random.Generator, start: datetime) -> Tables:
    """Simulate sales over DAYS days from `start` until exactly `returns` of them have come back.

    Raises
    ------
    BadInputError
        If `returns` is not at least one.
    """
    if returns < 1:
        raise BadInputError(
            f"--returns {returns}: a world needs at least one return; give a positive number."
        )
    world = draw_world(returns, rng=rng, start=start)
    frame = _returns_frame(world, start)
    exact = truth(world).assign(return_line_id=frame["return_line_id"].to_numpy())
    order = frame["requested_at"].argsort(kind="stable")
    frame, exact = frame.iloc[order].reset_index(drop=True), exact.iloc[order].reset_index(drop=True)
    events = lifecycle(frame)
    return Tables(
        returns=frame.drop(columns="propensity"),
        sales=_sales_frame(world, start, rng),
        events=events,
        truth=exact[["return_line_id", *exact.columns.drop("return_line_id")]],
        parameters=_parameters(returns, start),
    )


def draw_world(returns: int, *, rng: np.random.Generator, start: datetime) -> World:
    """Draw the arrays of a world with exactly `returns` return lines inside its days."""
    catalogue = draw_catalogue(rng)
    count = int(returns / RETURN_SHARE) + 500
    customers = draw_customers(max(20, int(count / SALES_PER_CUSTOMER)), rng)
    sales = draw_sales(count, customers=customers, catalogue=catalogue, start=start, rng=rng)
    back = np.cumsum(sales.requested < DAYS)
    # Lines are independent in the order drawn, so stopping at the Nth return biases nothing.
    sales = sales.take(np.arange(np.searchsorted(back, returns) + 1))
    rows = np.flatnonzero(sales.requested < DAYS)
    returned = sales.take(rows)
    claims = draw_claims(returned, customers=customers, catalogue=catalogue, rng=rng)
    outcomes = draw_outcomes(returned, claims, catalogue=catalogue, rng=rng)
    return World(catalogue, customers, sales, rows, claims, outcomes)


def write(tables: Tables, out: Path, *, seed: int) -> None:
    """Write returns, sales, events and truth as parquet, and world.json, into the folder `out`."""
    out.mkdir(parents=True, exist_ok=True)
    for name in ("returns", "sales", "events", "truth"):
        getattr(tables, name).to_parquet(out / f"{name}.parquet", index=False)
    (out / "world.json").write_text(json.dumps({"seed": seed, **tables.parameters}, indent=1) + "\n")


def _returns_frame(world: World, start: datetime) -> pd.DataFrame:
    sold, claims, catalogue = world.returned, world.claims, world.catalogue
    product, customer = sold.product, sold.customer
    number = np.arange(sold.sold.size)
    serial = [f"SN-{n:08d}" if has else None for n, has in zip(number, claims.serialized, strict=True)]
    claimed = [
        f"{s}-X" if s and differs else s for s, differs in zip(serial, claims.serial_differs, strict=True)
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
            "customer_id": _customer_ids(customer),
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
            "reason": np.array([str(reason) for reason in REASONS], object)[claims.reason],
            "customer_note": NOTES[claims.note],
            "opened": claims.opened,
            "expires_at": sold_at.where(claims.group == GROUPS.index("perishable")) + SHELF_LIFE,
            "warranty_until": sold_at + WARRANTY,
            "credit_requested": (sold.price * claims.quantity).round(2),
            "currency": "USD",
            "stage": str(Stage.AUTHORIZATION),
        }
    )
    return pd.concat([asked, _found_frame(world, start, np.array(claimed, object))], axis=1)


def _found_frame(world: World, start: datetime, claimed: Array) -> pd.DataFrame:
    """What inspection found and what became of each line; `claimed` are the serial numbers sent back."""
    outcomes = world.outcomes
    graded = np.array([*map(str, GRADES), str(Grade.UNGRADED)], object)[outcomes.grade]
    looked = ~np.isnan(outcomes.inspected)
    return pd.DataFrame(
        {
            "grade": pd.Series(graded, dtype=object).where(looked, None),
            "received_at": _moment(outcomes.received, start),
            "inspected_at": _moment(outcomes.inspected, start),
            "inspector": [
                f"emp:{site}-{n}" if seen else None
                for site, n, seen in zip(SITES[world.claims.site], outcomes.inspector, looked, strict=True)
            ],
            "serial_found": pd.Series(claimed, dtype=object).where(looked, None),
            "disposition": np.array([str(d) for d in DISPOSITIONS], object)[outcomes.disposition],
            "recovered": outcomes.recovered.round(2),
            "minutes": np.where(looked, outcomes.minutes.round(2), np.nan),
            "fraud": pd.Series(outcomes.fraud == 1, dtype=object).where(looked, None),
            "label_known_at": _moment(outcomes.label_known, start),
            "fraud_known_at": _moment(outcomes.fraud_known, start),
            "propensity": outcomes.propensity,
        }
    )


def _sales_frame(world: World, start: datetime, rng: np.random.Generator) -> pd.DataFrame:
    sales: Sales = world.sales
    frame = pd.DataFrame(
        {
            "order_number": _order_numbers(np.arange(sales.sold.size)),
            "sku": world.catalogue.sku[sales.product],
            "family": FAMILY_NAMES[sales.family],
            "region": REGIONS[sales.region],
            "site": SITES[receiving_site(sales.region, sales.sold, rng)],
            "channel": CHANNELS[sales.channel],
            "sold_at": _moment(sales.sold, start),
            "quantity": sales.quantity.astype(float),
            "price_paid": sales.price,
            "customer_id": _customer_ids(sales.customer),
        }
    )
    return frame.sort_values("sold_at", kind="stable", ignore_index=True)


def _moment(days: Array, start: datetime) -> pd.Series:
    whole = pd.to_timedelta(pd.Series(days) * 86_400, unit="s").dt.floor("s")
    return (whole + pd.Timestamp(start).tz_convert(UTC)).astype("datetime64[us, UTC]")


def _order_numbers(rows: Array) -> list[str]:
    return [f"SO-{row:08d}" for row in rows]


def _customer_ids(customers: Array) -> list[str]:
    return [f"C-{customer:06d}" for customer in customers]


def _parameters(returns: int, start: datetime) -> dict[str, Any]:
    return {
        "returns": returns,
        "start": start.isoformat(),
        "days": DAYS,
        "acquired_site": {"site": str(SITES[-1]), "after_days": int(ACQUIRED_AFTER_SHARE * DAYS)},
        "types": dict(zip(TYPES, TYPE_SHARE.tolist(), strict=True)),
        "families": [asdict(family) for family in FAMILIES],
    }
