"""Text -> typed values: dates as ISO text, signed amounts as decimal text, identifiers, percentages.

Nothing is guessed: text that is not wholly of a type gives nothing.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Final

import dateparser

DAY_FIRST: Final = "DMY"
MONTH_FIRST: Final = "MDY"
SYMBOLS: Final = {
    "US$": "USD", "$": "USD", "RM": "MYR", "€": "EUR", "£": "GBP", "C$": "CAD", "CA$": "CAD",
    "A$": "AUD", "AU$": "AUD",
    "¥": "JPY", "₹": "INR", "S$": "SGD", "HK$": "HKD", "R$": "BRL",
}  # fmt: skip
CODES: Final = (
    "USD",
    "EUR",
    "GBP",
    "CAD",
    "AUD",
    "MYR",
    "CHF",
    "JPY",
    "INR",
    "MXN",
    "SGD",
    "NZD",
    "SEK",
    "NOK",
    "DKK",
)
MAX_YEARS_AHEAD: Final = 2100
MIN_YEAR: Final = 1900
CLEAR_ORIGIN: Final = 3  # marks of a country on a paper
LAST_OF_THIS_CENTURY: Final = 68  # two digits above it are of the last one, as POSIX has it

_SYMBOL = "|".join(sorted((re.escape(s) for s in (*SYMBOLS, *CODES)), key=len, reverse=True))
_DIGITS = r"(?:\d{1,3}(?:[ ,.'] ?\d{3})+|\d+)(?:[.,]\d{1,3})?"
_MONEY = re.compile(
    rf"(?P<open>\()?\s*(?P<minus>[-\u2212])?\s*(?P<before>{_SYMBOL})?\s*(?P<inner>[-\u2212])?\s*(?P<digits>{_DIGITS}|[.,]\d\d)"
    rf"\s*(?P<after>{_SYMBOL})?\s*(?P<close>\))?(?P<trailing>\s?[-\u2212]|\s?CR\b)?",
    re.IGNORECASE,
)
_LOOSE_POINT = re.compile(r"\s*([.,])\s*(?=\d\d(?!\d))")  # matrix printers leave a space beside the point
_MONTH = r"(?:jan|feb|mar|m\u00e4r|apr|may|mai|jun|jul|aug|sep|oct|okt|nov|dec|dez)[a-z]{0,6}\.?"
_DATE = (
    r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}\s?[-/.]\s?\d{1,2}\s?[-/.]\s?(?:\d{4}|\d{2})"
    rf"|\d{{1,2}}(?:st|nd|rd|th)?[\s\-/.]*{_MONTH}[\s,\-/.]*(?:\d{{4}}|\d{{2}})"
    rf"|{_MONTH}[\s\-/.]*\d{{1,2}}(?:st|nd|rd|th)?[\s,\-/.]+\d{{4}}"
)
_ONE_DATE = re.compile(rf"(?<![\w/.\-])(?:{_DATE})(?![\w/]|[-.]\d)", re.IGNORECASE)
_RANGE = re.compile(rf"({_DATE})\s*(?:-|\u2013|to|thru|through|until)\s*({_DATE})", re.IGNORECASE)
_NUMERIC_DATE = re.compile(r"(\d{1,2})\s?[-/.]\s?(\d{1,2})\s?[-/.]\s?(?:\d{4}|\d{2})")
_IDENTIFIER = re.compile(r"(?=[^\s]*\d)[A-Z0-9][A-Z0-9\-/._]*[A-Z0-9]|\d", re.IGNORECASE)
_ROUND = re.compile(r"(?<!^P)(?<!^S)[OQ]+(?=\d{2})|(?<=^PO)[OQ]+(?=\d{2})|(?<=^SO)[OQ]+(?=\d{2})")
_LEADING = re.compile(r"^0(?=[A-Z]{1,3}[-/]\d)")
_PERCENTAGE = re.compile(r"(-?\d{1,3}(?:[.,]\d{1,3})?)\s?%")
_NUMBER = re.compile(r"(-?\d{1,3}(?:,\d{3})+(?:\.\d+)?|-?\d+(?:\.\d+)?)")
_EMAIL = re.compile(r"[\w.+\-]+@[\w\-]+(?:\.[\w\-]+)+")
_PHONE = re.compile(
    r"(?:\+\d{1,3}[\s.\-]?)?(?:\(\d{2,4}\)\s?|\d{2,4}[\s.\-]{1,3})\d{3,4}[\s.\-]?\d{3,4}(?!\d)"
)

_AMERICAN: Final = re.compile(
    r"\b[A-Z]{2},?\s+\d{5}(?:-\d{4})?\b|\bzip\b|\binc\b|\bllc\b|\(\d{3}\)\s?\d{3}-\d{4}|\$|\bRMA\b|\bU\.?S\.?A?\b|\bD\.?C\.",
    re.IGNORECASE,
)
_ELSEWHERE: Final = re.compile(
    r"\bSDN\b|\bBHD\b|\bRM\b|\bGST\b|\bVAT\b|\bjalan\b|\bjln\b|\bGmbH\b|\bLtd\b|\bPty\b|[\u20ac\u00a3\u20b9]|\+(?!1\b)\d{2}\b"
    r"|\b\d{1,2}\.\d{1,2}\.\d{4}\b|\b\w+(?:datum|nummer)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Parsed:
    """A typed value: `raw` is the part of the text that was read, `value` its normal form."""

    type: str
    raw: str
    value: str
    currency: str | None = None


def money(text: str) -> Parsed | None:
    """Read one signed amount; minus, parentheses and CR all mean less than nothing.

    The last of two different separators is the decimal one; a lone separator with three digits behind it
    groups thousands.
    """
    found = _MONEY.fullmatch(_LOOSE_POINT.sub(r"\1", text.strip()))
    if found is None or bool(found["open"]) != bool(found["close"]):
        return None
    amount = _decimal(re.sub(r"(?<=[,.'])\s", "", found["digits"]))
    if found["open"] or found["minus"] or found["inner"] or found["trailing"]:
        amount = -amount
    symbol = (found["before"] or found["after"] or "").upper()
    return Parsed("money", text.strip(), _plain(amount), SYMBOLS.get(symbol, symbol or None))


def _decimal(digits: str) -> Decimal:
    last = max(digits.rfind("."), digits.rfind(","))
    separator = digits[last] if last >= 0 else ""
    fraction = digits[last + 1 :] if last >= 0 else ""
    several = digits.count(separator) > 1 if separator else False
    grouped = len(fraction) == 3 and (several or len(set(re.findall(r"[.,' ]", digits))) == 1)  # noqa: PLR2004
    whole = digits if last < 0 or grouped else digits[:last]
    return Decimal((re.sub(r"\D", "", whole) or "0") + ("" if last < 0 or grouped else f".{fraction}"))


def _plain(amount: Decimal) -> str:
    return f"{amount or abs(amount):f}"


def date(text: str, *, order: str = MONTH_FIRST) -> Parsed | None:
    """Read one whole date (day, month and year) in an explicit order of parts."""
    raw = text.strip()
    if not _ONE_DATE.fullmatch(raw):
        return None
    numbers = re.fullmatch(r"(\d+)\s*[-/.]\s*(\d+)\s*[-/.]\s*(\d+)", raw)
    day = _counted(*numbers.groups(), order=order) if numbers else _spelt(raw)
    if day is None or not MIN_YEAR <= day.year <= MAX_YEARS_AHEAD:
        return None
    return Parsed("date", raw, day.isoformat())


def _counted(first: str, second: str, third: str, *, order: str) -> dt.date | None:
    """Return the day that three numbers mean, years first where they have four digits."""
    if len(first) == 4:  # noqa: PLR2004 - digits of a year
        year, month, day = first, second, third
    else:
        day, month, year = (first, second, third) if order == DAY_FIRST else (second, first, third)
    century = 0 if len(year) == 4 else 1900 if int(year) > LAST_OF_THIS_CENTURY else 2000  # noqa: PLR2004
    try:
        return dt.date(century + int(year), int(month), int(day))
    except ValueError:
        return None


@cache
def _spelt(text: str) -> dt.date | None:
    """Return the day whose month is written as a word, in English or German."""
    moment = dateparser.parse(
        text,
        languages=["en", "de"],
        settings={
            "REQUIRE_PARTS": ["day", "month", "year"],
            "STRICT_PARSING": True,
            "PARSERS": ["absolute-time"],
        },
    )
    return moment.date() if moment else None


def date_range(text: str, *, order: str = MONTH_FIRST) -> Parsed | None:
    """Read two dates with a dash or word between them, as an ISO 8601 interval."""
    found = _RANGE.fullmatch(text.strip())
    ends = [date(part, order=order) for part in found.groups()] if found else []
    if len(ends) != 2 or ends[0] is None or ends[1] is None or ends[0].value > ends[1].value:  # noqa: PLR2004
        return None
    return Parsed("date_range", text.strip(), f"{ends[0].value}/{ends[1].value}")


def date_order(texts: Sequence[str], *, otherwise: str) -> tuple[str, bool]:
    """Return DMY or MDY as the unambiguous dates among `texts` tell, and whether they told."""
    votes = 0
    for text in texts:
        for first, second in _NUMERIC_DATE.findall(text):
            votes += (int(first) > 12 >= int(second)) - (int(second) > 12 >= int(first))  # noqa: PLR2004
    return (otherwise, False) if votes == 0 else (DAY_FIRST if votes > 0 else MONTH_FIRST, True)


def usual_order(text: str, *, otherwise: str) -> tuple[str, bool]:
    """Return the order of day and month usual where a paper seems to come from, and whether that is clear.

    In the US months come first. It is clear where several marks of one side meet none of the other.
    """
    american, elsewhere = len(_AMERICAN.findall(text)), len(_ELSEWHERE.findall(text))
    if american == elsewhere:
        return otherwise, False
    clear = max(american, elsewhere) >= CLEAR_ORIGIN and min(american, elsewhere) == 0
    return (MONTH_FIRST if american > elsewhere else DAY_FIRST), clear


def is_ambiguous(raw: str) -> bool:
    """Tell whether a numeric date reads as two different days in the two orders."""
    found = _NUMERIC_DATE.fullmatch(raw.strip())
    return found is not None and found[1] != found[2] and max(int(found[1]), int(found[2])) <= 12  # noqa: PLR2004


def identifier(text: str) -> Parsed | None:
    """Read one number or code of letters and digits with at least one digit and no space inside."""
    raw = text.strip().strip(":#.,;")
    other = re.fullmatch(r"\d+[.,]\d\d|\d{3}-\d{3}-\d{4}", raw)  # an amount, or a telephone number
    return Parsed("identifier", raw, raw.upper()) if _IDENTIFIER.fullmatch(raw) and not other else None


def as_scanned(code: str) -> str:
    """Return a code that was read from pixels with zeros where scanners see an O or a Q before digits.

    Letters stay in the usual beginnings of purchase and sales orders; a zero before the letters that a code
    begins with is an O.
    """
    return _ROUND.sub(lambda found: "0" * len(found[0]), _LEADING.sub("O", code))


def number(text: str) -> Parsed | None:
    """Read one whole or decimal number."""
    raw = text.strip()
    return Parsed("number", raw, _plain(Decimal(raw.replace(",", "")))) if _NUMBER.fullmatch(raw) else None


def percentage(text: str) -> Parsed | None:
    """Read one percentage; the value is in percent."""
    found = _PERCENTAGE.fullmatch(text.strip())
    return Parsed("percentage", text.strip(), found[1].replace(",", ".")) if found else None


def email(text: str) -> Parsed | None:
    """Read one electronic address."""
    raw = text.strip()
    return Parsed("email", raw, raw.lower()) if _EMAIL.fullmatch(raw) else None


def phone(text: str) -> Parsed | None:
    """Read one telephone number; the value keeps digits and a leading plus."""
    raw = text.strip()
    return Parsed("phone", raw, re.sub(r"[^\d+]", "", raw)) if _PHONE.fullmatch(raw) else None


def words(text: str) -> Parsed | None:
    """Read free text: anything with a letter or digit in it, spaces made single."""
    raw = " ".join(text.split()).strip(" :|_-")
    return Parsed("text", raw, raw) if re.search(r"\w", raw) else None


def parse(text: str, *, kind: str, order: str = MONTH_FIRST) -> Parsed | None:
    """Read the first thing of type `kind` that `text` begins with or holds; nothing where there is none."""
    if kind == "text":
        return words(text)
    for found in _PATTERNS[kind].finditer(text):
        parsed = _reader(kind, order=order)(found[0])
        if parsed is not None:
            return parsed
    return None


def _reader(kind: str, *, order: str) -> Callable[[str], Parsed | None]:
    if kind == "date":
        return lambda text: date(text, order=order)
    if kind == "date_range":
        return lambda text: date_range(text, order=order)
    return _READERS[kind]


_READERS: Final[dict[str, Callable[[str], Parsed | None]]] = {
    "money": money, "identifier": identifier, "number": number, "percentage": percentage, "email": email,
    "phone": phone,
}  # fmt: skip
_PATTERNS: Final = {
    "email": _EMAIL, "date_range": _RANGE, "date": _ONE_DATE, "percentage": _PERCENTAGE, "phone": _PHONE,
    "money": _MONEY, "identifier": re.compile(r"(?=\S*\d)[A-Z0-9]\S*", re.IGNORECASE), "number": _NUMBER,
}  # fmt: skip
# Free-standing amounts need a currency or two decimals: any bare number would pass otherwise.
_PLAIN_AMOUNT = re.compile(
    rf"(?<![\w.,/\-])\(?[-\u2212]?\s?(?:(?:{_SYMBOL})\s?)?[-\u2212]?(?:\d{{1,3}}(?:[ ,.]\d{{3}})+|\d+)"
    rf"(?:[.,]\s?|\s[.,])\d\d\)?(?![\w%]|[.,/\-]\d)|(?<!\w)(?:{_SYMBOL})\s?\d[\d,]*(?![\w%.,])",
    re.IGNORECASE,
)
_CODE = re.compile(
    r"(?<![\w\-/.])(?=[A-Z0-9\-/]*\d)(?=[A-Z0-9\-/]{4,})[A-Z0-9]+(?:[\-/][A-Z0-9]+)*(?![\w\-/])",
    re.IGNORECASE,
)
_LONE_NUMBER = re.compile(r"(?<![\w.,/\-$])-?\d{1,3}(?:,\d{3})*(?:\.\d+)?(?![\w%/\-]|[.,]\d)")
_SCAN: Final = (
    ("email", _EMAIL), ("date_range", _RANGE), ("date", _ONE_DATE), ("percentage", _PERCENTAGE),
    ("money", _PLAIN_AMOUNT),
    ("phone", re.compile(rf"(?<![\w\-/.]){_PHONE.pattern}")), ("identifier", _CODE), ("number", _LONE_NUMBER),
)  # fmt: skip


def scan(text: str, *, order: str = MONTH_FIRST) -> Iterator[tuple[int, int, Parsed]]:
    """Yield every typed value in a line of text with its start and end; more particular types come first."""
    taken = [False] * len(text)
    for kind, pattern in _SCAN:
        for found in pattern.finditer(text):
            start, end = found.span()
            parsed = None if any(taken[start:end]) else _reader(kind, order=order)(found[0])
            if parsed is not None:
                # A range also is two dates, each of which someone may be looking for.
                taken[start:end] = [kind != "date_range"] * (end - start)
                yield start, end, parsed
