"""The JSON of the contract: strict shapes in, documented shapes out."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)
from pydantic_core import PydanticCustomError

from features.returns import (
    BadInputError,
    Compliance,
    Customer,
    Grade,
    HandlingClass,
    Inspection,
    Item,
    Money,
    Reason,
    RegulatoryClass,
    ReturnLine,
    Sale,
    Stage,
    Supplier,
)

_PRINTABLE = r"^[^\x00-\x1f\x7f]+$"
_INSTANT = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d(:\d\d(\.\d{1,9})?)?([Zz]|[+-]\d\d:\d\d)")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")


def _instant(value: object) -> datetime:
    if not isinstance(value, str) or not _INSTANT.fullmatch(value):
        raise ValueError("must be an RFC 3339 time with a zone, such as 2026-11-20T10:00:00Z")
    try:
        return datetime.fromisoformat(value.upper()).astimezone(UTC)
    except OverflowError as error:
        raise ValueError("lies outside the years 1 to 9999") from error


def _day(value: object) -> datetime:
    if isinstance(value, str) and _DAY.fullmatch(value):
        return datetime.combine(date.fromisoformat(value), time(), UTC)
    return _instant(value)


def whole(value: object) -> object:
    """JSON knows one kind of number: 2.0 is as whole as 2."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _currency(value: str) -> str:
    Money.parse("0", value)
    return value


def inconsistent(sentence: str, *place: str) -> PydanticCustomError:
    """A refusal of values that are well-formed, each, and cannot be true together; `place` names one."""
    return PydanticCustomError("inconsistent", sentence, {"place": place})


def _given(value: str | None) -> str | None:
    return value or None


