"""The stages that may take only so long: a line waits in one at a time, whatever its events."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.events import EventType
from policy.authority import APPROVERS
from policy.policies import DEFAULT_RULES, PolicySet
from policy.timing.stages import GIVEN_UP, MILESTONES, STAGES, waiting

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
HAPPENED = st.dictionaries(
    st.sampled_from(EventType), st.integers(0, 10**6).map(lambda seconds: NOON + timedelta(seconds=seconds))
)


def test_the_limits_of_the_stages_are_those_of_policy_and_their_owners_approve() -> None:
    book = PolicySet.load(DEFAULT_RULES).base
    days = {name: book.limit(stage.limit) for name, stage in STAGES.items()}
    assert days == {"approve": 1, "inspect": 2, "dispose": 1, "credit": 1}
    assert {role for stage in STAGES.values() for role in stage.told} <= set(APPROVERS)
    assert {stage.told[-1] for stage in STAGES.values()} == {"service_manager"}


@given(happened=HAPPENED)
def test_a_line_waits_in_one_stage_at_most_and_only_in_one_that_has_begun(
    happened: dict[EventType, datetime],
) -> None:
    inside = [
        name
        for name, stage in STAGES.items()
        if stage.begins in happened and stage.ends.isdisjoint(happened) and GIVEN_UP.isdisjoint(happened)
    ]
    assert len(inside) <= 1
    found = waiting(happened)
    assert ([] if found is None else [found[0]]) == inside
    if found is not None:
        assert found[1] == happened[STAGES[found[0]].begins]


@given(happened=HAPPENED, more=st.sampled_from(sorted(set(EventType) - MILESTONES)))
def test_other_events_change_nothing(happened: dict[EventType, datetime], more: EventType) -> None:
    assert waiting({**happened, more: NOON}) == waiting(happened)


@given(happened=HAPPENED, end=st.sampled_from(sorted(GIVEN_UP)))
def test_who_gave_up_waits_for_nothing(happened: dict[EventType, datetime], end: EventType) -> None:
    assert waiting({**happened, end: NOON}) is None


@pytest.mark.parametrize(
    ("kinds", "stage"),
    [
        ((EventType.RECEIPT_CONFIRMED,), None),
        ((EventType.RECEIPT_CONFIRMED, EventType.INSPECTION_COMPLETED), None),
        ((EventType.DISPOSITION_EXECUTED,), "credit"),
    ],
)
def test_an_outcome_ends_what_comes_before_disposition_and_begins_nothing(
    kinds: tuple[EventType, ...], stage: str | None
) -> None:
    found = waiting(dict.fromkeys(kinds, NOON), told=True)
    assert (found[0] if found else None) == stage


def test_the_page_on_approvals_names_every_stage_with_its_limit_and_owner() -> None:
    page = (Path(__file__).parents[2] / "docs" / "approvals.md").read_text("utf-8")
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in page.splitlines()]
    told = {row[0]: (row[3], row[4]) for row in rows if len(row) == 5}
    assert told.items() >= {name: (f"`{one.limit}`", one.owner) for name, one in STAGES.items()}.items()
