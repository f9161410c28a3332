"""The canonical vocabulary of returns: codes, money, the record of one return line, the table of facts.

Imports nothing heavy, so that policy can use it. Codes and their meaning follow X12 1292-1294, CBV,
R2v3 REC and the platforms' own lists; see ``docs/decisions/0002-vocabulary.md``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Final


class RecoupError(Exception):
    """A refusal that knows its HTTP status, its stable code and the next step."""

    status = 500
    code = "internal"
    hint = ""


class BadInputError(RecoupError):
    """Something handed in is wrong; the sentence names the place and the next step."""

    status = 422
    code = "bad_input"


class Stage(StrEnum):
    """Where a return line stands in its life."""

    AUTHORIZATION = "AUTHORIZATION"
    TRANSIT = "TRANSIT"
    RECEIPT = "RECEIPT"
    INSPECTION = "INSPECTION"
    DISPOSITION = "DISPOSITION"
    INVENTORY = "INVENTORY"
    SETTLEMENT = "SETTLEMENT"
    CLOSED = "CLOSED"


STAGE_ORDER: Final = {stage: position for position, stage in enumerate(Stage)}


class Reason(StrEnum):
    """Why the customer says it comes back (X12 1293 and kin)."""

    DEFECTIVE = "DEFECTIVE"
    DAMAGED_IN_TRANSIT = "DAMAGED_IN_TRANSIT"
    WRONG_ITEM = "WRONG_ITEM"
    NOT_AS_DESCRIBED = "NOT_AS_DESCRIBED"
    OVER_SHIPPED = "OVER_SHIPPED"
    SHORT_SHIPPED = "SHORT_SHIPPED"
    NOT_RECEIVED = "NOT_RECEIVED"
    ORDERED_IN_ERROR = "ORDERED_IN_ERROR"
    UNWANTED = "UNWANTED"
    FIT_SIZE_STYLE = "FIT_SIZE_STYLE"
    EXCESS_STOCK = "EXCESS_STOCK"
    STOCK_ROTATION = "STOCK_ROTATION"
    END_OF_SEASON = "END_OF_SEASON"
    EXPIRED_OR_SHORT_DATED = "EXPIRED_OR_SHORT_DATED"
    PACKAGING_OR_LABEL = "PACKAGING_OR_LABEL"
    LATE_DELIVERY = "LATE_DELIVERY"
    PRICE_DISPUTE = "PRICE_DISPUTE"
    WARRANTY_CLAIM = "WARRANTY_CLAIM"
    RECALL = "RECALL"
    CORE_OR_END_OF_LEASE = "CORE_OR_END_OF_LEASE"
    REFUSED_UNDELIVERABLE = "REFUSED_UNDELIVERABLE"
    OTHER = "OTHER"
    UNKNOWN = "UNKNOWN"


class Grade(StrEnum):
    """Condition as found on inspection, best first; UNGRADED until inspected."""

    NEW_SEALED = "NEW_SEALED"
    A = "A"
    B = "B"
    C = "C"
    D = "D"
    E = "E"
    UNGRADED = "UNGRADED"


class Disposition(StrEnum):
    """The physical outcome of a returned item."""

    RESTOCK = "RESTOCK"
    REPACKAGE_RESTOCK = "REPACKAGE_RESTOCK"
    OPEN_BOX_RESALE = "OPEN_BOX_RESALE"
    REFURBISH = "REFURBISH"
    REPAIR = "REPAIR"
    PARTS_HARVEST = "PARTS_HARVEST"
    RETURN_TO_VENDOR = "RETURN_TO_VENDOR"
    RETURN_TO_CUSTOMER = "RETURN_TO_CUSTOMER"
    TRANSFER_SITE = "TRANSFER_SITE"
    LIQUIDATE = "LIQUIDATE"
    DONATE = "DONATE"
    RECYCLE = "RECYCLE"
    DESTROY = "DESTROY"
    NO_RETURN_KEEP = "NO_RETURN_KEEP"
    QUARANTINE = "QUARANTINE"
    HAZMAT_HANDOFF = "HAZMAT_HANDOFF"
    MISSING = "MISSING"


class CreditAction(StrEnum):
    """What happens to the money asked for."""

    FULL_CREDIT = "FULL_CREDIT"
    PARTIAL_CREDIT = "PARTIAL_CREDIT"
    CREDIT_WITHOUT_RETURN = "CREDIT_WITHOUT_RETURN"
    REPLACE = "REPLACE"
    REPAIR_NO_CREDIT = "REPAIR_NO_CREDIT"
    DENY = "DENY"


class RegulatoryClass(StrEnum):
    """What the law says about a product; UNCLASSIFIED fails closed."""

    NONE = "NONE"
    HAZMAT = "HAZMAT"
    LITHIUM_BATTERY = "LITHIUM_BATTERY"
    RX_DSCSA = "RX_DSCSA"
    CONTROLLED_SUBSTANCE = "CONTROLLED_SUBSTANCE"
    MEDICAL_DEVICE = "MEDICAL_DEVICE"
    FOOD_AMBIENT = "FOOD_AMBIENT"
    FOOD_TEMP_CONTROLLED = "FOOD_TEMP_CONTROLLED"
    COSMETIC_HYGIENE = "COSMETIC_HYGIENE"
    RECALLED = "RECALLED"
    EU_ESPR_TEXTILE = "EU_ESPR_TEXTILE"
    DATA_BEARING = "DATA_BEARING"
    UNCLASSIFIED = "UNCLASSIFIED"


class HandlingClass(StrEnum):
    """How a product must be handled, and whose it is."""

    SERIALIZED = "SERIALIZED"
    LOT_TRACKED = "LOT_TRACKED"
    SUPPLIER_OWNED = "SUPPLIER_OWNED"
    CONSIGNMENT = "CONSIGNMENT"
    CUSTOMER_OWNED = "CUSTOMER_OWNED"
    LEASED = "LEASED"
    SPECIAL_ORDER = "SPECIAL_ORDER"
    CORE = "CORE"


# ISO 4217 exponents that differ from two; a currency outside CURRENCIES goes to a person.
EXPONENTS: Final = {"JPY": 0, "KRW": 0, "CLP": 0, "VND": 0, "BHD": 3, "KWD": 3, "OMR": 3, "JOD": 3, "TND": 3}
CURRENCIES: Final = {
    *(
        "AUD",
        "BRL",
        "CAD",
        "CHF",
        "CNY",
        "CZK",
        "DKK",
        "EUR",
        "GBP",
        "HKD",
        "HUF",
        "INR",
        "MXN",
        "NOK",
        "NZD",
    ),
    *("PLN", "SEK", "SGD", "THB", "TRY", "USD", "ZAR", *EXPONENTS),
}
MAX_MINOR_UNITS: Final = 10**15  # keeps sums well inside 64 bits and canonical JSON


@dataclass(frozen=True, slots=True, order=True)
class Money:
    """An exact amount with its currency; never a float.

    Parameters
    ----------
    minor : int
        Amount in the currency's minor units (cents).
    currency : str
        ISO 4217 code, three capital letters.
    """

    minor: int
    currency: str

    @classmethod
    def parse(cls, text: str, currency: str) -> Money:
        """Read decimal text; refuse what is not exact in the currency.

        Raises
        ------
        BadInputError
            If `text` is no plain decimal, is negative, too precise for the currency or absurdly large.
        """
        if not re.fullmatch("[A-Z]{3}", currency):
            raise BadInputError(
                f"'{currency[:8]}' is no ISO 4217 currency code; use three capital letters such as USD."
            )
        exponent = EXPONENTS.get(currency, 2)
        try:
            scaled = Decimal(text) * 10**exponent if _is_plain(text) else None
        except InvalidOperation:
            scaled = None
        if scaled is None:
            raise BadInputError("an amount must be plain decimal text such as '119.00'.")
        if scaled < 0:
            raise BadInputError("an amount must not be negative.")
        if scaled != scaled.to_integral_value():
            raise BadInputError(f"an amount in {currency} has at most {exponent} decimal places.")
        if scaled > MAX_MINOR_UNITS:
            raise BadInputError("the amount is larger than any credit this service accepts.")
        return cls(int(scaled), currency)

    @property
    def text(self) -> str:
        """The amount as decimal text with all places of the currency."""
        exponent = EXPONENTS.get(self.currency, 2)
        return f"{Decimal(self.minor).scaleb(-exponent):.{exponent}f}"


def _is_plain(text: str) -> bool:
    return re.fullmatch(r"-?[0-9]{1,16}(\.[0-9]{1,6})?", text) is not None


@dataclass(frozen=True, slots=True)
class Customer:
    """Who returns; address and device are opaque ids that several customers may share."""

    id: str
    tier: str | None = None
    since: datetime | None = None
    address_id: str | None = None
    device_id: str | None = None


@dataclass(frozen=True, slots=True)
class Supplier:
    """Who sold it to us."""

    id: str | None = None
    return_authorization: str | None = None


@dataclass(frozen=True, slots=True)
class Item:
    """What comes back."""

    sku: str
    family: str
    regulatory_classes: frozenset[RegulatoryClass]
    handling_classes: frozenset[HandlingClass] = frozenset()
    brand: str | None = None
    unit_cost: Money | None = None
    weight_kg: float | None = None
    serial: str | None = None
    serial_shipped: str | None = None


@dataclass(frozen=True, slots=True)
class Sale:
    """The sale it is said to come from."""

    order_number: str | None = None
    invoice_number: str | None = None
    sold_at: datetime | None = None
    channel: str | None = None
    price_paid: Money | None = None  # per unit
    quantity: int | None = None


@dataclass(frozen=True, slots=True)
class Compliance:
    """What only a look at the paper or the package can tell."""

    opened: bool | None = None
    expires_at: datetime | None = None
    identifier_verified: bool | None = None
    transport_mode: str | None = None


@dataclass(frozen=True, slots=True)
class Inspection:
    """What the inspector found."""

    grade: Grade
    inspected_at: datetime | None = None
    inspector: str | None = None
    serial_found: str | None = None
    minutes: float | None = None


@dataclass(frozen=True, slots=True)
class ReturnLine:
    """One line of a return as it was known at one moment; times are UTC."""

    return_line_id: str
    stage: Stage
    requested_at: datetime
    requested_by: str
    site: str
    region: str
    quantity: int
    customer: Customer
    item: Item
    reason: Reason
    credit_requested: Money
    rma_number: str | None = None
    supplier: Supplier = field(default_factory=Supplier)
    sale: Sale | None = None
    customer_note: str | None = None
    warranty_until: datetime | None = None
    compliance: Compliance = field(default_factory=Compliance)
    document_ids: tuple[str, ...] = ()
    inspection: Inspection | None = None
    attributes: tuple[tuple[str, str | float | None], ...] = ()

    @property
    def grade(self) -> Grade:
        """The grade found, or UNGRADED."""
        return self.inspection.grade if self.inspection else Grade.UNGRADED


@dataclass(frozen=True, slots=True)
class Fact:
    """One fact that policy rules may name: its type and where it comes from.

    `kind` is int, double, bool, string or list; money is an int in minor units of `credit.currency`.
    """

    name: str
    kind: str
    source: str


FACTS: Final = (
    Fact("stage", "string", "request"),
    Fact("site", "string", "request"),
    Fact("reason", "string", "request"),
    Fact("line.quantity", "int", "request"),
    Fact("line.already_returned", "int", "ledger"),
    Fact("line.requested_on", "int", "request: the day as the number YYYYMMDD"),
    Fact("sale.claimed", "bool", "request: an order or invoice number is given"),
    Fact("sale.known", "bool", "request: sale date and quantity are given"),
    Fact("sale.quantity", "int", "request"),
    Fact("sale.days_since", "int", "request"),
    Fact("sale.price_paid", "int", "request, per unit"),
    Fact("credit.amount", "int", "request"),
    Fact("credit.currency_known", "bool", "vocabulary"),
    Fact("credit.without_return", "bool", "request: a claim for goods that do not come back"),
    Fact("credit.already_given", "int", "ledger, same sale line"),
    Fact("customer.credits_30d", "int", "ledger"),
    Fact("customer.requests_under_limit_30d", "int", "ledger: requests within 10 % under one approval limit"),
    Fact("customer.kept_this_year", "int", "ledger: credits without return"),
    Fact("contract.window_days", "int", "reference contracts, else policy parameter"),
    Fact("contract.advance_credit", "bool", "reference contracts, else false"),
    Fact("contract.rotation_agreed", "bool", "reference contracts, else false"),
    Fact("contract.rotation_left", "int", "reference contracts: what is left of the allowance, else 0"),
    Fact("contract.keep_cap_yearly", "int", "reference contracts, else policy parameter"),
    Fact("supplier.authorized", "bool", "request: a return authorization is given"),
    Fact("supplier.recoverable", "int", "reference suppliers, else 0"),
    Fact("supplier.owner_consents", "bool", "reference suppliers, else false"),
    Fact("item.regulatory", "list", "request"),
    Fact("item.handling", "list", "request"),
    Fact("item.unit_cost", "int", "request"),
    Fact("item.recallable", "bool", "reference products, else from the regulatory classes"),
    Fact("item.recalled", "bool", "request or reference recalls"),
    Fact("item.recall_data_age_hours", "int", "reference recalls"),
    Fact("item.opened", "bool", "request"),
    Fact("item.dated", "bool", "request: an expiry date is given, or claimed as the reason"),
    Fact("item.expired", "bool", "request: the expiry date has passed"),
    Fact("item.identifier_verified", "bool", "request"),
    Fact("item.storage_in_doubt", "bool", "request attribute"),
    Fact("item.espr_derogation", "bool", "reference products, else false"),
    Fact("inspection.grade", "string", "request, else UNGRADED"),
    Fact("inspection.serials_compared", "bool", "request: serials found and shipped are both given"),
    Fact("inspection.serial_differs", "bool", "request: found and shipped serials"),
    Fact("documents.kinds", "list", "ledger: what the attached documents are"),
    Fact("documents.contradict", "bool", "documents: one says other than the request or another"),
    Fact("documents.pieces", "int", "documents: pieces received, the fewest that one says"),
    Fact("documents.amount", "int", "documents: credit or claim asked for, the most that one says"),
    Fact("documents.delivered_on", "int", "documents: the latest day that one says, as YYYYMMDD"),
    Fact("disposition.considered", "list", "judge: dispositions weighed, up to the one chosen"),
    Fact("recovery.best", "int", "models"),
    Fact("recovery.freight_and_handling", "int", "models"),
    Fact("models.degraded", "bool", "serving"),
    Fact("models.in_domain", "bool", "models"),
    Fact("models.set_size", "int", "models: classes in the prediction set"),
    Fact("fraud.score", "double", "models"),
    Fact("fraud.band", "string", "models: low, medium or high"),
    Fact("fraud.expected_loss", "int", "models"),
    Fact("fraud.reviews_left", "int", "ledger: what is left of the site's review budget of the day"),
    Fact("fraud.review_threshold", "int", "ledger: the expected loss that a review must beat, by its budget"),
)
