"""History features from the ledger's rows: the figures of the table, nothing from the future."""

import math
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features import history
from features.events import Event, EventType
from features.history import AGGREGATES, ENTITIES, HISTORY, MARKS, TOLD, offline
from features.returns import Money
from ledger.history import Line
from ledger.store import Ledger
from tests.ledger.records import NOON, a_line, after

MOMENTS = st.builds(
    lambda days, micro: NOON + timedelta(days=days, microseconds=micro),
    st.one_of(st.integers(-400, 0), st.sampled_from([-365, -90, -30, -7, 0])),
    st.one_of(st.sampled_from([-1, 0, 1]), st.integers(-(10**11), 10**11)),
)


@dataclass(frozen=True)
class Case:
    line: Line
    fraud: bool | None
    known_at: datetime
    grade: str | None = None


@st.composite
def cases(draw: st.DrawFn) -> list[Case]:
    told = st.tuples(MOMENTS, MOMENTS, st.sampled_from([None, True, False]))
    many = draw(
        st.lists(st.tuples(*[told, st.sampled_from([None, "NEW_SEALED", "A", "C"])]), min_size=1, max_size=12)
    )
    return [
        Case(
            a_line(
                f"L{number}",
                customer_id=draw(st.sampled_from(["C-1", "C-2"])),
                address_id=draw(st.sampled_from(["A-1", "A-2", None])),
                device_id=draw(st.sampled_from(["D-1", None])),
                marks={name: draw(st.integers(0, 1)) for name in TOLD},
                sku=draw(st.sampled_from(["A", "B"])),
                supplier_id=draw(st.sampled_from(["S", None])),
                requested_at=requested,
                quantity=draw(st.integers(1, 5)),
                requested=Money(draw(st.integers(0, 10**6)), "USD"),
            ),
            fraud,
            known,
            grade,
        )
        for number, ((requested, known, fraud), grade) in enumerate(many)
    ]


def put(ledger: Ledger, many: list[Case]) -> None:
    with ledger.write() as tx:
        for case in many:
            tx.add_line(case.line, actor="service:crm", at=NOON)
            if case.grade is not None:
                assert tx.add_finding(case.line.return_line_id, grade=case.grade, known_at=case.known_at)
            if case.fraud is not None:
                label = {"confirmed": case.fraud, "known_at": case.known_at}
                tx.add_fraud_label(case.line.return_line_id, **label, actor="emp:1", at=NOON)


def as_table(many: list[Case]) -> dict[str, np.ndarray]:
    def texts(name: str) -> np.ndarray:
        return np.array([getattr(case.line, name) for case in many], dtype=object)

    def times(moments: list[datetime | None]) -> np.ndarray:
        return np.array(
            [moment and moment.replace(tzinfo=None) for moment in moments], dtype="datetime64[us]"
        )

    return {
        **{name: texts(name) for name in ("return_line_id", *ENTITIES.values())},
        "requested_at": times([case.line.requested_at for case in many]),
        "quantity": np.array([case.line.quantity for case in many], dtype=np.float64),
        "credit_requested": np.array([case.line.requested.minor / 100 for case in many]),
        "grade": np.array([case.grade for case in many], dtype=object),
        "label_known_at": times([case.known_at for case in many]),
        "fraud": np.array([case.fraud for case in many], dtype=object),
        "fraud_known_at": times([case.known_at if case.fraud is not None else None for case in many]),
    }


