"""The truth beside a simulated world is exact: brute force in a tiny world, calibration in a large one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise, product
from math import exp, floor, perm, prod

import numpy as np
import pandas as pd
import pytest

from training.simulator.draws.lines import World, draw_claims, draw_outcomes
from training.simulator.draws.people import Customers, Groups
from training.simulator.draws.sales import Sales, Scene
from training.simulator.laws.catalogue import FAMILIES, GROUP, draw_catalogue
from training.simulator.laws.claims import (
    ABUSE,
    CAUSES,
    NOTE_BY_CAUSE,
    OPENED,
    SERIAL_DIFFERS,
    acceptance,
    era,
    lag_law,
    rate_table,
    reason_law,
    window,
)
from training.simulator.laws.condition import GRADES, code_law, grade_law
from training.simulator.laws.fraud import FLIPPED_NEGATIVES, FLIPPED_POSITIVES, FRAUD_FOUND
from training.simulator.laws.handling import UNGRADED
from training.simulator.laws.market import CHANNEL_SHARE, draw_market
from training.simulator.laws.people import (
    ABUSE_BY_STATE,
    AGE_BIN_BY_TYPE,
    HOUSEHOLD_SIZE_SHARE,
    HOUSEHOLD_SIZES,
    LEVEL_BY_TYPE,
    LEVELS,
    PROFESSIONAL,
    RING_LEVEL_SHARE,
    RING_LEVELS,
    RING_SHARE,
    RING_SIZE_SHARE,
    RING_SIZES,
    STATIONARY,
    SWITCH,
    TASTE,
    TIE_BY_KIND,
    TIER_BY_TYPE,
    TYPE_SHARE,
)
from training.simulator.truth.flow import flow
from training.simulator.truth.predict import truth
from training.simulator.truth.record import posterior
from training.simulator.world import Tables, simulate

START = datetime(2023, 11, 1, tzinfo=UTC)
DAYS = 21
WEEKS = 3
# Account 0 and 1 share a group, account 2 is alone; who asks, when it was sold, when it comes back.
ACCOUNT = np.array([0, 1, 0, 2, 1, 0])
SOLD = np.array([1.5, 3.4, 2.6, 4.5, 6.5, 9.5])
ASKED = np.array([5.5, 9.6, 11.5, 12.4, 13.6, 19.5])


def a_tiny_world(seed: int) -> World:
    """Six returns of three accounts within three weeks; what they look like is drawn, of any cause."""
    rng = np.random.default_rng(seed)
    catalogue = draw_catalogue(rng)
    market = draw_market(DAYS, start=START, rng=rng)
    # A lively market, so that what was not asked for weighs as much as what was.
    market = replace(market, demand=market.demand * 80)
    groups = Groups(
        ring=np.zeros(2, bool),
        size=np.array([2, 1]),
        level=np.full(2, np.nan),
        tie=rng.integers(3, size=2),
        region=np.array([0, 2]),
        on=np.ones((2, WEEKS), bool),
    )
    customers = Customers(
        group=np.array([0, 0, 1]),
        kind=rng.integers(4, size=3),
        level=np.ones(3),
        tier=rng.integers(4, size=3),
        account_age=rng.choice([100.0, 1000.0], 3),
        address=np.zeros(3, int),
        device=np.zeros(3, int),
    )
    scene = Scene(catalogue, rate_table(catalogue), market, groups, customers)
    chosen = rng.choice(np.flatnonzero(np.isin(catalogue.family, [0, 2, 11])), ACCOUNT.size)
    sales = Sales(
        customer=ACCOUNT,
        product=chosen,
        family=catalogue.family[chosen],
        channel=rng.integers(3, size=ACCOUNT.size),
        region=groups.region[customers.group[ACCOUNT]],
        price=catalogue.price[chosen] + 40,
        quantity=np.ones(ACCOUNT.size, int),
        sold=SOLD,
        cause=rng.choice([0, 1, 3, 5, 5], ACCOUNT.size),
        requested=ASKED,
    )
    claims = draw_claims(sales, scene, rng)
    outcomes = draw_outcomes(sales, claims, scene, rng)
    fraud = np.array([1.0, np.nan, 0.0, 1.0, 0.0, np.nan]) if seed % 2 else np.zeros(6)
    known = replace(
        outcomes, label_known=ASKED + 1.5, fraud=fraud, fraud_known=ASKED + np.array([2, 2, 3, 3, 9, 9])
    )
    return World(scene, sales, np.arange(ACCOUNT.size), claims, known)


class Enumeration:
    """Every hidden configuration of one group, one by one, as seen when line `asking` is asked for."""

    def __init__(self, world: World, asking: int) -> None:
        self.world, self.asking, self.now = world, asking, float(ASKED[asking])
        group = world.customers.group
        self.lines = [j for j in range(asking + 1) if group[ACCOUNT[j]] == group[ACCOUNT[asking]]]
        self.accounts = sorted({int(ACCOUNT[j]) for j in self.lines})
        self.region = int(world.returned.region[asking])
        self.weight = np.zeros((2, 4, len(CAUSES)))  # ordinary or ring, type, cause of the asking line
        self.tie = TIE_BY_KIND[:, world.scene.groups.tie[group[ACCOUNT[asking]]]]
        self.coming = [[self.expected(kind, week) for week in range(WEEKS)] for kind in range(4)]

    def expected(self, kind: int, week: int) -> tuple[float, float]:
        """Expected honest and abusive requests in a week, summed over every sale and every lag."""
        scene, found = self.world.scene, [0.0, 0.0]
        law, limits = lag_law(), window(scene.market.extended)
        family, per_product = scene.catalogue.family, 1 / np.bincount(scene.catalogue.family)[0]
        for day in range(week * 7, min(week * 7 + 7, floor(self.now) + 1)):
            elapsed = 1.0 if day < floor(self.now) else min(max((self.now - day - 1 / 3) / 0.5, 0), 1)
            for sold, cause in product(range(day), range(len(CAUSES))):
                if day - sold > limits[sold, cause]:
                    continue
                bought = scene.market.demand[self.region, family, sold] * per_product * TASTE[kind, family]
                rate = scene.rates[:, :, kind, cause] @ CHANNEL_SHARE
                if cause == ABUSE:
                    rate = rate * acceptance()[era(np.array([day]))[0], kind, family]
                found[cause == ABUSE] += elapsed * law[cause, day - sold] * float(bought @ rate)
        return found[0], found[1]

    def line(self, j: int, kind: int, cause: int) -> float:
        """Density of what is known of one line, given type and cause and a state that is on."""
        world, marks, outcomes = self.world, self.world.claims.marks, self.world.outcomes
        law = reason_law()[era(marks.day[[j]])[0], GROUP[marks.family[j]], kind, cause, marks.reason[j]]
        value = (
            law
            * world.scene.rates[marks.product[j], marks.channel[j], kind, cause]
            * TASTE[kind, marks.family[j]]
        )
        if cause == ABUSE:
            value *= acceptance()[era(marks.day[[j]])[0], kind, marks.family[j]]
        value *= lag_law()[cause, floor(ASKED[j]) - floor(SOLD[j])] * NOTE_BY_CAUSE[cause, marks.note[j]]
        value *= OPENED[cause] if marks.opened[j] else 1 - OPENED[cause]
        if marks.serialized[j]:
            value *= SERIAL_DIFFERS[cause] if marks.serial_differs[j] else 1 - SERIAL_DIFFERS[cause]
        if j != self.asking and outcomes.label_known[j] <= self.now and outcomes.code[j] != UNGRADED:
            value *= sum(self.coded(j, cause, found)[outcomes.code[j]] for found in range(len(GRADES)))
        if j != self.asking and outcomes.fraud_known[j] <= self.now and not np.isnan(outcomes.fraud[j]):
            guilty = self.verdict(cause)
            value *= guilty if outcomes.fraud[j] == 1 else 1 - guilty
        return float(value)

    def coded(self, j: int, cause: int, found: int) -> np.ndarray:
        """P(grade found and then each code)."""
        marks, site = self.world.claims.marks, self.world.claims.site
        grade = grade_law(GROUP[marks.family[[j]]], marks.lag[[j]], marks.opened[[j]])[0, cause, found]
        return grade * code_law(site[[j]], marks.day[[j]])[0, found]

    @staticmethod
    def verdict(cause: int) -> float:
        proven = FRAUD_FOUND if cause == ABUSE else 0.0
        return proven * (1 - FLIPPED_POSITIVES) + (1 - proven) * FLIPPED_NEGATIVES

    def appearance(self, account: int, kind: int) -> float:
        people = self.world.customers
        return float(
            TIER_BY_TYPE[kind, people.tier[account]]
            * AGE_BIN_BY_TYPE[kind, int(people.account_age[account] > 400)]
        )

    def causes(self) -> Iterator[tuple[int, ...]]:
        return product(range(len(CAUSES)), repeat=len(self.lines))

    def add_households(self) -> None:
        """Every size, and every type and level of every member, those not seen yet among them."""
        seen, asking = len(self.accounts), self.accounts.index(int(ACCOUNT[self.asking]))
        density = np.array([[[self.line(j, z, u) for u in range(6)] for z in range(4)] for j in self.lines])
        states = [(z, a) for z in range(4) for a in range(len(LEVELS))]
        silent = {(z, a): exp(-LEVELS[a] * sum(h + x for h, x in self.coming[z])) for z, a in states}
        chance = {(z, a): TYPE_SHARE[z] * LEVEL_BY_TYPE[z, a] * silent[z, a] for z, a in states}
        for size, share in zip(HOUSEHOLD_SIZES, HOUSEHOLD_SIZE_SHARE, strict=True):
            unseen = sum(chance[state] for state in states) if size > seen else 1.0
            for members in product(states, repeat=seen):
                weight = (1 - RING_SHARE) * share * perm(size, seen) * unseen ** max(size - seen, 0)
                for account, (z, a) in zip(self.accounts, members, strict=True):
                    mine = [n for n, j in enumerate(self.lines[:-1]) if ACCOUNT[j] == account]
                    weight *= chance[z, a] * self.appearance(account, z)
                    weight *= prod(LEVELS[a] * density[n, z].sum() for n in mine)
                z, a = members[asking]
                self.weight[0, z] += weight * LEVELS[a] * density[-1, z] * (self.tie[0] if seen > 1 else 1)

    def add_rings(self) -> None:
        """Every size, level and path of states."""
        seen, last = len(self.accounts), floor(self.now) // 7
        density = np.array([[self.line(j, PROFESSIONAL, u) for u in range(6)] for j in self.lines])
        looks = prod(self.appearance(account, PROFESSIONAL) for account in self.accounts)
        for (m, size), (a, level), path in product(
            enumerate(RING_SIZES), enumerate(RING_LEVELS), product((0, 1), repeat=last + 1)
        ):
            weight = RING_SHARE * RING_SIZE_SHARE[m] * RING_LEVEL_SHARE[a] * perm(size, seen) * looks
            weight *= STATIONARY[path[0]] * prod(SWITCH[s, t] for s, t in pairwise(path))
            honest, abuse = zip(*(self.coming[PROFESSIONAL][week] for week in range(last + 1)), strict=True)
            claims = sum(honest) + sum(x * ABUSE_BY_STATE[s] for x, s in zip(abuse, path, strict=True))
            weight *= exp(-size * level * claims)
            active = np.ones((len(self.lines), len(CAUSES)))
            active[:, ABUSE] = [ABUSE_BY_STATE[path[floor(ASKED[j]) // 7]] for j in self.lines]
            told = density * active * level
            weight *= prod(told[:-1].sum(axis=1)) * (self.tie[1] if seen > 1 else 1)
            self.weight[1, PROFESSIONAL] += weight * told[-1]

    def posterior(self) -> np.ndarray:
        self.add_households()
        self.add_rings()
        return self.weight / self.weight.sum()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_filter_is_what_enumeration_says(seed: int):
    """Types, rings and causes of every line; kept goods, unseen accounts, noise and flips are summed over."""
    world = a_tiny_world(seed)
    found = posterior(world)
    for asking in range(ACCOUNT.size):
        exact = Enumeration(world, asking).posterior()
        assert found.ordinary[asking] == pytest.approx(exact[0], rel=1e-6, abs=1e-12)
        assert found.ring[asking].sum(axis=0) == pytest.approx(exact[1, PROFESSIONAL], rel=1e-6, abs=1e-12)


def test_predictions_are_what_enumeration_says():
    """Fraud and grades as they are written down, from the enumerated causes of the last line."""
    world = a_tiny_world(4)
    last = ACCOUNT.size - 1
    every = Enumeration(world, last)
    cause = every.posterior().sum(axis=(0, 1))
    written = sum(cause[u] * every.coded(last, u, found) for u in range(6) for found in range(len(GRADES)))
    told = truth(world).iloc[last]
    assert told["p_fraud"] == pytest.approx(sum(cause[u] * every.verdict(u) for u in range(6)))
    assert told[[f"p_{grade}" for grade in GRADES]].to_numpy(float) == pytest.approx(written)


def test_a_silent_account_speaks_for_itself():
    """The flow is the requests that sales would bring: with every lag inside the window they add up."""
    world = a_tiny_world(1)
    streams = flow(world.scene)
    region, moment = np.array([0]), np.array([19.5])
    by_hand = [sum(sum(week) for week in kind) for kind in Enumeration(world, 5).coming]
    assert streams.until(region, moment)[0] == pytest.approx(by_hand)
    assert streams.honest.shape == (4, 4, DAYS)
    assert len(FAMILIES) == 12


@pytest.fixture(scope="module")
def world() -> Tables:
    return simulate(returns=15_000, rng=np.random.default_rng(11), start=START)


def surprise(said: pd.Series, happened: pd.Series, by: pd.Series, blocks: pd.Series) -> pd.Series:
    """How many standard errors what happened lies off what was said, in every cell; blocks may be alike."""
    rest = happened - said
    frame = pd.DataFrame({"by": by.to_numpy(), "block": blocks.to_numpy(), "rest": rest.to_numpy()})
    sums = frame.groupby(["by", "block"], observed=True)["rest"].sum()
    expected = (said * (1 - said)).groupby(by.to_numpy(), observed=True).sum()
    spread = np.sqrt(np.maximum((sums**2).groupby("by", observed=True).sum(), expected))
    return (sums.groupby("by", observed=True).sum() / spread)[expected > 4]


@pytest.mark.parametrize("cell", ["family", "site", "decile", "all"])
@pytest.mark.parametrize(
    "label", ["fraud", "RESTOCK", "REFURBISH", "OPEN_BOX_RESALE", "NEW_SEALED", "B", "D"]
)
def test_what_the_truth_says_happens_as_often(world: Tables, label: str, cell: str):
    """By family, site and decile of the prediction, frequencies lie within 4 standard errors of the truth."""
    returns, said = world.returns, world.truth[f"p_{label}"]
    column = "fraud" if label == "fraud" else "grade" if label in GRADES else "disposition"
    happened = returns[column].astype(object) == (True if label == "fraud" else label)
    rows = returns[column].notna()
    cells = {"family": returns["family"], "site": returns["site"], "all": returns["currency"]}
    by = pd.qcut(said, 10, duplicates="drop").astype(str) if cell == "decile" else cells[cell]
    off = surprise(said[rows], happened[rows].astype(float), by[rows], returns["address_id"][rows])
    assert len(off) > 0
    assert off.abs().max() < 4


def test_rings_are_told_from_households(world: Tables):
    """A record reveals a ring, while most shared addresses are ordinary ones."""
    hidden, told = world.truth["latent_ring"], world.truth["p_ring"]
    assert told[hidden].mean() > 0.5
    assert told[~hidden].mean() < 0.01
    assert told.mean() == pytest.approx(hidden.mean(), rel=0.15)
    shared = world.returns.groupby("address_id")["customer_id"].nunique()
    ring = world.returns.assign(ring=hidden).groupby("address_id")["ring"].first()
    assert ring[shared > 1].mean() < 0.2


def test_selection_for_investigation_biases_no_truth(world: Tables):
    """Who is investigated depends on what everybody can see; the logged share is the share investigated."""
    looked = world.returns["inspected_at"].notna()
    said, done = (
        world.truth.loc[looked, "investigation_propensity"],
        world.returns.loc[looked, "fraud"].notna(),
    )
    assert said.min() >= 0.02
    assert abs(done.mean() - said.mean()) < 4 * np.sqrt((said * (1 - said)).mean() / len(said))


def test_what_the_chosen_disposition_recovers_is_what_was_expected(world: Tables):
    """Before and after inspection, expectations of the disposition chosen add up to what it recovered."""
    returns, truth = world.returns, world.truth
    looked = returns["grade"].notna().to_numpy()
    chosen = returns["disposition"].to_numpy()
    codes = sorted(set(chosen))
    column = np.array([codes.index(code) for code in chosen])
    rows = np.flatnonzero(looked)
    got = returns["recovered"].to_numpy()[rows]
    for kind in ("given_grade_expected", "value"):
        said = truth[[f"{kind}_{code}" for code in codes]].to_numpy()[rows, column[rows]]
        assert abs((got - said).sum()) < 4 * np.sqrt(((got - said) ** 2).sum())
    for code in ("REFURBISH", "RESTOCK"):
        said, true = truth.loc[looked, f"expected_{code}"], truth.loc[looked, f"value_{code}"]
        possible = said.notna()
        off = (true - said)[possible]
        assert abs(off.sum()) < 4 * np.sqrt((off**2).sum())
