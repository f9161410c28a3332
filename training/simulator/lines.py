"""The return lines of a world: what is claimed, found, decided, recovered and learned later."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from training.simulator.behaviour import (
    ABUSE,
    FRAUD_FOUND,
    GRADES,
    NOTE_BY_CAUSE,
    OPENED,
    SERIAL_DIFFERS,
    grade_law,
    reason_law,
)
from training.simulator.catalogue import GROUP, Array, Catalogue
from training.simulator.outcomes import (
    INSPECTORS_PER_SITE,
    MINUTES_SIGMA,
    NO_GOODS,
    RECOVERY_SIGMA,
    SPEEDS,
    UNGRADED,
    VENDOR_REASON,
    inspected_share,
    median_minutes,
    policy,
    present_value,
    recovery_scale,
)
from training.simulator.sales import ACQUIRED_SITE, Customers, Sales, draw_rows, receiving_site

FRAUD_KNOWN_AFTER_DAYS: Final = (10.0, 90.0)


@dataclass(frozen=True, slots=True)
class Claims:
    """What is known when a return is asked for, beside its sale."""

    group: Array
    lag: Array  # days from sale to request
    site: Array
    reason: Array
    note: Array
    serialized: Array
    serial_differs: Array
    opened: Array
    quantity: Array

    @property
    def acquired(self) -> Array:
        """Whether the site is the acquired one."""
        return np.asarray(self.site == ACQUIRED_SITE)


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What became of a return; times in days since the start of the world, NaN where it never happened."""

    grade: Array  # UNGRADED where nobody inspected
    disposition: Array
    propensity: Array  # logged probability of that disposition
    inspector: Array
    minutes: Array
    recovered: Array
    fraud: Array  # 1, 0, or NaN where nobody inspected
    received: Array
    inspected: Array
    label_known: Array
    fraud_known: Array


@dataclass(frozen=True, slots=True)
class World:
    """All that was drawn: sales, and the lines of those that came back (`rows` of sales)."""

    catalogue: Catalogue
    customers: Customers
    sales: Sales
    rows: Array
    claims: Claims
    outcomes: Outcomes

    @property
    def returned(self) -> Sales:
        """The sales lines that came back, in the order of the return lines."""
        return self.sales.take(self.rows)


def draw_claims(
    sales: Sales, *, customers: Customers, catalogue: Catalogue, rng: np.random.Generator
) -> Claims:
    """Draw what customers state and send back, given the hidden type and cause."""
    group, kind = GROUP[sales.family], customers.kind[sales.customer]
    serialized = catalogue.serialized[sales.product]
    return Claims(
        group=group,
        lag=sales.requested - sales.sold,
        site=receiving_site(sales.region, sales.requested, rng),
        reason=draw_rows(reason_law()[group, kind, sales.cause], rng),
        note=draw_rows(NOTE_BY_CAUSE[sales.cause], rng),
        serialized=serialized,
        serial_differs=serialized & (rng.random(group.size) < SERIAL_DIFFERS[sales.cause]),
        opened=rng.random(group.size) < OPENED[sales.cause],
        quantity=rng.integers(1, sales.quantity + 1),
    )


def policy_inputs(
    sales: Sales, claims: Claims, catalogue: Catalogue
) -> tuple[Array, Array, dict[str, Array]]:
    """Return family, present value a unit, and the switches of `outcomes.policy`."""
    value = present_value(sales.family, sales.price, claims.lag)
    vendor = catalogue.vendor_returns[sales.product] & VENDOR_REASON[claims.reason]
    return (
        sales.family,
        value,
        {"vendor": vendor, "absent": NO_GOODS[claims.reason], "acquired_site": claims.acquired},
    )


def draw_outcomes(
    sales: Sales, claims: Claims, *, catalogue: Catalogue, rng: np.random.Generator
) -> Outcomes:
    """Draw inspection, disposition, recovery and the moments at which each became known."""
    n, rows = sales.sold.size, np.arange(sales.sold.size)
    looked = rng.random(n) < inspected_share(sales.price, ~NO_GOODS[claims.reason])
    grades = grade_law(claims.group, claims.lag, claims.acquired, claims.opened)[rows, sales.cause]
    grade = np.where(looked, draw_rows(grades, rng), UNGRADED)
    family, value, switches = policy_inputs(sales, claims, catalogue)
    chances = policy(family, value, **switches)[rows, grade]
    disposition = draw_rows(chances, rng)
    received = sales.requested + rng.uniform(0.05, 1.0, n) + rng.lognormal(np.log(4.0), 0.5, n)
    inspected = np.where(looked, received + rng.lognormal(0.0, 0.6, n), np.nan)
    inspector = rng.integers(INSPECTORS_PER_SITE, size=n)
    known = np.where(looked, inspected, received) + rng.uniform(1, 4, n)
    found = (sales.cause == ABUSE) & (rng.random(n) < FRAUD_FOUND)
    return Outcomes(
        grade=grade,
        disposition=disposition,
        propensity=chances[rows, disposition],
        inspector=inspector,
        minutes=_minutes(family, np.minimum(grade, len(GRADES) - 1), inspector, rng),
        recovered=_recovered(disposition, grade, value, rng) * claims.quantity,
        fraud=np.where(looked, found, np.nan),
        received=received,
        inspected=inspected,
        label_known=known,
        fraud_known=inspected + rng.uniform(*FRAUD_KNOWN_AFTER_DAYS, n),
    )


def _minutes(family: Array, grade: Array, inspector: Array, rng: np.random.Generator) -> Array:
    median = median_minutes(family)[np.arange(family.size), grade, inspector % SPEEDS.size]
    return np.asarray(median * rng.lognormal(0, MINUTES_SIGMA, family.size))


def _recovered(disposition: Array, grade: Array, value: Array, rng: np.random.Generator) -> Array:
    nothing, median = recovery_scale(disposition, grade, value)
    amount = median * rng.lognormal(0, RECOVERY_SIGMA, value.size)
    return np.where(rng.random(value.size) < nothing, 0.0, amount)
