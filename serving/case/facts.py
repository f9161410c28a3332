"""What policy is told about a return: request, ledger, master data and models, one fact each.

A fact that nobody knows is left out: the judge then asks a person. See `features.returns.FACTS`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from features.returns import (
    CURRENCIES,
    BadInputError,
    HandlingClass,
    Money,
    Reason,
    RegulatoryClass,
    ReturnLine,
)
from ledger.history import PolicyFacts
from policy.language import FactValue
from policy.rulebook import Rulebook

CLAIMS_WITHOUT_GOODS: Final = frozenset({Reason.SHORT_SHIPPED, Reason.NOT_RECEIVED, Reason.PRICE_DISPUTE})
RECALLABLE: Final = frozenset(
    {
        RegulatoryClass.RX_DSCSA,
        RegulatoryClass.CONTROLLED_SUBSTANCE,
        RegulatoryClass.MEDICAL_DEVICE,
        RegulatoryClass.FOOD_AMBIENT,
        RegulatoryClass.FOOD_TEMP_CONTROLLED,
        RegulatoryClass.COSMETIC_HYGIENE,
        RegulatoryClass.RECALLED,
    }
)
_HOUR: Final = 3600.0  # seconds


@dataclass(frozen=True, slots=True)
class MasterData:
    """What ERP and WMS have told about the parties and the product; empty where they said nothing."""

    contract: Mapping[str, Any]
    supplier: Mapping[str, Any]
    product: Mapping[str, Any]
    recalled: bool
    recalls_known_at: datetime | None


def from_request(line: ReturnLine) -> dict[str, FactValue]:
    """The facts that the request itself holds."""
    sale, item, inspection = line.sale, line.item, line.inspection
    known: dict[str, FactValue | None] = {
        "reason": line.reason.value,
        "line.quantity": line.quantity,
        "line.requested_on": int(f"{line.requested_at:%Y%m%d}"),
        "sale.claimed": bool(sale and (sale.order_number or sale.invoice_number)),
        "sale.known": bool(sale and sale.sold_at and sale.quantity),
        "sale.quantity": sale.quantity if sale else None,
        "sale.days_since": (line.requested_at - sale.sold_at).days if sale and sale.sold_at else None,
        "sale.price_paid": _minor(sale.price_paid if sale else None),
        "credit.currency_known": line.credit_requested.currency in CURRENCIES,
        "credit.without_return": line.reason in CLAIMS_WITHOUT_GOODS,
        "supplier.authorized": line.supplier.return_authorization is not None,
        "item.regulatory": sorted(code.value for code in item.regulatory_classes),
        "item.handling": sorted(code.value for code in item.handling_classes),
        "item.unit_cost": _minor(item.unit_cost),
        "inspection.grade": line.grade.value,
    }
    found = inspection.serial_found if inspection else None
    known["inspection.serials_compared"] = bool(found and item.serial_shipped)
    if found and item.serial_shipped:
        known["inspection.serial_differs"] = found != item.serial_shipped
    elif HandlingClass.SERIALIZED not in item.handling_classes:
        known["inspection.serial_differs"] = False
    return _present(known | _compliance(line))


def _compliance(line: ReturnLine) -> dict[str, FactValue | None]:
    compliance = line.compliance
    expires = compliance.expires_at
    doubt = dict(line.attributes).get("storage_in_doubt")
    return {
        "item.opened": compliance.opened,
        "item.dated": expires is not None or line.reason is Reason.EXPIRED_OR_SHORT_DATED,
        "item.expired": None if expires is None else expires <= line.requested_at,
        "item.identifier_verified": compliance.identifier_verified,
        "item.storage_in_doubt": None if doubt is None else bool(doubt),
    }


def from_ledger(past: PolicyFacts, line: ReturnLine, book: Rulebook) -> dict[str, FactValue]:
    """The facts that earlier returns hold."""
    currency = line.credit_requested.currency
    amounts = (*past.requests_30d, line.credit_requested.minor)
    known: dict[str, FactValue | None] = {
        "line.already_returned": past.already_returned,
        "credit.already_given": past.credit_already_given,
        "customer.credits_30d": past.credits_30d,
        "customer.requests_under_limit_30d": just_under_a_limit(amounts, book, currency),
        "customer.kept_this_year": past.kept_this_year_minor,
    }
    return _present(known)


def just_under_a_limit(amounts: Iterable[int], book: Rulebook, currency: str) -> int:
    """The most amounts (minor units) that lie within the policy's band under any one approval limit."""
    band = book.limits["under_limit_band"].at(currency) or 0
    above = book.limits["approval_above"].at(currency)
    limits = {above} | {by.get(currency) for by in book.authority.limits.values() if by is not None}
    known = tuple(amounts)
    counts = [
        sum(limit * (100 - band) <= amount * 100 <= limit * 100 for amount in known)
        for limit in limits
        if limit is not None
    ]
    return max(counts, default=0)


def from_master_data(data: MasterData, line: ReturnLine, book: Rulebook) -> dict[str, FactValue]:
    """The facts that master data hold; policy's defaults where they are silent."""
    currency = line.credit_requested.currency
    classes = line.item.regulatory_classes
    defaults = {limit.default_for: limit.at(currency) for limit in book.limits.values() if limit.default_for}
    known: dict[str, FactValue | None] = {
        **defaults,
        "contract.advance_credit": False,
        "contract.rotation_agreed": False,
        "contract.rotation_left": 0,
        "supplier.owner_consents": False,
        "item.recallable": bool(classes & RECALLABLE),
        "item.espr_derogation": False,
    }
    for prefix, body in (("contract", data.contract), ("supplier", data.supplier), ("item", data.product)):
        said = {f"{prefix}.{name}": _plain(value, currency) for name, value in body.items()}
        known |= {name: value for name, value in said.items() if name in known and value is not None}
    known["supplier.recoverable"] = recoverable(data.supplier, line)
    known["item.recalled"] = data.recalled or RegulatoryClass.RECALLED in classes
    if data.recalls_known_at is not None:
        known["item.recall_data_age_hours"] = int(
            max((line.requested_at - data.recalls_known_at).total_seconds(), 0) // _HOUR
        )
    return _present(known)


def recoverable(supplier: Mapping[str, Any], line: ReturnLine) -> int | None:
    """What the supplier owes for this line, minor units: its share of our cost for accepted reasons.

    None where it owes a share of a cost that nobody told.
    """
    reasons = supplier.get("recovers_reasons", [Reason.DEFECTIVE, Reason.WARRANTY_CLAIM, Reason.RECALL])
    share = supplier.get("recoverable_percent", 0)
    cost = line.item.unit_cost
    if line.reason not in reasons or not isinstance(share, int) or share <= 0:
        return 0
    return None if cost is None else cost.minor * line.quantity * share // 100


def _plain(value: object, currency: str) -> FactValue | None:
    """A value of master data as a fact; money of another currency is not known here."""
    if isinstance(value, Mapping):
        try:
            money = Money.parse(str(value.get("amount")), str(value.get("currency")))
        except BadInputError:
            return None
        return money.minor if money.currency == currency else None
    return value if isinstance(value, bool | int) else None


def _minor(money: Money | None) -> int | None:
    return None if money is None else money.minor


def _present(facts: Mapping[str, FactValue | None]) -> dict[str, FactValue]:
    return {name: value for name, value in facts.items() if value is not None}
