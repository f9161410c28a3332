"""Parcel numbers: whose they can be, by pattern and check digit.

Random digits pass a check digit in one case of ten: a number that passes is possible, one that fails every
rule for its form was misread or is none.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any, Final

import yaml
from stdnum import luhn
from stdnum.iso7064 import mod_37_36


@dataclass(frozen=True, slots=True)
class Rule:
    """How one carrier numbers one kind of parcel; see ``carriers.yaml``."""

    carrier: str
    service: str
    pattern: str
    check: Mapping[str, Any] = field(default_factory=dict)
    before: str = ""

    def matches(self, number: str) -> re.Match[str] | None:
        """Return the parts of a number of this form, whatever its check digit."""
        return re.fullmatch(self.pattern, number, re.ASCII)

    def holds(self, parts: re.Match[str]) -> bool:
        """Tell whether the check digit is right; true where the form has none."""
        if not self.check:
            return True
        found = parts.groupdict()
        serial = found["serial"]
        if self.before and not serial.startswith(self.before):
            serial = self.before + serial
        if "country" in found and found["country"] not in countries():
            return False
        name = next(name for name in self.check if name in _CHECKS)
        return _CHECKS[name](serial, found["check"], self.check)


@dataclass(frozen=True, slots=True)
class Reading:
    """What the rules say of a number: who can have issued it, and whose form it has with a wrong digit."""

    number: str
    possible: tuple[Rule, ...]
    failed: tuple[Rule, ...]

    @property
    def carriers(self) -> tuple[str, ...]:
        """The carriers that can have issued it, each once."""
        return tuple(dict.fromkeys(rule.carrier for rule in self.possible))


@cache
def rules() -> tuple[Rule, ...]:
    """Return the rules shipped with this package."""
    return tuple(Rule(**entry) for entry in _shipped()["rules"])


@cache
def countries() -> frozenset[str]:
    """Return the two-letter codes of countries, of which postal numbers end in one."""
    return frozenset(_shipped()["countries"].split())


@cache
def _shipped() -> dict[str, Any]:
    text = files(__package__).joinpath("carriers.yaml").read_text(encoding="utf-8")
    return dict(yaml.safe_load(text))


def compact(text: str) -> str:
    """Return a number as the rules write it."""
    return "".join(text.split()).upper()


def read(text: str) -> Reading:
    """Return who can have issued a parcel number."""
    number = compact(text)
    if len(set(number)) <= 1:  # zeros fill a form, and pass every check
        return Reading(number, (), ())
    formed = [(rule, parts) for rule in rules() if (parts := rule.matches(number))]
    right = tuple(rule for rule, parts in formed if rule.holds(parts))
    return Reading(number, right, tuple(rule for rule, _ in formed if rule not in right))


def _worth(character: str) -> int:
    # Letters count as the carriers' scanners number them.
    return int(character) if character.isdigit() else (ord(character) - 3) % 10


def _mod10(serial: str, check: str, how: Mapping[str, Any]) -> bool:
    even, odd = how["mod10"]
    characters = serial[::-1] if how.get("reverse") else serial
    total = sum(_worth(c) * (odd if place % 2 else even) for place, c in enumerate(characters))
    return bool(-total % 10 == int(check))


def _weighted(serial: str, check: str, how: Mapping[str, Any]) -> bool:
    weights: Sequence[int] = how["weights"]
    total = sum(int(c) * weights[place % len(weights)] for place, c in enumerate(serial))
    for modulus in how["moduli"]:
        total %= modulus
    return total == int(check)


def _s10(serial: str, check: str, how: Mapping[str, Any]) -> bool:
    rest = sum(int(c) * weight for c, weight in zip(serial, how["s10"], strict=True)) % 11
    return bool({0: 5, 1: 0}.get(rest, 11 - rest) == int(check))


def _mod7(serial: str, check: str, _how: Mapping[str, Any]) -> bool:
    return int(serial) % 7 == int(check)


def _luhn(serial: str, check: str, _how: Mapping[str, Any]) -> bool:
    return bool(luhn.is_valid(serial + check))


def _mod37(serial: str, check: str, _how: Mapping[str, Any]) -> bool:
    return bool(mod_37_36.calc_check_digit(serial) == check)


_CHECKS: Final[Mapping[str, Callable[[str, str, Mapping[str, Any]], bool]]] = {
    "mod10": _mod10, "weights": _weighted, "s10": _s10, "mod7": _mod7, "luhn": _luhn, "mod37": _mod37,
}  # fmt: skip
