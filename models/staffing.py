"""From forecast volume to hands, doors and positions, by the formulas of the operations metrics.

Volumes come as sample paths, so that a plan for several families is a quantile of their sum, never a sum of
quantiles.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from math import ceil, isfinite
from typing import Final

import numpy as np
import numpy.typing as npt

from features.returns import BadInputError

Floats = npt.NDArray[np.float64]

NINTH_DECILE: Final = 1.2816  # standard deviations above the mean


@dataclass(frozen=True, slots=True)
class Site:
    """What a site can do; every number has a unit and a source.

    Defaults are planning defaults where no source is named: there is no published primary figure, and a site
    replaces them by its own through the reference data.

    Parameters
    ----------
    allowance : float
        Share of time on top for rest, fatigue and delay.
    utilisation : float
        Share of paid time spent on returns.
    shift_hours : float
        Productive hours of one person a day: eight less breaks and meetings.
    units_per_truck : float
        Returned units on one inbound truck.
    peak : float
        Peak over mean of arrivals within a day.
    open_minutes : float
        Minutes a day during which the dock is open.
    turn_minutes : float
        Minutes that one truck holds a door.
    door_utilisation : float
        Share of the open time during which a door can be used.
    redundancy : float
        Share of doors held on top.
    dwell_days : float
        Days from receipt until the unit leaves: above dock-to-stock (middle third 12 to 24 h, ISM), because
        returns to vendors wait for their authorization.
    units_per_pallet : float
    fill : float
        Share of positions that can be filled in practice.
    short_cost, idle_cost : float
        What an hour short costs (overtime, delay, credit paid late) and an hour idle, in the same money: only
        their ratio counts.
    """

    allowance: float = 0.15
    utilisation: float = 0.85
    shift_hours: float = 7.0
    units_per_truck: float = 400.0
    peak: float = 1.5
    open_minutes: float = 600.0
    turn_minutes: float = 60.0
    door_utilisation: float = 0.8
    redundancy: float = 0.1
    dwell_days: float = 5.0
    units_per_pallet: float = 40.0
    fill: float = 0.85
    short_cost: float = 4.0
    idle_cost: float = 1.0

    @property
    def service_level(self) -> float:
        """The chance of sufficing that costs least."""
        return critical_ratio(short=self.short_cost, idle=self.idle_cost)

    def __post_init__(self) -> None:
        may_be_zero = {"allowance", "redundancy", "dwell_days"}
        for parameter in fields(self):
            value = getattr(self, parameter.name)
            if not isfinite(value) or value < 0 or (value == 0 and parameter.name not in may_be_zero):
                raise BadInputError(f"the site's {parameter.name} is {value}; it must be a positive number.")
        for name in ("utilisation", "door_utilisation", "fill"):
            if getattr(self, name) > 1:
                raise BadInputError(f"the site's {name} is a share; it cannot be above 1.")


@dataclass(frozen=True, slots=True)
class Work:
    """Inspection minutes a unit of each family: their mean and how far single units stray from it.

    Parameters
    ----------
    mean, deviation : ndarray of shape (families,), minutes
    """

    mean: Floats
    deviation: Floats

    @classmethod
    def of_quantiles(cls, p50: Floats, p90: Floats) -> Work:
        """Read a log-normal off its median and ninth decile."""
        sigma = np.log(np.maximum(p90 / p50, 1.0)) / NINTH_DECILE
        mean = p50 * np.exp(sigma**2 / 2)
        return cls(mean, mean * np.sqrt(np.expm1(sigma**2)))


@dataclass(frozen=True, slots=True)
class Plan:
    """What one day needs so that it suffices with the service level asked for.

    `hours` are labour hours, `heads` people on the day, `doors` dock doors, `positions` storage positions,
    `units` the volume they are meant for.
    """

    units: int
    hours: float
    heads: int
    doors: int
    positions: int


def plan(
    paths: npt.NDArray[np.int64],
    work: Work,
    *,
    site: Site,
    service_level: float = 0.9,
    backlog: float = 0.0,
    rng: np.random.Generator,
) -> list[Plan]:
    """Plan every day of a forecast.

    Parameters
    ----------
    paths : ndarray of shape (paths, families, days), returned units a day
    service_level : float
        Chance that the plan suffices on a day; see `critical_ratio` for the one that costs least.
    backlog : float
        Inspection minutes that lie there when the first day begins; they are worked off on it.

    Returns
    -------
    list of Plan, one a day
    """
    level = _service_level(service_level)
    units = quantile(paths.sum(axis=1), level)
    need = hours(paths, work.mean, site=site) + _strays(paths, work, site=site, rng=rng)
    need[:, :1] += labour(backlog, site=site)
    held = np.quantile(_held(paths.sum(axis=1), site.dwell_days), level, axis=0)
    return [
        Plan(
            units=int(volume),
            hours=max(float(each), 0.0),
            heads=heads(max(float(each), 0.0), site=site),
            doors=dock_doors(float(volume), site=site),
            positions=storage_positions(float(stock), dwell_days=1.0, site=site),
        )
        for volume, each, stock in zip(units, np.quantile(need, level, axis=0), held, strict=True)
    ]


def labour(minutes: float, *, site: Site) -> float:
    """Labour hours for so many minutes of work: with the allowance, over the utilisation."""
    return minutes / 60 * (1 + site.allowance) / site.utilisation


def divided(need: float, shares: Mapping[str, float]) -> dict[str, float]:
    """Divide a day's hours or units among its shifts or opening hours; shares count by their ratio."""
    total = sum(shares.values())
    if total <= 0 or min(shares.values()) < 0:
        raise BadInputError("the shares of a day must be positive numbers.")
    return {name: need * share / total for name, share in shares.items()}


