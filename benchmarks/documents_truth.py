"""Real documents with what is written on them, read beside the project and never copied into it."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Final

import pypdfium2 as pdfium
from rapidfuzz import fuzz

from features.documents import Document
from features.documents.values.parsers import DAY_FIRST
from features.documents.values.parsers import date as parsed_date

DATA: Final = Path(__file__).parents[2] / "shared" / "data"
RASTER_DPI: Final = 200
DECADE, CENTURIES, YEAR_OF_THE_SET = 10, 1000, 2020
SAME_NAME: Final = 90.0  # rapidfuzz ratio of letters: one in ten misread
LEGAL: Final = re.compile(r"\b(?:the|inc|llc|llp|lp|ltd|co|corp|l l c|l l p)\b")


@dataclass(frozen=True, slots=True)
class Written:
    """What a field of a real document says; `kind` is text, name, date or money."""

    kind: str
    value: str


@dataclass(frozen=True, slots=True)
class Labelled:
    """A real document and what is known of it."""

    group: str
    name: str
    data: bytes
    fields: Mapping[str, Written]


def agrees(written: Written, read: str | None) -> bool:
    """Whether a reading is what was written: only letters and digits of texts count."""
    if read is None:
        return False
    if written.kind == "money":
        return _amount(written.value) == _amount(read)
    if written.kind == "date":
        return written.value == read
    return _bare(written.value) == _bare(read)


def nearly(written: Written, read: str | None) -> bool:
    """Whether a name is the same company's: one letter in ten misread, without article and legal form."""
    if read is None:
        return False
    return fuzz.ratio(_name(written.value), _name(read)) >= SAME_NAME


def _bare(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.casefold())


def _name(text: str) -> str:
    return " ".join(LEGAL.sub(" ", re.sub(r"[^a-z0-9]+", " ", text.casefold())).split())


def _amount(text: str) -> Decimal | None:
    try:
        return Decimal(re.sub(r"[^\d.\-]", "", text))
    except InvalidOperation:
        return None


def receipts() -> Iterator[Labelled]:
    """Scanned receipts: company, date, address and total."""
    folder = DATA / "documents" / "sroie"
    for key in sorted((folder / "key").glob("*.json")):
        said = json.loads(key.read_text())
        found = parsed_date(said["date"], order=DAY_FIRST)
        fields = {
            "issuer": Written("text", said["company"]),
            "address": Written("text", said["address"]),
            "total": Written("money", said["total"]),
            "date": Written("date", found.value if found else said["date"]),
        }
        yield Labelled("sroie", key.stem, (folder / "img" / f"{key.stem}.jpg").read_bytes(), fields)


def filings() -> Iterator[Labelled]:
    """Stamped filings: registration number and registrant."""
    folder = DATA / "documents" / "fara_filings"
    for row in _rows(folder):
        fields = {
            "registration_number": Written("text", row["registration_num"]),
            "registrant": Written("name", row["registrant_name"]),
        }
        yield Labelled("fara", row["image"], (folder / "img" / row["image"]).read_bytes(), fields)


def orders(*, rasterised: bool) -> Iterator[Labelled]:
    """Orders for advertising: number, advertiser, gross amount and the days of the flight."""
    folder = DATA / "documents" / "adbuy_orders"
    for row in _rows(folder):
        data = (folder / "pdf" / f"{row['file_id']}.pdf").read_bytes()
        fields = {
            "contract_number": Written("text", row["contract_num"]),
            "advertiser": Written("text", row["advertiser"]),
            "gross_amount": Written("money", row["gross_amount"]),
            "flight_from": Written("date", _day(row["flight_from"])),
            "flight_to": Written("date", _day(row["flight_to"])),
        }
        group = "adbuy_raster" if rasterised else "adbuy_digital"
        yield Labelled(group, row["file_id"], raster(data) if rasterised else data, fields)


def _rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "labels.csv").open(encoding="utf-8", newline="") as source:
        return list(csv.DictReader(source))


def _day(text: str) -> str:
    """A day as the labels have it; where a year is cut short, it is that of the whole set."""
    month, day, year = (int(part) for part in text.split("/"))
    whole = year if year >= CENTURIES else 2000 + year if year >= DECADE else YEAR_OF_THE_SET
    return date(whole, month, day).isoformat()


def raster(data: bytes) -> bytes:
    """The same pages as a scan."""
    with pdfium.PdfDocument(data) as pdf:
        pages = [page.render(scale=RASTER_DPI / 72, grayscale=True).to_pil() for page in pdf]
    target = io.BytesIO()
    pages[0].save(target, "PDF", save_all=True, append_images=pages[1:], resolution=RASTER_DPI)
    return target.getvalue()


def read_of(document: Document, name: str) -> tuple[str, float, bool] | None:
    """What a document says under a name of the labels, how surely, and whether a person may be spared.

    An order is filed under the number of its contract, order or invoice, whichever it carries; the ends of a
    flight stand in one field or in two.
    """
    others = {
        "contract_number": ("invoice_number", "order_number"),
        "gross_amount": ("total",),
        "flight_from": ("flight_dates",),
        "flight_to": ("flight_dates",),
    }
    if name.startswith("flight") and (found := document.field("flight_dates")) and "/" in found.value:
        return found.value.split("/")[name == "flight_to"], found.confidence, found.accepted
    for candidate in (name, *others.get(name, ())):
        if found := document.field(candidate):
            return found.value, found.confidence, found.accepted
    return None


def parcel_numbers() -> Iterator[tuple[list[str], list[str]]]:
    """Parcel numbers of every service of every carrier: valid ones, and invalid ones."""
    for path in sorted((DATA / "tracking_numbers").glob("*.json")):
        for kind in json.loads(path.read_text())["tracking_numbers"]:
            yield kind["test_numbers"]["valid"], kind["test_numbers"]["invalid"]
