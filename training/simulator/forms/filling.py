"""What is written on a form: values that agree with each other, as printed and in normal form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import numpy as np

from training.simulator.forms.layouts import Layout


@dataclass(frozen=True, slots=True)
class Written:
    """A value as printed and in normal form."""

    text: str
    value: str


Values = Mapping[str, Written]
EMPTY: Final = Written("", "")

CHOICES: Final = {
    "customer": (
        "Harbor Supply Co", "Northgate Electric LLC", "Bluestone Builders Inc", "Delta Plumbing Group",
        "Weber Haustechnik GmbH", "Okafor & Sons Ltd", "Riverbend Tool Rental", "St. Clair Hardware",
    ),
    "vendor": (
        "Apex Tool Works", "Meridian Lighting Corp", "Sterling Pumps Ltd", "Vanguard Batteries",
        "Brandt Werkzeuge AG", "Pacific Valve Supply",
    ),
    "shipper": (
        "Recoup Distribution Dallas", "Lakeside Warehouse 4", "Central Depot Reno", "Nordlager Bremen",
    ),
    "consignee": (
        "Harbor Supply Co", "Pine Street Hardware", "Coastal HVAC Services", "Weber Haustechnik GmbH",
    ),
    "carrier": ("Redline Freight", "Summit Express", "Old Harbor Trucking", "Rhein Spedition"),
    "contact": ("Maria Lopez", "James Whitfield", "Anika Rao", "Tom Becker", "Sabine Krause", "Li Wei"),
    "address": ("415 Commerce Street, Dallas TX 75201", "88 Mill Road, Reno NV 89501"),
    "description": (
        "Cordless drill 18V", "LED panel 60x60", "Sump pump half HP", "Safety harness size L",
        "Circular saw blade 190 mm", "Thermostat Wi-Fi", "Copper elbow 22 mm", "Battery pack 5 Ah",
    ),
    "reason": ("Defective on arrival", "Wrong item shipped", "Damaged in transit", "Ordered in error"),
    "problem": (
        "Motor stops after one minute", "Housing cracked at the handle", "Does not hold a charge",
        "Leaks at the inlet valve",
    ),
    "condition": ("Opened and used", "New in box", "Packaging damaged"),
    "resolution": ("Credit to account", "Replacement", "Repair and return"),
    "claim_type": ("Concealed damage", "Shortage", "Total loss"),
    "issuer": (
        "LIM HOME HARDWARE SDN BHD", "Corner Street Cafe", "Golden Wheat Bakery", "M & R Stationery Trading",
        "Harbor Supply Co", "Tanjung Mart Sdn. Bhd.", "Northgate Electric LLC", "Okafor & Sons Ltd",
        "RESTORAN SERI MELUR", "Brandt Werkzeuge GmbH", "CITY PARKING SERVICES", "Lotus Garden\nRestaurant",
    ),
}  # fmt: skip
GERMAN: Final = {
    "reason": ("Defekt bei Lieferung", "Falscher Artikel geliefert", "Transportschaden"),
    "description": ("Akkuschrauber 18V", "LED-Panel 60x60", "Tauchpumpe 0,5 PS", "Kupferbogen 22 mm"),
}  # fmt: skip
PEOPLE: Final = {"authorized_by", "received_by", "driver", "email"}
# Several ways of numbering, so that nothing is learned from one company's habits.
CODES: Final = {
    "rma_number": ("RMA-{:06d}", "R{:07d}", "{:08d}"), "order_number": ("SO-{:06d}", "{:07d}", "OE/{:05d}"),
    "invoice_number": ("INV-{:06d}", "{:06d}", "R-2026-{:05d}"), "po_number": ("PO{:07d}", "45{:08d}"),
    "customer_id": ("C-{:05d}", "{:06d}"), "vendor_id": ("V{:05d}", "{:06d}"),
    "item": ("DRL-{:04d}B", "{:06d}", "HX.{:05d}"), "serial": ("SN{:08d}", "{:010d}"),
    "bol_number": ("BOL{:07d}", "{:08d}"), "pro_number": ("{:09d}",),
    "delivery_number": ("DN-{:06d}", "80{:06d}"),
    "contract_number": ("{:08d}", "{:07d}-1", "K{:06d}"),
    "claim_number": ("CLM-{:05d}", "{:07d}"), "trailer": ("TR-{:05d}",), "seal": ("{:07d}",),
}  # fmt: skip
FORMATS: Final = {"en": ("%m/%d/%Y", "%Y-%m-%d", "%b %d, %Y", "%d %B %Y"), "de": ("%d.%m.%Y",)}
# In the order in which they happen.
DATES: Final = (
    "order_date", "invoice_date", "delivery_date", "date_failed", "request_date", "authorized_date",
    "claim_date",
)  # fmt: skip
MONTHS_FIRST, DAYS_FIRST = ("%m/%d/%Y", "%m/%d/%y", "%b %d, %Y"), ("%d/%m/%Y", "%d-%m-%y", "%d %b %Y")
# Where an issuer sits, and how dates are written there.
SEATS: Final = (
    ("415 Commerce Street\nDallas TX 75201", MONTHS_FIRST),
    ("88 Mill Road\nReno, NV 89501", MONTHS_FIRST),
    ("NO. 12, JALAN BUNGA 3/5,\nTAMAN SRI INDAH,\n81100 JOHOR BAHRU", DAYS_FIRST),
    ("Lot 8, Lorong Mawar 2\n43000 Kajang, Selangor", DAYS_FIRST),
    ("Unit 3-1, Jalan Utama,\nPersiaran Perdana,\n50480 Kuala Lumpur", DAYS_FIRST),
    ("17 High Street\nLeeds LS1 4DY", DAYS_FIRST),
)
# Papers of other kinds call the same days and parties otherwise, and cut years short.
DAYS_OF_OTHERS: Final = {"date": "request_date", "flight_from": "order_date", "flight_to": "claim_date"}
PARTIES_OF_OTHERS: Final = {"bill_to": "customer", "buyer": "contact", "salesperson": "contact"}
DISCOUNT: Final = 15  # percent of a gross amount
MOST_ITEMS: Final = 4
WEIGHT_UNIT: Final = {"en": "lb", "de": "kg"}


@dataclass(frozen=True, slots=True)
class Filling:
    """All that is written on one form: single values, the rows of its table and what is ticked."""

    single: Values
    items: tuple[Values, ...]
    ticked: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Hand:
    """The habits of whoever fills in a form: language and way of writing dates."""

    language: str
    dates: str
    rng: np.random.Generator

    def money(self, cents: int) -> Written:
        """An amount as the language writes it."""
        plain = f"{cents / 100:.2f}"
        if self.language == "de":
            grouped = f"{cents / 100:,.2f}".translate(str.maketrans(",.", ".,"))
            return Written(f"{grouped} €", plain)
        return Written(f"${cents / 100:,.2f}", plain)

    def days(self) -> Values:
        """All dates of one form, in their order."""
        steps = self.rng.integers(0, 45, size=len(DATES)).cumsum()
        days = (date(2026, 1, 1) + timedelta(days=int(step)) for step in steps)
        written = {
            name: Written(f"{day:{self.dates}}", day.isoformat())
            for name, day in zip(DATES, days, strict=True)
        }
        first, last = written["order_date"], written["claim_date"]
        period = Written(f"{first.text} - {last.text}", f"{first.value}/{last.value}")
        return written | {new: written[old] for new, old in DAYS_OF_OTHERS.items()} | {"period": period}

    def write(self, field: str) -> Written:
        """A value that fits the field and depends on no other."""
        if field == "weight":
            pounds = int(self.rng.integers(20, 900))
            return Written(f"{pounds} {WEIGHT_UNIT[self.language]}", str(pounds))
        if field in {"quantity", "pieces", "short", "damaged"}:
            count = str(int(self.rng.integers(1, 25)))
            return Written(count, count)
        if field == "tracking":
            return self._same(tracking_number(self.rng))
        if field in CODES:
            pattern = str(self.rng.choice(CODES[field]))
            return self._same(pattern.format(int(self.rng.integers(1000, 99_999))))
        return self._said(field)

    def _said(self, field: str) -> Written:
        if field == "phone":
            digits = "".join(str(digit) for digit in self.rng.integers(2, 10, size=10))
            return Written(f"({digits[:3]}) {digits[3:6]}-{digits[6:]}", digits)
        spoken = GERMAN.get(field) if self.language == "de" else None
        name = str(
            self.rng.choice(
                spoken or CHOICES["contact" if field in PEOPLE else PARTIES_OF_OTHERS.get(field, field)]
            )
        )
        return self._same(name.lower().replace(" ", ".") + "@example.com" if field == "email" else name)

    @staticmethod
    def _same(text: str) -> Written:
        return Written(text, " ".join(text.split()))


def tracking_number(rng: np.random.Generator) -> str:
    """Return a UPS number with its right check digit."""
    body = "".join(str(digit) for digit in rng.integers(0, 10, size=15))
    # Digits in odd places count once, those in even places twice; the last one fills up to ten.
    weighed = sum(int(digit) * (1 + place % 2) for place, digit in enumerate(body))
    return f"1Z{body}{-weighed % 10}"


def filled(layout: Layout, *, rng: np.random.Generator, blank: float = 0.0) -> Filling:
    """Return what is written on one form of a layout; amounts and counts agree.

    `blank` is the share of single fields that are left empty, and of forms that nobody filled in at all.
    """
    if blank and rng.random() < blank / 2:
        nothing = {cell.field: EMPTY for cell in layout.cells}
        return Filling(nothing, (), {})
    seat, formats = SEATS[int(rng.integers(len(SEATS)))] if layout.style == "receipt" else ("", ())
    hand = Hand(layout.language, str(rng.choice(formats or FORMATS[layout.language])), rng)
    rows = int(rng.integers(1, MOST_ITEMS + 1)) if layout.table else 0
    cents = [int(rng.integers(500, 90_000)) for _ in range(max(rows, 1))]
    counts = [int(rng.integers(1, 25)) for _ in range(max(rows, 1))]
    items = tuple(
        _item(layout, hand, quantity=count, cents=price)
        for count, price in zip(counts[:rows], cents[:rows], strict=True)
    )
    gross = sum(count * price for count, price in zip(counts, cents, strict=True))
    due = hand.money(gross)
    pieces = str(sum(counts))
    agreed = {
        "credit_amount": due,
        "claim_amount": due,
        "total": due,
        "gross_amount": due,
        "net_amount": hand.money(gross - gross * DISCOUNT // 100),
        "quantity": Written(str(counts[0]), str(counts[0])),
        "unit_price": hand.money(cents[0]),
        "pieces": Written(pieces, pieces),
        **hand.days(),
    }
    if seat:
        agreed["address"] = Written(seat, " ".join(seat.split()))
    single = {cell.field: agreed.get(cell.field) or hand.write(cell.field) for cell in layout.cells}
    if blank:
        single = {name: EMPTY if rng.random() < blank else written for name, written in single.items()}
    ticked = {ticks.field: str(rng.choice(ticks.options)) for ticks in layout.ticks}
    return Filling(single, items, ticked)


def _item(layout: Layout, hand: Hand, *, quantity: int, cents: int) -> Values:
    agreed = {
        "quantity": Written(str(quantity), str(quantity)),
        "unit_price": hand.money(cents),
        "line_total": hand.money(cents * quantity),
    }
    return {head.field: agreed.get(head.field) or hand.write(head.field) for head in layout.table}