def expected_of(many: list[Case]) -> dict[str, np.ndarray]:
    """The figures of the table; what only a request's text tells is in the lines' marks already."""
    told = {name: np.array([case.line.marks.get(name, 0) for case in many]) for name in TOLD}
    by_mark = {
        name: replace(MARKS[name], of=lambda _, values=values: values) for name, values in told.items()
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(history, "MARKS", MARKS | by_mark)
        return offline(as_table(many))


def figures(ledger: Ledger, line: Line) -> dict[str, float]:
    behind = {entity: getattr(line, column) for entity, column in ENTITIES.items()}
    with ledger.read() as tx:
        return tx.history(behind, as_of=line.requested_at)


@pytest.fixture(scope="module")
def sqlite_address(sqlite_pattern: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("history") / "ledger.db")


@settings(max_examples=40)
@given(many=cases())
def test_the_ledger_knows_what_the_table_knows_at_every_moment(
    sqlite_pattern: Path, sqlite_address: str, many: list[Case]
):
    Path(sqlite_address).write_bytes(sqlite_pattern.read_bytes())
    ledger = Ledger(f"sqlite:///{sqlite_address}")
    put(ledger, many)
    expected = expected_of(many)
    for row, case in enumerate(many):
        found = figures(ledger, case.line)
        np.testing.assert_array_equal([found[n] for n in HISTORY], [expected[n][row] for n in HISTORY])
    ledger.close()


def test_both_databases_add_up_the_same(ledger: Ledger):
    rng = np.random.default_rng(7)
    many = [
        Case(
            a_line(f"L{n}", requested_at=NOON + timedelta(seconds=int(rng.integers(-4e7, 0))), quantity=n),
            [None, True, False][n % 3],
            NOON + timedelta(seconds=int(rng.integers(-4e7, 0))),
        )
        for n in range(60)
    ]
    put(ledger, many)
    expected = expected_of(many)
    for row in range(0, 60, 7):
        found = figures(ledger, many[row].line)
        np.testing.assert_array_equal([found[n] for n in HISTORY], [expected[n][row] for n in HISTORY])
    assert ledger.verify().valid


def test_a_missing_entity_gives_nan_and_a_new_one_zero(ledger: Ledger):
    with ledger.read() as tx:
        found = tx.history({"customer": "new", "product": "new", "site": "new"}, as_of=NOON)
    unknown = {name for name, value in found.items() if math.isnan(value)}
    assert unknown == {
        one.name
        for one in AGGREGATES
        if one.entity in {"supplier", "address", "device"} or one.value == "days_since"
    }
    assert {found[name] for name in found.keys() - unknown} == {0.0}


def test_a_label_counts_once_known_and_the_last_one_known_holds(ledger: Ledger):
    line = a_line(requested_at=after(days=-10))
    with ledger.write() as tx:
        # A verdict may come in before the line itself does.
        tx.add_fraud_label("RMA-1/1", confirmed=True, known_at=after(days=-5), actor="emp:1", at=NOON)
        tx.add_line(line, actor="service:crm", at=NOON)
        tx.add_fraud_label("RMA-1/1", confirmed=False, known_at=after(days=-2), actor="emp:1", at=NOON)

    def frauds(days: float) -> float:
        with ledger.read() as tx:
            found = tx.history({"customer": "C-1"}, as_of=after(days=days))
        return found["customer_fraud_confirmed_ever"]

    assert [frauds(days) for days in (-6, -5, -4, -2, -1)] == [0, 0, 1, 1, 0]


def test_currencies_add_up_in_hundredths_of_their_major_unit(ledger: Ledger):
    with ledger.write() as tx:
        for number, money in enumerate([Money(5, "JPY"), Money(12345, "BHD"), Money(100, "USD")]):
            tx.add_line(a_line(f"L{number}", requested=money), actor="service:crm", at=NOON)
    with ledger.read() as tx:
        found = tx.history({"customer": "C-1"}, as_of=after(days=1))
    assert found["customer_credit_30d"] == 5 + 12.34 + 1  # half a hundredth goes to the even one


def test_an_inspection_counts_once_told(ledger: Ledger):
    with ledger.write() as tx:
        tx.add_line(a_line(requested_at=after(days=-9)), actor="service:crm", at=NOON)
        for number, grade in enumerate(["C", "NEW_SEALED"]):
            told = Event(
                str(number), "wms", EventType.INSPECTION_COMPLETED, "RMA-1/1", NOON, NOON, {"grade": grade}
            )
            tx.add_event(told, actor="service:wms")
        assert not tx.add_finding("RMA-none/1", grade="C", known_at=NOON)
    with ledger.read() as tx:
        found = tx.history({"customer": "C-1", "site": "DAL1"}, as_of=after(hours=1))
    names = ("customer_inspected_ever", "customer_poor_ever", "customer_sealed_ever", "site_poor_30d")
    assert [found[name] for name in names] == [1, 1, 0, 1]


def test_a_line_is_first_known_once(ledger: Ledger):
    with ledger.write() as tx:
        assert tx.add_lines([a_line(), a_line(quantity=9)], actor="service:crm", at=NOON) == 1
        assert not tx.add_line(a_line(), actor="service:crm", at=NOON)


def test_volumes_count_units_by_region_family_and_day(ledger: Ledger):
    with ledger.write() as tx:
        for number, hours in enumerate([0, 1, 12, 36]):
            line = a_line(f"L{number}", requested_at=after(hours=hours), quantity=number + 1)
            tx.add_line(line, actor="service:crm", at=NOON)
        found = tx.volumes(NOON, after(hours=36))
    days = [(one.region, one.family, one.day.isoformat(), one.quantity, one.lines) for one in found]
    assert days == [
        ("US-SOUTH", "power_tools", "2026-11-20", 3, 2),
        ("US-SOUTH", "power_tools", "2026-11-21", 3, 1),
    ]