def doors_in_an_hour(units: float, *, site: Site) -> int:
    """Doors for the units of one hour: trucks / (60 / turn minutes * utilisation) * (1 + redundancy)."""
    turns = 60 / site.turn_minutes * site.door_utilisation
    return _up(units / site.units_per_truck / turns * (1 + site.redundancy))


def cost(need: Floats, planned: float, *, site: Site) -> float:
    """Mean cost of planning so many hours where `need` may come: short and idle hours at their prices."""
    short, idle = np.maximum(need - planned, 0.0), np.maximum(planned - need, 0.0)
    return float((site.short_cost * short + site.idle_cost * idle).mean())


def hours(paths: npt.NDArray[np.int64], minutes: Floats, *, site: Site) -> Floats:
    """Labour hours of every path and day: volume / UPH * (1 + allowance) / utilisation, over all families.

    Returns
    -------
    ndarray of shape (paths, days), hours
    """
    if minutes.shape != paths.shape[1:2] or not (minutes > 0).all():
        raise BadInputError("inspection minutes must be one positive number for each family.")
    direct = np.einsum("pfd,f->pd", paths.astype(np.float64), minutes / 60)  # UPH is 60 ÷ minutes
    return np.asarray(direct * (1 + site.allowance) / site.utilisation)


def heads(need: float, *, site: Site) -> int:
    """People for that many labour hours: hours / productive shift hours, rounded up."""
    return _up(need / site.shift_hours)


def dock_doors(units: float, *, site: Site) -> int:
    """Doors: trucks * peak / (open minutes / turn minutes * utilisation) * (1 + redundancy), rounded up."""
    trucks = units / site.units_per_truck
    turns = site.open_minutes / site.turn_minutes * site.door_utilisation
    return _up(trucks * site.peak / turns * (1 + site.redundancy))


def storage_positions(units_a_day: float, *, site: Site, dwell_days: float | None = None) -> int:
    """Positions by Little's law: units a day * dwell days / units per pallet / fill, rounded up."""
    dwell = site.dwell_days if dwell_days is None else dwell_days
    return _up(units_a_day * dwell / site.units_per_pallet / site.fill)


def critical_ratio(*, short: float, idle: float) -> float:
    """Give the service level that costs least: an hour short / (an hour short + an hour idle), both in money.

    The newsvendor's ratio: what delay and overtime cost against what idle straight time costs.
    """
    if not (short > 0 and idle > 0):
        raise BadInputError("the costs of an hour short and of an hour idle must both be positive.")
    return short / (short + idle)


def quantile(paths: npt.NDArray[np.int64], service_level: float) -> npt.NDArray[np.int64]:
    """Whole units that suffice with that chance; `paths` has one path a row."""
    return np.quantile(paths, _service_level(service_level), axis=0, method="inverted_cdf").astype(np.int64)


def minutes_of(families: tuple[str, ...], known: Mapping[str, float], *, otherwise: float) -> Floats:
    """Inspection minutes a unit in the order of `families`; those not known take `otherwise`."""
    return np.array([known.get(family, otherwise) for family in families], dtype=np.float64)


def _strays(paths: npt.NDArray[np.int64], work: Work, *, site: Site, rng: np.random.Generator) -> Floats:
    """Labour hours by which the units of each path and day take longer or shorter than the mean."""
    # Many independent units: the sum of their minutes is as good as normal.
    variance = np.einsum("pfd,f->pd", paths.astype(np.float64), work.deviation**2)
    return np.asarray(rng.normal(size=variance.shape) * np.sqrt(variance) * labour(1.0, site=site))


def _held(units: npt.NDArray[np.int64], dwell_days: float) -> Floats:
    """Units on the floor each day: arrivals of the last `dwell_days`, steady before the forecast begins."""
    days = units.shape[1]
    whole = int(dwell_days)
    start = units.mean(axis=1, keepdims=True).repeat(whole + 1, axis=1)
    arrivals = np.concatenate([start, units], axis=1).astype(np.float64)
    weights = np.array([*np.ones(whole), dwell_days - whole])
    return np.asarray(
        sum(w * arrivals[:, whole + 1 - k : whole + 1 - k + days] for k, w in enumerate(weights))
    )


def _up(value: float) -> int:
    # 21.000000000000004 people are 21 people.
    return ceil(round(value, 9))


def _service_level(level: float) -> float:
    if not 0 < level < 1:
        raise BadInputError(f"a service level of {level} is no chance; use one between 0 and 1, such as 0.9.")
    return level
