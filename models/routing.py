"""Which site: the highest recovery net of freight that fits the sites' capacity.

A batch is solved exactly (a mixed-integer programme, HiGHS). The programme's shadow prices say what a place
at each site is worth, so that a single return can be sent on its own without spoiling the plan.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.optimize import Bounds, LinearConstraint, linprog, milp

from features.returns import RecoupError

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

NOWHERE: Final = -1
STANDARD_OUTPUT: Final = 1
GAP: Final = 0.0001  # share by which a plan may fall short of the best one; one in a thousand is the limit
TIME_LIMIT: Final = 30.0  # seconds; the best plan found by then is still within capacity


class RoutingError(RecoupError):
    """The solver found no plan at all."""

    code = "routing_failed"
    hint = "Check capacities and permissions of the sites."


@dataclass(frozen=True, slots=True)
class Site:
    """One site as master data describe it.

    Parameters
    ----------
    capacity : float
        Free units.
    freight_per_kg : float
        Currency a kg from another region; within the region freight is already paid.
    price : float
        What the last batch would have paid for one more unit here, in major units: its shadow price.
    """

    name: str
    region: str
    capacity: float
    freight_per_kg: float = 1.2
    hazmat: bool = False
    price: float = 0.0


@dataclass(frozen=True, slots=True)
class Lines:
    """What is to be sent; one entry a line.

    Parameters
    ----------
    recovery : ndarray of shape (n,)
        Expected net recovery in major units, wherever the line goes.
    """

    recovery: Floats
    weight_kg: Floats
    units: Floats
    region: npt.NDArray[Any]
    hazmat: Mask


@dataclass(frozen=True, slots=True)
class Plan:
    """Where each line goes, and what one more unit of capacity would be worth.

    Parameters
    ----------
    site : ndarray of shape (n,), int
        Position of the site, or -1 where no permitted site has room.
    prices : ndarray of shape (sites,)
        Shadow prices in major units a unit of capacity.
    gap : float
        By what share of what it brings the best plan could at most be better.
    """

    site: npt.NDArray[np.int64]
    prices: Floats
    gap: float = 0.0


def gains(lines: Lines, sites: tuple[Site, ...]) -> Floats:
    """Return recovery net of freight for every line at every site, shape (n, sites)."""
    rate = np.array([site.freight_per_kg for site in sites])
    away = np.array([[region != site.region for site in sites] for region in lines.region])
    return np.asarray(lines.recovery[:, None] - away * rate * lines.weight_kg[:, None])


def permitted(lines: Lines, sites: tuple[Site, ...]) -> Mask:
    """Tell which sites may take which line: hazardous goods go only where that is allowed."""
    allowed = np.array([site.hazmat for site in sites])
    return np.asarray(allowed[None, :] | ~lines.hazmat[:, None])


def assign(lines: Lines, sites: tuple[Site, ...]) -> Plan:
    """Send as many lines of a batch as sites have room for, and those where they recover most.

    Raises
    ------
    RoutingError
        If the solver finds no plan.
    """
    gain, allowed = gains(lines, sites), permitted(lines, sites)
    count, places = gain.shape
    once = sparse.kron(sparse.eye(count), np.ones((1, places)), format="csr")
    room = sparse.kron(lines.units[None, :], sparse.eye(places), format="csr")
    rules = sparse.vstack([once, room], format="csr")
    limits = np.concatenate([np.ones(count), [site.capacity for site in sites]])
    upper = allowed.ravel().astype(np.float64)
    # Two questions, not one with a penalty a line left behind: its bound would never meet the best plan.
    every = np.ones(count * places)
    most = round(-_solve(-every, rules, limits, upper).fun)
    rules, limits = sparse.vstack([rules, -every[None, :]], format="csr"), np.append(limits, -most)
    solved = _solve(-gain.ravel(), rules, limits, upper)
    relaxed = linprog(
        -gain.ravel(), A_ub=rules, b_ub=limits, bounds=np.column_stack([np.zeros_like(upper), upper])
    )
    taken = solved.x.reshape(count, places).round().astype(bool)
    site = np.where(taken.any(axis=1), taken.argmax(axis=1), NOWHERE)
    gap = float(solved.fun - solved.mip_dual_bound) / max(abs(float(solved.fun)), 1.0)
    return Plan(site, -np.asarray(relaxed.ineqlin.marginals)[count:-1], max(gap, 0.0))


def _solve(cost: Floats, rules: Any, limits: Floats, upper: Floats) -> Any:
    """Choose yes or no of every line at every site for the least cost."""
    with _silence():
        solved = milp(
            cost,
            integrality=np.ones(len(cost)),
            bounds=Bounds(0, upper),
            constraints=LinearConstraint(rules, ub=limits),
            options={"time_limit": TIME_LIMIT, "mip_rel_gap": GAP},
        )
    if solved.x is None:
        raise RoutingError(f"no plan of {len(cost)} choices: {solved.message}")
    return solved


@contextmanager
def _silence() -> Iterator[None]:
    """Keep HiGHS's own remarks off standard output, where programs read our answers."""
    sys.stdout.flush()
    kept = os.dup(STANDARD_OUTPUT)
    try:
        with open(os.devnull, "wb") as nowhere:  # noqa: PTH123  a device, no path of ours
            os.dup2(nowhere.fileno(), STANDARD_OUTPUT)
            yield
            ctypes.CDLL(None).fflush(None)
    finally:
        os.dup2(kept, STANDARD_OUTPUT)
        os.close(kept)


def choose(line: Lines, sites: tuple[Site, ...]) -> int:
    """Send one return where it recovers most after paying the price of the place that it takes.

    Returns
    -------
    int
        Position of the site, or -1 where no permitted site has room.
    """
    free = np.array([site.capacity for site in sites]) >= line.units[0]
    possible = permitted(line, sites)[0] & free
    prices = np.array([site.price for site in sites])
    worth = np.where(possible, gains(line, sites)[0] - prices * line.units[0], -np.inf)
    return int(worth.argmax()) if possible.any() else NOWHERE
