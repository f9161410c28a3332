"""Dates, money and numbers as the reader's own locale writes them."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_datetime, format_timedelta
from babel.numbers import format_compact_decimal, format_currency, format_decimal, format_percent

DEFAULT: Final = Locale("en", "GB")
_LONGEST: Final = 200  # of an Accept-Language header that is still read, characters


@lru_cache(maxsize=256)
def locale_of(accept_language: str) -> Locale:
    """The first locale of an Accept-Language header that is known, by the weights it gives."""
    for tag in _by_weight(accept_language[:_LONGEST]):
        try:
            return Locale.parse(tag, sep="-")
        except (UnknownLocaleError, ValueError):
            continue
    return DEFAULT


def _by_weight(header: str) -> list[str]:
    weighed = []
    for part in header.split(","):
        tag, _, parameter = part.strip().partition(";")
        try:
            weight = float(parameter.strip().removeprefix("q=") or 1)
        except ValueError:
            continue
        if tag and tag != "*" and weight > 0:
            weighed.append((weight, tag))
    return [tag for _, tag in sorted(weighed, key=lambda one: -one[0])]


def moment_of(value: datetime | str) -> datetime:
    """A moment from the wire or the ledger, in UTC."""
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def written_moment(value: datetime | str, locale: Locale) -> str:
    """Day and time of a moment; the pages say once that times are UTC."""
    return _moment(moment_of(value), locale)


@lru_cache(maxsize=4096)
def _moment(value: datetime, locale: Locale) -> str:
    return str(format_datetime(value, "medium", tzinfo=UTC, locale=locale)).replace("\u202f", " ")


def written_day(value: date | datetime | str, locale: Locale) -> str:
    """A day."""
    day = date.fromisoformat(value[:10]) if isinstance(value, str) else value
    return str(format_date(day, "medium", locale=locale))


def written_span(until: datetime | str, now: datetime, locale: Locale) -> str:
    """How far a moment is away, such as 'in 2 hours' or '3 days ago'."""
    return str(format_timedelta(moment_of(until) - now, add_direction=True, locale=locale))


def written_money(value: Any, locale: Locale, currency: str = "") -> str:
    """Decimal text or a money object with its currency; nothing for nothing."""
    if value is None:
        return ""
    if isinstance(value, dict):
        value, currency = value["amount"], value["currency"]
    if not currency:
        return written_number(value, locale, digits=2)
    return _amount(str(value), currency, locale)


@lru_cache(maxsize=4096)
def _amount(text: str, currency: str, locale: Locale) -> str:
    return str(format_currency(Decimal(text), currency, locale=locale))


def written_number(value: Any, locale: Locale, digits: int = 0) -> str:
    """A number with so many digits after the decimal sign."""
    pattern = "#,##0" + ("." + "0" * digits if digits else "")
    return "" if value is None else str(format_decimal(Decimal(str(value)), pattern, locale=locale))


def written_short(value: Any, locale: Locale) -> str:
    """A large number in few characters, such as 12K."""
    return str(format_compact_decimal(value, locale=locale, fraction_digits=1))


def written_percent(value: Any, locale: Locale, digits: int = 0) -> str:
    """A share as a percentage."""
    if value is None:
        return ""
    pattern = "#,##0" + ("." + "0" * digits if digits else "") + "%"
    return str(format_percent(value, pattern, locale=locale))
