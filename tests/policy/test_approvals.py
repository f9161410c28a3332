"""Approvals: the table of states, and no path on which anyone approves their own case or over their limit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.returns import Money, RecoupError
from policy.approvals import (
    MOVES,
    AlreadyVotedError,
    Approval,
    Choice,
    ClosedError,
    Delegation,
    NotAllowedError,
    OverLimitError,
    OverrideReason,
    OwnCaseError,
    Part,
    ReasonError,
    State,
    Vote,
    Voter,
    WrongRoleError,
    check_delegation,
    check_move,
    check_override,
    check_recall,
    check_rejection,
    check_vote,
    counted_as,
    diagram,
    escalation,
    may_vote,
    outcome,
    reason_in,
    reasoned,
    right_to_vote,
    same_person,
)
from policy.authority import APPROVERS, Authority
from policy.guardrails import PolicySet, Verdict
from policy.policies import DEFAULT_RULES
from policy.verdict import Requirement

NOW = datetime(2026, 11, 20, 10, tzinfo=UTC)  # a Friday
AUTHORITY = PolicySet.load(DEFAULT_RULES).base.authority
LIMITS = {"supervisor": 250_000, "manager": 1_000_000, "controller": 5_000_000, "cfo": 10**15}  # cfo: none
PROGRAMS = ("orchestrator", "planner", "data_scientist", "auditor", "admin")
ROLES = (*APPROVERS, *PROGRAMS)
EDGES = (50_000, 250_000, 1_000_000, 5_000_000)  # where a person is asked, and where a limit ends
AMOUNTS = (0, 1, *(edge + step for edge in EDGES for step in (-1, 0, 1)), 10**12)
RELATIONS = (None, *Part)
ACTIONS = ("approve", "reject", "delegate", "recall")


def _requirement(role: str, amount: int) -> Requirement:
    voters = AUTHORITY.voters((role,), Money(amount, "USD"))
    return Requirement(
        "X-01", voters.roles, 1, Money(amount, "USD") if role in LIMITS else None, voters.higher
    )


def _approval(requirement: Requirement, involved: dict[str, Part] | None = None) -> Approval:
    return Approval(requirement, "DAL1", NOW + timedelta(days=7), involved or {})


def _voter(role: str, actor: str = "emp:1") -> Voter:
    return Voter(actor, frozenset({role}))


def _act(
    action: str, approval: Approval, voter: Voter, delegations: tuple[Delegation, ...] = ()
) -> State | None:
    """Where an action takes an approval; None where it is refused. A bulk vote is many such votes."""
    try:
        if action == "delegate":
            check_delegation(approval, voter, to="emp:3", authority=AUTHORITY, now=NOW)
            return State.PENDING
        if action == "recall":
            check_recall(approval, voter, authority=AUTHORITY, now=NOW)
            return State.RECALLED
        right_to_vote(approval, voter, delegations=delegations, authority=AUTHORITY, now=NOW)
    except NotAllowedError:
        return None
    return outcome(approval, [Vote(voter.actor, Choice(action))])


def _has_right(role: str, asked: str, amount: int) -> bool:
    """The oracle: by the ladder where money is asked about, by the one role where a subject is."""
    if asked not in LIMITS:
        return role == asked
    ladder = list(LIMITS)
    return role in LIMITS and ladder.index(role) >= ladder.index(asked) and amount <= LIMITS[role]


REACHED = {
    "approve": State.APPROVED,
    "reject": State.REJECTED,
    "delegate": State.PENDING,
    "recall": State.RECALLED,
}


@pytest.mark.parametrize("asked", APPROVERS)
def test_the_truth_table_of_role_action_amount_and_relation(asked: str) -> None:
    for role, action, amount, part in product(ROLES, ACTIONS, AMOUNTS, RELATIONS):
        approval = _approval(_requirement(asked, amount), {"emp:1": part} if part else {})
        able = part is None and _has_right(role, asked, amount)
        if action == "recall":
            able |= part in {Part.REQUESTED, Part.HOLDS_REQUESTING_KEY}
        reached = _act(action, approval, _voter(role))
        assert reached is (REACHED[action] if able else None), (role, action, amount, part)


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("own", [*PROGRAMS, "quality_assurance"])
def test_the_truth_table_of_whoever_stands_in(own: str, action: str) -> None:
    """The holder's role, amount and relation, and the delegate's relation: all of them bind the delegate."""
    for held, amount, theirs, mine in product(APPROVERS, AMOUNTS, RELATIONS, RELATIONS):
        parts = {"emp:2": theirs, "emp:1": mine}
        involved = {actor: part for actor, part in parts.items() if part is not None}
        approval = replace(
            _approval(_requirement("supervisor", amount), involved), stake=Money(amount, "USD")
        )
        able = action in {"approve", "reject"} and _has_right(held, "supervisor", amount)
        able &= theirs is None and mine is None and own != "admin"
        if action == "recall":
            able |= mine in {Part.REQUESTED, Part.HOLDS_REQUESTING_KEY}
        reached = _act(action, approval, _voter(own), (_through(held),))
        assert reached is (REACHED[action] if able else None), (held, amount, theirs, mine)


def test_the_table_names_every_role_of_the_contract_and_every_limit_of_the_policy() -> None:
    assert len(ROLES) == len(set(ROLES)) == 17
    limits = {role: (given or {}).get("USD") for role, given in AUTHORITY.limits.items()}
    assert limits == {role: None if role == "cfo" else limit for role, limit in LIMITS.items()}
    assert all({limit - 1, limit, limit + 1} < set(AMOUNTS) for limit in limits.values() if limit)


@pytest.mark.parametrize("role", ROLES)
def test_a_currency_without_limits_is_for_whoever_has_none(role: str) -> None:
    approval = _approval(Requirement("X-01", ("supervisor",), 1, Money(1, "EUR"), ("manager", "cfo")))
    assert may_vote(approval, _voter(role), authority=AUTHORITY, now=NOW) is (role == "cfo")


@given(
    roles=st.frozensets(st.sampled_from(ROLES)),
    amount=st.integers(0, 10**8),
    part=st.sampled_from(Part),
    spelling=st.sampled_from(["emp:1", "EMP:1", " emp:1 "]),
)
def test_no_set_of_roles_lets_anyone_approve_their_own_case(
    roles: frozenset[str], amount: int, part: Part, spelling: str
) -> None:
    for asked in APPROVERS:
        approval = _approval(_requirement(asked, amount), {"emp:1": part})
        with pytest.raises(OwnCaseError):
            check_vote(approval, Voter(spelling, roles), authority=AUTHORITY, now=NOW)


@given(roles=st.frozensets(st.sampled_from(ROLES)), amount=st.integers(0, 10**8))
def test_nobody_answers_for_more_than_the_highest_of_their_limits(roles: frozenset[str], amount: int) -> None:
    approval = _approval(_requirement("supervisor", amount))
    highest = max((LIMITS[role] for role in roles if role in LIMITS), default=-1)
    able = amount <= highest and "admin" not in roles
    assert may_vote(approval, Voter("emp:1", roles), authority=AUTHORITY, now=NOW) is able


@given(
    roles=st.frozensets(st.sampled_from(ROLES)),
    asked=st.sampled_from(APPROVERS),
    amount=st.integers(0, 10**8),
    more=st.integers(0, 10**8),
)
def test_more_money_never_lets_more_people_vote(
    roles: frozenset[str], asked: str, amount: int, more: int
) -> None:
    smaller, larger = (_approval(_requirement(asked, minor)) for minor in (amount, amount + more))
    voter = Voter("emp:1", roles)
    if may_vote(larger, voter, authority=AUTHORITY, now=NOW):
        assert may_vote(smaller, voter, authority=AUTHORITY, now=NOW)


def test_a_limit_that_was_lowered_since_counts() -> None:
    approval = _approval(_requirement("supervisor", 200_000))
    lowered = Authority({**AUTHORITY.limits, "supervisor": {"USD": 100_000}})
    with pytest.raises(OverLimitError):
        check_vote(approval, _voter("supervisor"), authority=lowered, now=NOW)


@pytest.mark.parametrize(
    ("approval", "voter", "error", "status"),
    [
        (
            _approval(_requirement("manager", 1), {"emp:1": Part.INSPECTED}),
            _voter("manager"),
            OwnCaseError,
            403,
        ),
        (_approval(_requirement("manager", 1)), _voter("hazmat_officer"), WrongRoleError, 403),
        (_approval(_requirement("manager", 1)), _voter("admin"), WrongRoleError, 403),
        (_approval(_requirement("manager", 300_000)), _voter("supervisor"), OverLimitError, 403),
        (
            _approval(_requirement("manager", 1)),
            Voter("emp:1", frozenset({"manager"}), frozenset({"CHI1"})),
            NotAllowedError,
            403,
        ),
        (
            replace(_approval(_requirement("manager", 1)), state=State.APPROVED),
            _voter("manager"),
            ClosedError,
            409,
        ),
        (replace(_approval(_requirement("manager", 1)), expires_at=NOW), _voter("manager"), ClosedError, 409),
        (
            replace(_approval(_requirement("manager", 1)), votes=(Vote("EMP:1", Choice.APPROVE),)),
            _voter("manager"),
            AlreadyVotedError,
            409,
        ),
    ],
)
def test_a_refusal_says_what_is_wrong_with_a_status(
    approval: Approval, voter: Voter, error: type[RecoupError], status: int
) -> None:
    with pytest.raises(error) as refusal:
        check_vote(approval, voter, authority=AUTHORITY, now=NOW)
    assert (refusal.value.status, bool(refusal.value.hint)) == (status, refusal.type is not NotAllowedError)
    assert str(refusal.value).endswith(".")


def test_an_approval_is_not_delegated_to_oneself_nor_to_someone_of_the_case() -> None:
    approval = _approval(_requirement("manager", 1), {"emp:9": Part.RECEIVED})
    for to in ("emp:1", "emp:9"):
        with pytest.raises(NotAllowedError):
            check_delegation(approval, _voter("manager"), to=to, authority=AUTHORITY, now=NOW)


def _through(role: str, *, limit: int | None = None, **changed: Voter | str | datetime) -> Delegation:
    """The holder emp:2 lets emp:1 vote for a week."""
    bound = None if limit is None else Money(limit, "USD")
    usual = Delegation(Voter("emp:2", frozenset({role})), "emp:1", NOW, NOW + timedelta(days=7), bound)
    return replace(usual, **changed)


def _stands_in(approval: Approval, through: Delegation, *, role: str = "quality_assurance") -> bool:
    """Whether emp:1, of another role, may vote in the holder's place."""
    try:
        taken = right_to_vote(
            approval, _voter(role), delegations=[through], authority=AUTHORITY, now=NOW + timedelta(days=1)
        )
    except RecoupError:
        return False
    return taken is through


