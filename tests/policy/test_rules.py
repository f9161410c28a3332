"""Every default rule does what its own examples say, and what the people who own it would expect."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from features.returns import FACTS, Disposition, Money, Stage
from policy.checks import weigh_example
from policy.language import reference
from policy.policies import DEFAULT_RULES, PolicySet, files_of
from policy.shapes import OWNERS, ExampleShape, RuleShape, shape
from policy.source import read
from policy.verdict import Status, Verdict

_FILES = files_of(DEFAULT_RULES)
_RULES = [
    (name, rule)
    for name, text in _FILES.items()
    for rule in (shape(read(name, text))[0] or pytest.fail(name)).rules
    if rule.enforced_by == "judge"
]
_EXAMPLES = [
    pytest.param(name, rule, example, id=f"{rule.id}.{number}-{example.gives}")
    for name, rule in _RULES
    for number, example in enumerate(rule.examples, 1)
]
RESALE = {Disposition.RESTOCK, Disposition.REPACKAGE_RESTOCK, Disposition.OPEN_BOX_RESALE}
ELSEWHERE = {"OPS-08": "timer", "FIN-03": "approvals", "FIN-10": "retention"}


@pytest.mark.parametrize(("name", "rule", "example"), _EXAMPLES)
def test_an_example_comes_out_as_written(
    policies: PolicySet, name: str, rule: RuleShape, example: ExampleShape
) -> None:
    book = policies.at(name.removeprefix("sites/").removesuffix(".yaml"))
    hit = weigh_example(rule, example, book, policies.language)
    given = "nothing" if hit is None else "unknown" if hit.missing else hit.rule.effect
    assert given == example.gives


@pytest.mark.parametrize("rule", [rule for _, rule in _RULES], ids=lambda rule: rule.id)
def test_every_rule_shows_both_when_it_applies_and_when_it_does_not(rule: RuleShape) -> None:
    gives = {example.gives for example in rule.examples}
    assert rule.effect in gives
    assert gives - {rule.effect}


def test_every_rule_of_the_domain_is_there(policies: PolicySet) -> None:
    wanted = {f"OPS-{n:02}" for n in range(1, 11)} | {f"FIN-{n:02}" for n in range(1, 12)}
    wanted |= {f"CMP-{n:02}" for n in range(1, 11)}
    assert wanted <= {rule.id for rule in policies.rules}
    assert {rule.id: rule.enforced_by for rule in policies.rules if rule.enforced_by != "judge"} == ELSEWHERE


# Rule -> effect, stages by their first letters, who is asked, where the item goes instead.
DOMAIN = """
OPS-01 hold A - -
OPS-02 require_approval A service_manager -
OPS-03 require_document A - -
OPS-04 require_approval A sales_manager -
OPS-05 require_document AI - -
OPS-06 forbid DIR fraud_reviewer QUARANTINE
OPS-07 auto A - -
OPS-08 hold - service_manager -
OPS-09 require_approval ADI supervisor -
OPS-10 hold DS - -
FIN-01 require_approval ADIS by_amount -
FIN-02 require_approval ADIS by_amount -
FIN-03 forbid - - -
FIN-04 cap AIS - -
FIN-05 cap AIS - -
FIN-06 hold S - -
FIN-07 require_approval DS supplier_manager -
FIN-08 require_approval AS controller -
FIN-09 forbid AD - -
FIN-10 hold - - -
FIN-11 require_approval AIS fraud_reviewer -
CMP-01 forbid ADIR hazmat_officer HAZMAT_HANDOFF
CMP-02 require_approval A hazmat_officer -
CMP-03 forbid ADI - QUARANTINE
CMP-04 forbid ADI quality_assurance -
CMP-05 require_approval ADIS compliance_officer -
CMP-06 forbid ADIR recall_coordinator -
CMP-07 forbid ADI - -
CMP-08 forbid D - -
CMP-09 require_document AI - -
CMP-10 hold ADI compliance_officer -
"""


@pytest.mark.parametrize("row", DOMAIN.split("\n")[1:-1])
def test_a_default_rule_has_the_effect_the_stages_and_the_people_that_were_agreed(
    policies: PolicySet, row: str
) -> None:
    name, effect, stages, role, then = row.split()
    rule = next(each for each in policies.rules if each.id == name)
    assert rule.effect == effect
    assert "".join(sorted(stage[0] for stage in rule.stages)) == stages.strip("-")
    assert rule.roles == (() if role == "-" else (role,))
    assert rule.then == (None if then == "-" else then)
    assert rule.count == (2 if name == "FIN-02" else 1)


def test_the_request_of_the_contract_is_cleared_with_no_rule_fired(judged: Callable[..., Verdict]) -> None:
    verdict = judged()
    assert verdict.status is Status.CLEARED
    assert (verdict.fired, verdict.approvals, verdict.documents, verdict.missing) == ((), (), (), ())
    assert verdict.credit == verdict.ceiling == Money(11900, "USD")
    assert verdict.disposition is Disposition.REFURBISH


@pytest.mark.parametrize(
    ("amount", "roles", "higher"),
    [
        (50001, ("supervisor",), ("manager", "controller", "cfo")),
        (250000, ("supervisor",), ("manager", "controller", "cfo")),
        (250001, ("manager",), ("controller", "cfo")),
        (1000001, ("controller",), ("cfo",)),
        (5000001, ("cfo",), ()),
    ],
)
def test_the_lowest_role_whose_limit_covers_the_credit_is_asked(
    judged: Callable[..., Verdict], amount: int, roles: tuple[str, ...], higher: tuple[str, ...]
) -> None:
    verdict = judged({"sale.price_paid": 10**9}, credit=Money(amount, "USD"))
    approval = next(each for each in verdict.approvals if each.rule == "FIN-01")
    assert (approval.roles, approval.higher, approval.needed) == (roles, higher, 1)
    assert verdict.status is Status.PENDING_APPROVAL


def test_ten_thousand_takes_two_people(judged: Callable[..., Verdict]) -> None:
    verdict = judged({"sale.price_paid": 10**9}, credit=Money(1_000_000, "USD"))
    assert [(each.rule, each.needed) for each in verdict.approvals] == [("FIN-01", 1), ("FIN-02", 2)]


def test_a_currency_without_limits_goes_to_the_one_whose_authority_has_none(
    judged: Callable[..., Verdict],
) -> None:
    verdict = judged(credit=Money(100, "XAF"))
    assert verdict.status is Status.PENDING_APPROVAL
    ladder = [each for each in verdict.approvals if each.amount is not None]
    assert {each.roles for each in ladder} == {("cfo",)}
    assert {each.rule for each in ladder} == {"FIN-01", "FIN-02", "FIN-08"}
    assert "limits.approval_above" in verdict.missing


def test_a_change_of_mind_costs_the_restocking_fee(judged: Callable[..., Verdict]) -> None:
    verdict = judged({"reason": "UNWANTED"})
    assert verdict.credit == verdict.ceiling == Money(9520, "USD")
    assert [(fired.id, fired.effect) for fired in verdict.fired] == [("FIN-04", "cap")]
    assert verdict.status is Status.CLEARED


def test_an_unknown_price_goes_to_a_supervisor(judged: Callable[..., Verdict]) -> None:
    verdict = judged({"sale.price_paid": ...})
    assert verdict.status is Status.PENDING_APPROVAL
    assert [(each.rule, each.roles) for each in verdict.approvals] == [("FIN-05", ("supervisor",))]
    assert (verdict.ceiling, verdict.credit, verdict.uncapped) == (None, Money(11900, "USD"), ("FIN-05",))


def test_a_swapped_serial_number_is_denied_and_quarantined(judged: Callable[..., Verdict]) -> None:
    verdict = judged(
        {"inspection.grade": "B", "inspection.serials_compared": True, "inspection.serial_differs": True},
        stage=Stage.INSPECTION,
    )
    assert verdict.status is Status.DENIED
    assert verdict.credit == Money(0, "USD")
    assert verdict.disposition is Disposition.QUARANTINE
    assert not any(verdict.permits(disposition) for disposition in RESALE)
    assert verdict.final


def test_a_serial_number_that_nobody_read_is_a_question_and_not_a_mismatch(
    judged: Callable[..., Verdict],
) -> None:
    verdict = judged({"inspection.grade": "B"}, stage=Stage.INSPECTION)
    assert verdict.status is Status.PENDING_APPROVAL
    assert [fired.id for fired in verdict.fired] == ["OPS-11"]


def test_a_damaged_lithium_battery_is_handed_to_the_hazmat_officer(judged: Callable[..., Verdict]) -> None:
    verdict = judged({"item.regulatory": ["LITHIUM_BATTERY"]}, candidates=(Disposition.RESTOCK,))
    assert verdict.disposition is Disposition.HAZMAT_HANDOFF
    assert verdict.status is Status.HELD
    assert ("hazmat_officer",) in {each.roles for each in verdict.approvals}
    assert not any(verdict.permits(disposition) for disposition in RESALE)


def test_a_damaged_lithium_battery_that_is_packed_by_the_book_waits_for_approval_only(
    judged: Callable[..., Verdict],
) -> None:
    verdict = judged({"item.regulatory": ["LITHIUM_BATTERY"], "documents.kinds": ["PACKING_173_185_F"]})
    assert verdict.status is Status.PENDING_APPROVAL


def test_an_unverified_prescription_drug_stays_in_quarantine(judged: Callable[..., Verdict]) -> None:
    verdict = judged(
        {"item.regulatory": ["RX_DSCSA"], "item.identifier_verified": False, "reason": "UNWANTED"}
    )
    assert verdict.disposition is Disposition.QUARANTINE
    assert "CMP-03" in verdict.forbidden[Disposition.RESTOCK]


def test_an_unclassified_product_is_held_until_compliance_classifies_it(
    judged: Callable[..., Verdict],
) -> None:
    verdict = judged({"item.regulatory": ["UNCLASSIFIED"]})
    assert verdict.status is Status.HELD
    assert ("compliance_officer",) in {each.roles for each in verdict.approvals}
    assert not verdict.final


def test_a_recalled_product_is_not_sold_again(judged: Callable[..., Verdict]) -> None:
    verdict = judged({"item.recalled": True})
    assert not any(verdict.permits(disposition) for disposition in RESALE)
    assert [each.roles for each in verdict.approvals] == [("recall_coordinator",)]


def test_worthless_goods_stay_with_the_customer_and_nothing_else_does(judged: Callable[..., Verdict]) -> None:
    cheap = {"sale.price_paid": 2000, "recovery.best": 100}
    keep_first = (Disposition.NO_RETURN_KEEP, Disposition.RECYCLE)
    kept = judged(cheap, credit=Money(2000, "USD"), candidates=keep_first)
    assert (kept.disposition, kept.auto, kept.status) == (keep_first[0], keep_first[:1], Status.CLEARED)
    assert judged(candidates=keep_first).disposition is Disposition.RECYCLE
    assert not judged().permits(Disposition.NO_RETURN_KEEP)


def test_a_credit_without_goods_above_fifty_takes_two_people(judged: Callable[..., Verdict]) -> None:
    verdict = judged({"credit.without_return": True})
    assert [(each.rule, each.needed) for each in verdict.approvals] == [("FIN-02", 2)]


def test_goods_that_go_to_the_vendor_need_the_supplier_manager_and_an_authorization(
    judged: Callable[..., Verdict],
) -> None:
    inspected = {"inspection.grade": "B", "item.handling": []}
    vendor = (Disposition.RETURN_TO_VENDOR, Disposition.RECYCLE)
    verdict = judged(inspected, stage=Stage.DISPOSITION, candidates=vendor)
    assert verdict.status is Status.HELD
    assert verdict.documents == (("FIN-07", "supplier return authorization"),)
    allowed = judged({**inspected, "supplier.authorized": True}, stage=Stage.DISPOSITION, candidates=vendor)
    assert allowed.status is Status.PENDING_APPROVAL
    assert judged(inspected, stage=Stage.DISPOSITION).status is Status.CLEARED


def test_goods_of_someone_else_are_not_ours_to_sell(judged: Callable[..., Verdict]) -> None:
    verdict = judged({"item.handling": ["CONSIGNMENT"]}, candidates=tuple(RESALE))
    assert verdict.disposition is Disposition.QUARANTINE


def test_degraded_models_are_answered_by_a_supervisor(judged: Callable[..., Verdict]) -> None:
    verdict = judged(
        {"models.degraded": True, "models.set_size": ..., "models.in_domain": ...}, candidates=()
    )
    assert [(each.rule, each.roles) for each in verdict.approvals] == [("OPS-09", ("supervisor",))]
    assert verdict.missing == ()


@pytest.mark.parametrize("stage", [Stage.TRANSIT, Stage.RECEIPT, Stage.INVENTORY, Stage.CLOSED])
def test_no_stage_is_a_way_round_the_approval_of_large_credits(
    judged: Callable[..., Verdict], stage: Stage
) -> None:
    assert judged(stage=stage, credit=Money(50001, "USD")).status is Status.PENDING_APPROVAL


def test_a_site_holds_more_to_people_than_the_company_does(judged: Callable[..., Verdict]) -> None:
    request = {"credit": Money(25001, "USD")}
    facts = {"sale.price_paid": 25001}
    assert judged(facts, **request).status is Status.CLEARED
    assert judged(facts, **request, site="CHI1").status is Status.PENDING_APPROVAL


def test_nothing_is_settled_or_disposed_of_before_inspection(judged: Callable[..., Verdict]) -> None:
    assert judged(stage=Stage.SETTLEMENT).status is Status.HELD
    assert [fired.id for fired in judged(stage=Stage.DISPOSITION).fired] == ["OPS-10"]


def test_the_docs_list_every_fact_as_it_is_declared() -> None:
    text = (DEFAULT_RULES.parents[1] / "docs" / "policies.md").read_text("utf-8")
    assert reference(FACTS) in text


def test_every_policy_file_has_an_owner_in_codeowners() -> None:
    root = DEFAULT_RULES.parents[1]
    lines = (root / "CODEOWNERS").read_text("utf-8").splitlines()
    owned = dict(line.split() for line in lines if line.startswith("/"))
    for owner in OWNERS:
        assert owned[f"/policy/rules/{owner}.yaml"].endswith(f"/{owner}")
    assert "/policy/rules/sites/" in owned
