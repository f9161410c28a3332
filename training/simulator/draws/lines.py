"""The return lines of a world: what is claimed, found, decided, recovered and learned later."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from training.simulator.draws.people import Customers, draw_rows
from training.simulator.draws.sales import Sales, Scene
from training.simulator.laws.catalogue import Array
from training.simulator.laws.claims import NOTE_BY_CAUSE, OPENED, SERIAL_DIFFERS, Marks, era, reason_law
from training.simulator.laws.condition import code_law, grade_law
from training.simulator.laws.delays import (
    CARRIER_SHARE,
    INVESTIGATION_DAYS,
    TRANSIT,
    TRANSIT_DAYS,
    arrival,
    wait_law,
)
from training.simulator.laws.fraud import investigated_share, verdict_law
from training.simulator.laws.handling import (
    MINUTES_SIGMA,
    NO_GOODS,
    RECOVERY_SIGMA,
    SPEEDS,
    UNGRADED,
    VENDOR_REASON,
    Case,
    inspected_share,
    median_minutes,
    policy,
    present_value,
    recovery_scale,
)
from training.simulator.laws.market import Market, receiving_site

ARRIVES: Final = (0.3, 0.6)  # of the day
INSPECTED: Final = (0.62, 0.9)
DECIDED_AFTER_DAYS: Final = (0.5, 3.0)


@dataclass(frozen=True, slots=True)
class Claims:
    """What is known when a return is asked for, beside its sale."""

    marks: Marks
    site: Array
    quantity: Array
    weekday: Array  # of the request, Monday 0


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What became of a return; times in days since the start of the world, NaN where it never happened."""

    grade: Array  # found; UNGRADED where nobody inspected; hidden
    code: Array  # the grade written down
    disposition: Array
    propensity: Array  # logged probability of that disposition
    version: Array  # of the policy
    inspector: Array
    minutes: Array
    recovered: Array
    fraud: Array  # 1, 0, or NaN where nobody investigated
    investigated_share: Array  # logged probability of being investigated
    carrier: Array
    received: Array
    inspected: Array
    label_known: Array
    fraud_known: Array


@dataclass(frozen=True, slots=True)
class World:
    """All that was drawn: sales, and the lines of those that came back (`rows` of sales)."""

    scene: Scene
    sales: Sales
    rows: Array
    claims: Claims
    outcomes: Outcomes

    @property
    def returned(self) -> Sales:
        """The sales lines that came back, in the order of the return lines."""
        return self.sales.take(self.rows)

    @property
    def customers(self) -> Customers:
        """The accounts."""
        return self.scene.customers


def weekday(market: Market, day: Array) -> Array:
    """Weekday of a day of the world, Monday 0."""
    return np.asarray((market.start.weekday() + day) % 7)


def draw_claims(sales: Sales, scene: Scene, rng: np.random.Generator) -> Claims:
    """Draw what customers state and send back, given the hidden type and cause."""
    kind, group = scene.customers.kind[sales.customer], scene.catalogue.group[sales.product]
    serialized = scene.catalogue.serialized[sales.product]
    day, sold_day = np.floor(sales.requested).astype(int), np.floor(sales.sold).astype(int)
    marks = Marks(
        product=sales.product,
        family=sales.family,
        channel=sales.channel,
        sold_day=sold_day,
        day=day,
        extended=scene.market.extended[sold_day],
        reason=draw_rows(reason_law()[era(day), group, kind, sales.cause], rng),
        note=draw_rows(NOTE_BY_CAUSE[sales.cause], rng),
        serialized=serialized,
        serial_differs=serialized & (rng.random(group.size) < SERIAL_DIFFERS[sales.cause]),
        opened=rng.random(group.size) < OPENED[sales.cause],
    )
    return Claims(
        marks=marks,
        site=receiving_site(sales.region, day, rng),
        quantity=rng.integers(1, sales.quantity + 1),
        weekday=weekday(scene.market, day),
    )


def case_of(sales: Sales, claims: Claims, scene: Scene) -> Case:
    """Return what the policy looks at."""
    marks = claims.marks
    return Case(
        family=sales.family,
        site=claims.site,
        day=marks.day,
        value=present_value(sales.family, sales.price, marks.lag),
        vendor=scene.catalogue.vendor_returns[sales.product] & VENDOR_REASON[marks.reason],
        absent=NO_GOODS[marks.reason],
    )


def draw_outcomes(sales: Sales, claims: Claims, scene: Scene, rng: np.random.Generator) -> Outcomes:
    """Draw inspection, disposition, recovery and the moments at which each became known."""
    marks, rows = claims.marks, np.arange(sales.sold.size)
    case, n = case_of(sales, claims, scene), sales.sold.size
    looked = rng.random(n) < inspected_share(sales.price, case.absent)
    found = draw_rows(grade_law(marks.group, marks.lag, marks.opened)[rows, sales.cause], rng)
    written = draw_rows(code_law(claims.site, marks.day)[rows, found], rng)
    grade, code = np.where(looked, found, UNGRADED), np.where(looked, written, UNGRADED)
    chances = policy(case)[rows, code]
    disposition = draw_rows(chances, rng)
    carrier, received, inspection = _draw_journey(claims, rng)
    inspected = np.where(looked, inspection, np.nan)
    inspector = rng.integers(SPEEDS.size, size=n)
    share = investigated_share(marks, sales.price, scene.customers.account_age[sales.customer])
    investigated = looked & (rng.random(n) < share)
    verdict = rng.random(n) < verdict_law()[sales.cause]
    fresh = present_value(sales.family, sales.price, np.floor(inspection).astype(int) - marks.sold_day)
    return Outcomes(
        grade=grade,
        code=code,
        disposition=disposition,
        propensity=chances[rows, disposition],
        version=case.version,
        inspector=inspector,
        minutes=_minutes((sales.family, marks.day, found, inspector), rng),
        recovered=_recovered(disposition, grade, fresh, rng) * claims.quantity,
        fraud=np.where(investigated, verdict, np.nan),
        investigated_share=share,
        carrier=carrier,
        received=received,
        inspected=inspected,
        label_known=np.where(looked, inspection, received) + rng.uniform(*DECIDED_AFTER_DAYS, n),
        fraud_known=np.where(investigated, inspected + rng.uniform(*INVESTIGATION_DAYS, n), np.nan),
    )


def _draw_journey(claims: Claims, rng: np.random.Generator) -> tuple[Array, Array, Array]:
    """Draw carrier, arrival and (if anybody looks) inspection."""
    day, n = claims.marks.day, claims.site.size
    carrier = rng.choice(CARRIER_SHARE.size, n, p=CARRIER_SHARE)
    there = arrival(day, claims.weekday, carrier, TRANSIT_DAYS[draw_rows(TRANSIT[carrier], rng)])
    waited = draw_rows(wait_law()[claims.site], rng)
    return carrier, there + rng.uniform(*ARRIVES, n), there + waited + rng.uniform(*INSPECTED, n)


def _minutes(what: tuple[Array, Array, Array, Array], rng: np.random.Generator) -> Array:
    family, day, grade, inspector = what
    median = median_minutes(family, day)[np.arange(family.size), grade, inspector]
    return np.asarray(median * rng.lognormal(0, MINUTES_SIGMA, family.size))


def _recovered(disposition: Array, grade: Array, value: Array, rng: np.random.Generator) -> Array:
    nothing, median = recovery_scale(disposition, grade, value)
    amount = median * rng.lognormal(0, RECOVERY_SIGMA, value.size)
    return np.where(rng.random(value.size) < nothing, 0.0, amount)