@pytest.mark.parametrize("limit", [None, 0, 250_000, 1_000_000])
def test_the_truth_table_of_who_stands_in_for_whom(limit: int | None) -> None:
    for role, amount, part, whose in product(LIMITS, AMOUNTS, RELATIONS, ("emp:1", "emp:2")):
        requirement = _requirement("supervisor", amount)
        approval = replace(_approval(requirement, {whose: part} if part else {}), stake=Money(amount, "USD"))
        expected = part is None and amount <= LIMITS[role] and (limit is None or amount <= limit)
        assert _stands_in(approval, _through(role, limit=limit)) is expected, (role, amount, part, whose)


@pytest.mark.parametrize(
    "through",
    [
        _through("cfo", to="emp:3"),
        _through("cfo", to="emp:2", holder=Voter("emp:1", frozenset({"cfo"}))),
        _through("cfo", holder=Voter("EMP:1 ", frozenset({"cfo"}))),
        _through("cfo", since=NOW + timedelta(days=2)),
        _through("cfo", until=NOW + timedelta(days=1)),
        _through("cfo", holder=Voter("emp:2", frozenset({"cfo"}), frozenset({"RNO1"}))),
        replace(_through("cfo"), limit=Money(10**9, "EUR")),
        _through("hazmat_officer"),
        _through("admin"),
    ],
)
def test_a_delegation_reaches_no_further_than_its_words(through: Delegation) -> None:
    approval = replace(_approval(_requirement("supervisor", 100)), stake=Money(100, "USD"))
    assert _stands_in(approval, _through("cfo"))
    assert not _stands_in(approval, through)