Text = Annotated[str, StringConstraints(strict=True, min_length=1, max_length=200, pattern=_PRINTABLE)]
# What lists are narrowed by: left empty it narrows nothing.
Filter = Annotated[
    Annotated[str, StringConstraints(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")] | None,
    AfterValidator(_given),
]
Note = Annotated[str, StringConstraints(strict=True, max_length=4000)]
# Every space there is, one by one: what \s means differs from reader to reader.
_SPACES = r"\x00-\x20\x7f-\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"
Actor = Annotated[str, StringConstraints(strict=True, pattern=rf"^[a-z_]{{1,20}}:[^{_SPACES}]{{1,100}}$")]
Amount = Annotated[str, StringConstraints(strict=True, pattern=r"^[0-9]{1,15}(\.[0-9]{1,4})?$")]
Currency = Annotated[str, StringConstraints(strict=True, pattern=r"^[A-Z]{3}$"), AfterValidator(_currency)]
Whole = Annotated[int, Field(strict=True, ge=1, le=1_000_000), BeforeValidator(whole)]
Real = Annotated[float, Field(strict=True, ge=0, le=1_000_000, allow_inf_nan=False)]
Flag = Annotated[bool, Field(strict=True)]
Instant = Annotated[datetime, BeforeValidator(_instant)]
Day = Annotated[datetime, BeforeValidator(_day)]
Attribute = (
    Annotated[str, StringConstraints(strict=True, max_length=4000)]
    | Annotated[float, Field(strict=True, allow_inf_nan=False)]
)


class Wire(BaseModel):
    """What comes in: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class MoneyWire(Wire):
    """Decimal text with a currency."""

    amount: Amount
    currency: Currency

    def parse(self) -> Money:
        """Exact money."""
        return Money.parse(self.amount, self.currency)

    @model_validator(mode="after")
    def _exact(self) -> Self:
        try:
            self.parse()
        except BadInputError as error:
            raise inconsistent(str(error), "amount") from error
        return self

    @classmethod
    def of(cls, money: Money) -> dict[str, str]:
        """The wire form of an amount."""
        return {"amount": money.text, "currency": money.currency}


class CustomerWire(Wire):
    """Who returns."""

    id: Text
    tier: Text | None = None
    since: Day | None = None
    address_id: Text | None = None
    device_id: Text | None = None


class SupplierWire(Wire):
    """Who sold it to us."""

    id: Text | None = None
    return_authorization: Text | None = None


class ItemWire(Wire):
    """What comes back."""

    sku: Text
    family: Text
    regulatory_classes: Annotated[list[RegulatoryClass], Field(min_length=1, max_length=20)]
    brand: Text | None = None
    unit_cost: Amount | None = None
    weight_kg: Real | None = None
    serial: Text | None = None
    serial_shipped: Text | None = None
    handling_classes: Annotated[list[HandlingClass], Field(max_length=20)] | None = None


class SaleWire(Wire):
    """The sale it is said to come from."""

    order_number: Text | None = None
    invoice_number: Text | None = None
    sold_at: Instant | None = None
    channel: Text | None = None
    price_paid: Amount | None = None
    quantity: Whole | None = None


class ComplianceWire(Wire):
    """What only the paper or the package can tell."""

    opened: Flag | None = None
    expires_at: Day | None = None
    identifier_verified: Flag | None = None
    transport_mode: Text | None = None


class InspectionWire(Wire):
    """What the inspector found."""

    grade: Grade
    inspected_at: Instant | None = None
    inspector: Actor | None = None
    serial_found: Text | None = None
    minutes: Real | None = None


class RecommendationRequest(Wire):
    """One return line at one stage, as it is known now."""

    return_line_id: Text
    stage: Stage
    requested_at: Instant
    requested_by: Actor
    site: Text
    region: Text
    quantity: Whole
    customer: CustomerWire
    item: ItemWire
    reason: Reason
    credit_requested: MoneyWire
    rma_number: Text | None = None
    supplier: SupplierWire | None = None
    sale: SaleWire | None = None
    customer_note: Note | None = None
    warranty_until: Day | None = None
    compliance: ComplianceWire | None = None
    document_ids: Annotated[list[Text], Field(max_length=20)] | None = None
    inspection: InspectionWire | None = None
    attributes: Annotated[dict[Text, Attribute | None], Field(max_length=64)] | None = None
    revises: Text | None = None

    @model_validator(mode="after")
    def _dates_in_order(self) -> Self:
        sold = self.sale.sold_at if self.sale else None
        inspected = self.inspection.inspected_at if self.inspection else None
        for earlier, later, place, sentence in (
            (sold, self.requested_at, "sale.sold_at", "lies after requested_at"),
            (self.requested_at, inspected, "inspection.inspected_at", "lies before requested_at"),
            (sold, self.warranty_until, "warranty_until", "lies before sale.sold_at"),
            (self.customer.since, self.requested_at, "customer.since", "lies after requested_at"),
        ):
            if earlier and later and earlier > later:
                raise inconsistent(f"{place} {sentence}; dates must be in order", *place.split("."))
        return self

    @model_validator(mode="after")
    def _amounts_fit_the_currency(self) -> Self:
        for place, amount in (
            ("item.unit_cost", self.item.unit_cost),
            ("sale.price_paid", self.sale.price_paid if self.sale else None),
        ):
            try:
                self._money(amount)
            except BadInputError as error:
                raise inconsistent(f"{place}: {error}", *place.split(".")) from error
        return self

    def _money(self, amount: str | None) -> Money | None:
        return None if amount is None else Money.parse(amount, self.credit_requested.currency)

    def line(self) -> ReturnLine:
        """The canonical record of this request."""
        return ReturnLine(
            return_line_id=self.return_line_id,
            stage=self.stage,
            requested_at=self.requested_at,
            requested_by=self.requested_by,
            site=self.site,
            region=self.region,
            quantity=self.quantity,
            customer=Customer(**self.customer.model_dump()),
            item=self._item(),
            reason=self.reason,
            credit_requested=self.credit_requested.parse(),
            rma_number=self.rma_number,
            supplier=Supplier(**self.supplier.model_dump()) if self.supplier else Supplier(),
            sale=self._sale(),
            customer_note=self.customer_note,
            warranty_until=self.warranty_until,
            compliance=Compliance(**self.compliance.model_dump()) if self.compliance else Compliance(),
            document_ids=tuple(self.document_ids or ()),
            inspection=Inspection(**self.inspection.model_dump()) if self.inspection else None,
            attributes=tuple(sorted((self.attributes or {}).items())),
        )

    def _item(self) -> Item:
        values: dict[str, Any] = self.item.model_dump() | {
            "regulatory_classes": frozenset(self.item.regulatory_classes),
            "handling_classes": frozenset(self.item.handling_classes or ()),
            "unit_cost": self._money(self.item.unit_cost),
        }
        return Item(**values)

    def _sale(self) -> Sale | None:
        if self.sale is None:
            return None
        values: dict[str, Any] = self.sale.model_dump() | {"price_paid": self._money(self.sale.price_paid)}
        return Sale(**values)
