"""Papers of no known kind: who issued it, where from, when, and the total, told by where things stand."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from statistics import fmean
from typing import Final

from features.documents.document import Candidate, Proposal, Word
from features.documents.layout import Sheet, outline, rows
from features.documents.values.parsers import Parsed, scan

NO_FEATURES: Final = (0.0,) * 15
HEAD_ROWS: Final = 16  # an issuer and its address stand at the top
ADDRESS_ROWS: Final = 6
# How often readings told by place are right to the letter, on receipts: what their confidence says.
NAMED, UNNAMED, DATED, ADDRESSED, UNPLACED = 0.7, 0.45, 0.95, 0.4, 0.2
PAID_SCORE: Final = 0.55  # cash less change, where no row says total as well
READABLE: Final = 0.35  # mean confidence below which a row is handwriting or noise

COMPANY: Final = re.compile(
    r"\b(?:s[dao][ni]\.?\s?b[hn][do]|s/b|bhd|inc|llc|l\.l\.c|ltd|limited|gmbh|corp|corporation|co\.|company|pty|plc|enterprise|trading"
    r"|restaurant|restoran|cafe|hardware|mart|store|stationery|pharmacy|kedai|market|hotel|bakery|station|services|supplies)\b",
    re.IGNORECASE,
)
LEGAL_FORM: Final = re.compile(
    r"\b(?:s[dao][ni]\.?\s?b[hn][do]|s/b|bhd|inc|llc|ltd|gmbh|plc|pty)\b\.?", re.IGNORECASE
)
TITLE: Final = re.compile(
    r"invoice|receipt|welcome|thank|copy|bill\b|page\b|order\b|cash sale", re.IGNORECASE
)
# Legal forms as small print makes them read: the letters of a fixed phrase are known, however they look.
MISREAD: Final = (
    (re.compile(r"\bS[DAO][NI](\.?)\s?B[HN][DO]\b", re.IGNORECASE), r"SDN\1 BHD"),
    (re.compile(r"\b5/B\b"), "S/B"),
)
REGISTRATION: Final = re.compile(
    r"^\W*(?:co\.?|company|comp|reg\w*|gst|roc|tax|vat|sst|id)\b.*\d|^\W*\(?[A-Z]{0,3}\d{4,9}\s?-?\s?[A-Z0-9]\W*$|^\W*\(?\d{5,}\W*\w?\W*$",
    re.IGNORECASE,
)
REGISTERED: Final = re.compile(
    r"\s*[(\[{]?\s*(?:co\.?\s*(?:reg\.?)?\s*(?:no\.?)?\s*:?)?\s*[A-Z]{0,2}\d{4,}\s*[-:]?\s*\w?\s*[)\]}]?\s*$",
    re.IGNORECASE,
)
STOP: Final = re.compile(
    r"\b(?:tel|fax|phone|hp|gst|reg(?:istration)?|invoice|receipt|date|time|cashier|bill|table|email|website|www|http|doc|order|counter"
    r"|customer|member|tax|roc|co\s?reg)\b|@|www\.",
    re.IGNORECASE,
)
STREET: Final = re.compile(
    r"^\W*(?:no\.?\s?[:.]?\s?\d|lot\b|unit\b|level\b|block\b|blok\b|suite\b|p\.?\s?o\.?\s?box|\d+[a-z]?\s?(?:-\s?\d+\s?)?[,&.]|\d+\s+\w+|[a-z]?\d+[,-])"
    r"|\b(?:jalan|jln|street|road|rd|avenue|ave|lorong|taman|tmn|plaza|floor|persiaran|batu|highway|blvd|boulevard|lane|drive|bandar|kampung|kawasan)\b"
    r"|\b\d{5}\b",
    re.IGNORECASE,
)
DATE_OR_TIME: Final = re.compile(
    r"\d{1,2}:\d\d|\b\d{1,2}\s*(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)|/(?:19|20)\d\d",
    re.IGNORECASE,
)
POSTCODE: Final = re.compile(r"\b\d{5}\b")
TOTAL: Final = re.compile(r"\b(?:t[o0]ta[l1i]s?|jumlah|amount\s+due|balance\s+due|nett?)\b", re.IGNORECASE)
NOT_TOTAL: Final = re.compile(
    r"sub|\bqty|quantity|item|disc|saving|excl|before|round(?:ing)?\b(?!.*total)|tender|change|summary|points|weight|spots|pieces",
    re.IGNORECASE,
)
TAX: Final = re.compile(r"\b(?:gst|tax|vat|sst|service)\b", re.IGNORECASE)
INCLUSIVE: Final = re.compile(r"\binc|\bwith\b|after|payable", re.IGNORECASE)
FINAL: Final = re.compile(r"grand|round|nett?\b|payable|due|incl|amount|gross|\$|total sales", re.IGNORECASE)
CASH: Final = re.compile(r"\b(?:cash|tender\w*|paid|visa|master\w*|payment)\b", re.IGNORECASE)
CHANGE: Final = re.compile(r"\bchange\b", re.IGNORECASE)
ROUNDING: Final = re.compile(r"\bround", re.IGNORECASE)


@dataclass(frozen=True)
class Line:
    """One row of a page as text, with its amounts."""

    words: tuple[Word, ...]
    amounts: tuple[Parsed, ...]

    @cached_property
    def text(self) -> str:
        """The words with single spaces."""
        return " ".join(word.text for word in self.words)

    @cached_property
    def confidence(self) -> float:
        """How well the row was read."""
        return fmean(word.confidence for word in self.words)

    @property
    def readable(self) -> bool:
        """Whether this is print and says something."""
        return self.confidence >= READABLE and len(re.findall(r"[A-Za-z]", self.text)) >= 3  # noqa: PLR2004


def told_by_place(sheets: Sequence[Sheet], dates: Sequence[Candidate]) -> Iterator[Proposal]:
    """Yield issuer, address, date and total of a paper without labels for them."""
    if not sheets or not sheets[0].words:
        return
    head = _lines(sheets[0])
    start = _issuer(head)
    if start is not None:
        first, last = start
        issuer = [word for line in head[first : last + 1] for word in line.words]
        name = _company_name(" ".join(word.text for word in issuer))
        yield _proposal("issuer", issuer, name, score=NAMED if COMPANY.search(name) else UNNAMED)
        yield from _address(head, last + 1)
    for rank, candidate in enumerate(c for c in dates if c.type == "date"):
        yield _from_candidate(candidate, score=DATED * 0.7**rank)
    yield from _totals([line for sheet in sheets for line in _lines(sheet)])


def _lines(sheet: Sheet) -> list[Line]:
    return [_line(row) for row in rows(sheet.words)]


def _line(row: Sequence[Word]) -> Line:
    text = " ".join(word.text for word in row)
    return Line(tuple(row), tuple(parsed for _, _, parsed in scan(text) if parsed.type == "money"))


def _issuer(lines: Sequence[Line]) -> tuple[int, int] | None:
    """Return the first and last row of the issuer's name: one with a company's mark, else the first."""
    head = [(n, line) for n, line in enumerate(lines[:HEAD_ROWS]) if line.readable]
    end = next(
        (n for n, line in head if STOP.search(line.text) and not LEGAL_FORM.search(line.text)), HEAD_ROWS
    )
    names = [(n, line) for n, line in head if n < end and not TITLE.search(line.text)]
    marked = [n for n, line in names if LEGAL_FORM.search(line.text)] or [
        n for n, line in names if COMPANY.search(line.text)
    ][:1]
    if not names:
        return None
    if not marked:
        plain = [n for n, line in names if not STREET.search(line.text)]
        return (plain[0], plain[0]) if plain else None
    row = marked[0]
    alone = len(LEGAL_FORM.sub("", _company_name(lines[row].text)).split()) <= 1
    before = [n for n, _ in names if n < row]
    return (before[-1], row) if alone and before and row - before[-1] == 1 else (row, row)


def _company_name(text: str) -> str:
    """Return the name without a registration number behind it, its legal form spelt as it must be."""
    for pattern, meant in MISREAD:
        text = pattern.sub(meant, text)
    return re.sub(REGISTERED, "", text).strip(" ,:;*-_'\"\u201c\u2018|~=")


def _address(lines: Sequence[Line], start: int) -> Iterator[Proposal]:
    rows_found: list[Line] = []
    for line in lines[start : start + HEAD_ROWS]:
        ends = STOP.search(line.text) and not POSTCODE.search(line.text)
        if rows_found and (ends or len(rows_found) == ADDRESS_ROWS or not line.readable):
            break
        if REGISTRATION.search(line.text) or ends or not line.readable:
            continue
        if rows_found or (
            STREET.search(line.text) and not DATE_OR_TIME.search(line.text) and not line.amounts
        ):
            rows_found.append(line)
    if rows_found:
        place = [word for line in rows_found for word in line.words]
        text = " ".join(word.text for word in place).strip(" :;|_'\"")
        yield _proposal("address", place, text, score=ADDRESSED if POSTCODE.search(text) else UNPLACED)


def _totals(lines: Sequence[Line]) -> Iterator[Proposal]:
    handed = _handed(lines)
    every = [Decimal(amount.value) for line in lines for amount in line.amounts]
    rounding = (
        n for n, line in enumerate(lines) if ROUNDING.search(line.text) and not TOTAL.search(line.text)
    )
    rounded = next(rounding, len(lines))
    for number, line in enumerate(lines):
        source = next((near for near in lines[number : number + 2] if near.amounts), None)
        if source is None or not TOTAL.search(line.text) or NOT_TOTAL.search(line.text):
            continue
        best = max(source.amounts, key=lambda amount: Decimal(amount.value))
        amount = Decimal(best.value)
        score = _weigh(line, source, amount) + 0.1 * (number > rounded)
        score += 0.05 * min(every.count(amount) - 1, 3) + 0.25 * (amount in handed)
        numbers = [word for word in source.words if any(character.isdigit() for character in word.text)]
        yield _proposal("total", numbers, best, score=max(min(score, 0.99), 0.05), label=line.text[:40])
    for amount, words in handed.items():
        derived = Parsed("money", " ".join(word.text for word in words), f"{amount:.2f}")
        yield _proposal("total", words, derived, score=PAID_SCORE, label="cash less change")


def _weigh(line: Line, source: Line, amount: Decimal) -> float:
    """Return how much a row called a total looks like the one to pay."""
    score = 0.5 + 0.12 * bool(FINAL.search(line.text))
    score -= 0.15 * (len(source.amounts) > 1) + 0.1 * (source is not line) + 0.3 * (amount <= 0)
    return score - 0.2 * bool(TAX.search(line.text) and not INCLUSIVE.search(line.text))


def _handed(lines: Sequence[Line]) -> dict[Decimal, tuple[Word, ...]]:
    """Return what was handed over less the change, with the rows that say so: what the total must be."""
    paid = [line for line in lines if CASH.search(line.text) and line.amounts and not TOTAL.search(line.text)]
    change = [line for line in lines if CHANGE.search(line.text) and line.amounts]
    differences = {
        Decimal(cash.amounts[-1].value) - abs(Decimal(back.amounts[-1].value)): (*cash.words, *back.words)
        for cash in paid
        for back in change
    }
    return {amount: words for amount, words in differences.items() if amount > 0}


def _proposal(
    name: str, words: Sequence[Word], value: str | Parsed, *, score: float, label: str = ""
) -> Proposal:
    parsed = value if isinstance(value, Parsed) else Parsed("text", value, value)
    return Proposal(
        name=name,
        label=label,
        raw=parsed.raw,
        value=parsed.value,
        type=parsed.type,
        currency=parsed.currency,
        parsed=True,
        page=words[0].page,
        polygon=outline(list(words)),
        method="layout",
        confidence=min(word.confidence for word in words)
        if parsed.type == "money"
        else fmean(word.confidence for word in words),
        score=round(score, 4),
        features=NO_FEATURES,
    )


def _from_candidate(candidate: Candidate, *, score: float) -> Proposal:
    return Proposal(
        name="date",
        label="",
        raw=candidate.raw,
        value=candidate.value,
        type="date",
        currency=None,
        parsed=True,
        page=candidate.page,
        polygon=candidate.polygon,
        method="layout",
        confidence=candidate.confidence,
        score=round(score, 4),
        features=NO_FEATURES,
    )