def test_an_administrator_stands_in_for_nobody() -> None:
    assert not _stands_in(_approval(_requirement("supervisor", 100)), _through("cfo"), role="admin")


@pytest.mark.parametrize("first", ["emp:1", "emp:2"])
def test_two_of_whom_one_stood_in_for_the_other_have_one_voice(first: str) -> None:
    approval = replace(
        _approval(replace(_requirement("manager", 100), needed=2)),
        passed=(("emp:2", "emp:1"), ("emp:1", "emp:2")),
        votes=(Vote(first, Choice.APPROVE),),
    )
    for actor in ("emp:1", "emp:2", "EMP:2 "):
        assert not may_vote(approval, _voter("manager", actor), authority=AUTHORITY, now=NOW)
    assert may_vote(approval, _voter("manager", "emp:3"), authority=AUTHORITY, now=NOW)


@pytest.mark.parametrize("spelling", ["EMP:1", " emp:1", "emp :1", "emp:\u200b1", "\uff45mp:1", "1"])
def test_a_person_is_the_same_however_spelt(spelling: str) -> None:
    assert same_person(spelling, "emp:1")
    assert not same_person(spelling, "emp:11")


@pytest.mark.parametrize("asked", APPROVERS)
@pytest.mark.parametrize("amount", AMOUNTS)
@pytest.mark.parametrize("owner", ["operations", "finance", "compliance", ""])
def test_an_escalation_only_widens_and_lets_nobody_decide_beyond_their_limit(
    asked: str, amount: int, owner: str
) -> None:
    requirement = _requirement(asked, amount)
    before = frozenset(requirement.roles)
    for step in escalation(requirement, owner=owner):
        assert frozenset(step.roles) >= before
        assert step.told
        before = frozenset(step.roles)
        wider = _approval(replace(requirement, roles=step.roles))
        for role in LIMITS if requirement.amount else ():
            may = may_vote(wider, _voter(role), authority=AUTHORITY, now=NOW)
            assert not may or amount <= LIMITS[role]
    specialists = before - LIMITS.keys()
    assert specialists <= {asked} | ({"service_manager"} if owner == "operations" else set())


@pytest.mark.parametrize("code", OverrideReason)
def test_a_reason_of_the_vocabulary_or_words_are_enough(code: OverrideReason) -> None:
    check_rejection(code, "")
    check_rejection(None, "the serial number is wrong")
    check_override(code)
    assert counted_as(code) is reason_in(reasoned(code, "seen")) is reason_in(reasoned(code, "")) is code


@pytest.mark.parametrize(
    "silent",
    [
        lambda: check_rejection(None, " "),
        *(partial(check_override, code) for code in (None, "", "-", "a b", "x" * 41)),
    ],
)
def test_a_decision_otherwise_without_a_reason_is_refused_with_the_codes(silent: Callable[[], None]) -> None:
    with pytest.raises(ReasonError) as refusal:
        silent()
    assert all(known in refusal.value.hint for known in OverrideReason)


@given(code=st.from_regex(r"[A-Za-z][A-Za-z0-9_.-]{1,39}", fullmatch=True))
def test_every_word_of_another_system_is_taken_and_counted_once(code: str) -> None:
    check_override(code)
    assert counted_as(code) in set(OverrideReason)


def test_specialists_approve_their_subject_whatever_the_amount(judged: Callable[..., Verdict]) -> None:
    verdict = judged({"item.regulatory": ["HAZMAT"], "sale.price_paid": 10**9}, credit=Money(900_000, "USD"))
    by_rule = {each.rule: each for each in verdict.approvals}
    assert may_vote(_approval(by_rule["CMP-02"]), _voter("hazmat_officer"), authority=AUTHORITY, now=NOW)
    assert not may_vote(_approval(by_rule["FIN-01"]), _voter("hazmat_officer"), authority=AUTHORITY, now=NOW)


_VOTES = st.lists(
    st.builds(Vote, st.sampled_from(["emp:1", "EMP:1", "emp:2", "emp:3"]), st.sampled_from(Choice)),
    max_size=5,
)


@given(votes=_VOTES, needed=st.integers(1, 3))
def test_enough_different_people_approve_and_one_rejection_closes(votes: list[Vote], needed: int) -> None:
    approval = _approval(Requirement("X-01", ("manager",), needed, Money(1, "USD")))
    people = {vote.actor.lower() for vote in votes if vote.choice is Choice.APPROVE}
    expected = State.APPROVED if len(people) >= needed else State.PENDING
    if any(vote.choice is Choice.REJECT for vote in votes):
        expected = State.REJECTED
    assert outcome(approval, votes) is expected
    assert expected is State.PENDING or expected in MOVES[State.PENDING]


@pytest.mark.parametrize("state", [state for state in State if state is not State.PENDING])
def test_votes_change_nothing_once_it_is_closed(state: State) -> None:
    approval = replace(_approval(_requirement("manager", 1)), state=state)
    assert outcome(approval, [Vote("emp:1", Choice.REJECT)]) is state


@pytest.mark.parametrize(("state", "to"), list(product(State, State)))
def test_only_the_moves_of_the_table_are_made(state: State, to: State) -> None:
    if to in MOVES[state]:
        check_move(state, to)
    else:
        with pytest.raises(ClosedError):
            check_move(state, to)


def test_nothing_ever_becomes_approved_but_what_is_pending() -> None:
    assert set(MOVES) == set(State)
    assert [state for state, after in MOVES.items() if State.APPROVED in after] == [State.PENDING]
    assert not any(State.PENDING in after for after in MOVES.values())


def test_the_diagram_shows_every_move_and_no_other() -> None:
    lines = {line.strip() for line in diagram().splitlines()}
    moves = {f"{state} --> {to}" for state, after in MOVES.items() for to in after}
    assert moves < lines
    assert {line for line in lines if "-->" in line and "[*]" not in line} == moves
