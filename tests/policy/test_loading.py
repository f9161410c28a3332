"""A policy set is refused as a whole, with file, line and a sentence, before it can do harm."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from policy.policies import DEFAULT_RULES, PolicySet, check
from policy.source import PolicyError

RULE = """
  - id: OPS-99
    version: 1
    effect: hold
    target: [return]
    stages: [AUTHORIZATION]
    when: "line.quantity > 7"
    sentence: Too many.
    basis: a test
    examples:
      - {facts: {line.quantity: 8}, gives: hold}
"""
SITE = "owner: DAL1\n"


def _refusal(files: dict[str, str]) -> str:
    with pytest.raises(PolicyError) as refusal:
        PolicySet.parse(files)
    assert re.match(r"[\w/]+\.yaml:\d+: ", str(refusal.value))
    return str(refusal.value)


def _with(files: dict[str, str], rule: str) -> dict[str, str]:
    return {**files, "operations.yaml": files["operations.yaml"] + rule}


def test_the_default_policy_has_nothing_to_complain_about() -> None:
    assert check(DEFAULT_RULES) == []


def test_a_good_rule_is_taken(files: dict[str, str]) -> None:
    assert "OPS-99" in {rule.id for rule in PolicySet.parse(_with(files, RULE)).rules}


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        (
            "line.quantity > 7",
            "line.quantty > 7",
            "undeclared reference to 'line.quantty'; write line.quantity",
        ),
        ("line.quantity > 7", "line.quantity > 7.5", "no matching overload"),
        ("line.quantity > 7", "line.quantity", "must give true or false"),
        ("line.quantity > 7", "line.quantity > limits.nothing", "undeclared reference"),
        ("line.quantity > 7", "false", "example 1: gives 'nothing', not 'hold'"),
        ("version: 1", "version: 1\n    colour: red", "'colour' is no field here"),
        ("version: 1", "version: true", "version: input should be a valid integer, not True; correct it"),
        ("version: 1", "version: 1\n    version: 2", "'version' stands here twice"),
        ("version: 1", "version: 1\n    roles: [janitor]", "'janitor' is no role that approves"),
        ("effect: hold", "effect: stop", "effect: 'stop' is not known here; use 'forbid'"),
        (
            "[AUTHORIZATION]",
            "[AUTHORISATION]",
            "OPS-99, stages: 'AUTHORISATION' is not known here; use 'AUTHORIZATION'",
        ),
        ("[AUTHORIZATION]", "[]", "names the stages"),
        ("target: [return]", "dispositions: [BURN]", "'BURN' is not known here; use 'RESTOCK'"),
        ("target: [return]", "target: [vote]", "'credit' and 'return' only"),
        ("OPS-99", "OPS-01", "OPS-01 already stands in operations.yaml"),
        ("OPS-99", "CMP-01", "CMP-01 already stands in compliance.yaml"),
        ("OPS-99", "ops 99", "id: string should match pattern"),
        ("gives: hold", "gives: nothing", "OPS-99 is unreachable"),
        ("{line.quantity: 8}", "{line.quantity: eight}", "of type int, not str"),
        ("{line.quantity: 8}", "{line.quantity: 8, line.colour: 1}", "'line.colour' is no fact"),
        ("gives: hold}", "gives: hold, currency: QQQ}", "'QQQ' is no currency that is known here"),
        ("effect: hold", "", "OPS-99: 'effect' is missing; add it"),
        ("version: 1", "version: 1\n    roles: [by_amount, cfo]", "'by_amount' stands alone"),
        ("version: 1", "version: 1\n    roles: [cfo, by_amount]", "'by_amount' stands alone"),
        ("gives: hold}", "gives: hold, stage: CLOSED}", "does not apply at CLOSED"),
        ("{line.quantity: 8}", "{line.quantity: 8, inspection.grade: F}", "'inspection.grade' is never F"),
        (
            "{line.quantity: 8}",
            "{line.quantity: 8, item.handling: [HEAVY]}",
            "'item.handling' is never HEAVY",
        ),
        ("{line.quantity: 8}", "{line.quantity: 8, stage: CLOSED}", "give 'stage' beside the facts"),
        (
            "line.quantity > 7",
            "line.quantity > 7 && stage == 'CLOSED'",
            "OPS-99 is unreachable",
        ),
        ("line.quantity > 7", "line.quantity > 7 && line.quantity < 7", "OPS-99 is unreachable"),
        ("effect: hold", "effect: require_approval", "needs 'roles'"),
        ("effect: hold", "effect: cap", "'cap' and 'at' belong together"),
        ("effect: hold", "effect: cap\n    at: sale.price", "'at': undeclared reference to 'sale.price'"),
        ("effect: hold", "effect: cap\n    at: sale.known", "must give a whole number, not bool"),
        ("gives: hold}", "gives: hold, ceiling: 5}", "the ceiling is None, not 5"),
        ("effect: hold", "effect: require_document", "needs 'document'"),
        ("effect: hold", "effect: hold\n    document: a letter", "'document' and 'provided' belong together"),
        ("effect: hold", "effect: forbid\n    dispositions: [QUARANTINE]", "QUARANTINE is the last resort"),
        ("effect: hold", "effect: hold\n    then: QUARANTINE", "'then' belongs to effect 'forbid'"),
        ("effect: hold", "effect: auto\n    dispositions: [RESTOCK]", "NO_RETURN_KEEP only"),
    ],
)
def test_a_rule_with_a_mistake_is_refused(files: dict[str, str], old: str, new: str, sentence: str) -> None:
    assert sentence in _refusal(_with(files, RULE.replace(old, new)))


def test_a_rule_without_an_example_is_refused(files: dict[str, str]) -> None:
    assert "needs at least one example" in _refusal(_with(files, RULE[: RULE.index("    examples")]))


def test_a_rule_that_settles_the_disposition_cannot_ask_for_it(files: dict[str, str]) -> None:
    rule = RULE.replace("effect: hold", "effect: forbid").replace(
        "line.quantity > 7", "'RESTOCK' in disposition.considered"
    )
    assert "cannot ask for 'disposition.considered'" in _refusal(_with(files, rule))


def test_a_rule_that_another_covers_wherever_it_applies_is_unreachable(files: dict[str, str]) -> None:
    again = RULE.replace("OPS-99", "OPS-98").replace("Too many.", "Far too many.")
    assert "OPS-98 is unreachable: OPS-99 does the same" in _refusal(_with(files, RULE + again))
    assert "OPS-98 is unreachable: OPS-99 does the same" in _refusal(
        {**_with(files, RULE), "sites/DAL1.yaml": SITE + "rules:" + again}
    )
    wider = again.replace("[AUTHORIZATION]", "[AUTHORIZATION, CLOSED]")
    assert "OPS-98" in {rule.id for rule in PolicySet.parse(_with(files, RULE + wider)).rules}


@pytest.mark.parametrize(
    ("old", "new", "spoilt", "sentence"),
    [
        ("line.quantity > 7", "line.colour > 7", '    when: "line.colour > 7"', "undeclared reference"),
        (
            "line.quantity > 7",
            "line.quantity > 'x'",
            "    when: \"line.quantity > 'x'\"",
            "no matching overload",
        ),
        ("OPS-99", "OPS-01", "  - id: OPS-01", "already stands in"),
        ("gives: hold", "gives: nothing", "  - id: OPS-99", "is unreachable"),
        (RULE[RULE.index("    examples") :], "", "  - id: OPS-99", "needs at least one example"),
    ],
)
def test_what_is_wrong_with_a_rule_is_told_with_its_line(
    files: dict[str, str], old: str, new: str, spoilt: str, sentence: str
) -> None:
    text = _with(files, RULE.replace(old, new))
    lines = text["operations.yaml"].splitlines()
    line = len(lines) - lines[::-1].index(spoilt)
    refusals = _refusal(text).splitlines()
    assert any(one.startswith(f"operations.yaml:{line}: ") and sentence in one for one in refusals), refusals


def test_a_loosening_site_is_told_with_its_line(files: dict[str, str]) -> None:
    site = SITE + "limits:\n  keep_below: {per_currency: {USD: 1}}\n  return_window_days: {value: 31}\n"
    assert _refusal({**files, "sites/DAL1.yaml": site}).startswith("sites/DAL1.yaml:4: ")


def test_the_line_is_the_one_to_correct(files: dict[str, str]) -> None:
    text = _with(files, RULE.replace("quantity > 7", "quantty > 7"))
    line = text["operations.yaml"].splitlines().index('    when: "line.quantty > 7"') + 1
    assert _refusal(text).startswith(f"operations.yaml:{line}: OPS-99: 'when': ")


def test_every_mistake_of_a_kind_is_told_at_once(files: dict[str, str]) -> None:
    broken = RULE.replace("quantity > 7", "quantty > 7") + RULE.replace("OPS-99", "OPS-98").replace(
        "> 7", "> 'x'"
    )
    assert len(_refusal(_with(files, broken)).split("operations.yaml:")) == 3


@pytest.mark.parametrize(
    ("site", "sentence"),
    [
        ("limits: {return_window_days: {value: 31}}", "loosens the company's"),
        ("limits: {approval_above: {per_currency: {USD: 50001}}}", "loosens the company's"),
        ("limits: {approval_above: {per_currency: {EUR: 1}}}", "loosens the company's"),
        ("limits: {retention_years: {value: 6}}", "loosens the company's"),
        ("limits: {return_window_days: {value: 3, tighter: higher}}", "and not what it means"),
        ("limits: {own: {value: 3}}", "is new and needs 'unit' and 'means'"),
        ("authority: {supervisor: {USD: 250001}}", "lets supervisor approve more"),
        ("authority: {supervisor: {EUR: 1}}", "lets supervisor approve more"),
        ("authority: {supervisor: unlimited}", "lets supervisor approve more"),
        ("authority: {fraud_reviewer: {USD: 1}}", "lets fraud_reviewer approve more"),
        ("authority: {cfo: {USD: 1}}", "stays unlimited"),
        ("rules:" + RULE.replace("OPS-99", "OPS-01"), "OPS-01 already stands in operations.yaml"),
        (
            "rules:"
            + RULE.replace("hold", "auto").replace("target: [return]", "dispositions: [NO_RETURN_KEEP]"),
            "a site may tighten, and 'auto' permits",
        ),
    ],
)
def test_a_site_may_tighten_and_never_loosen(files: dict[str, str], site: str, sentence: str) -> None:
    assert sentence in _refusal({**files, "sites/DAL1.yaml": SITE + site})


@pytest.mark.parametrize(
    "site",
    [
        "limits: {return_window_days: {value: 30}}",
        "limits: {approval_above: {per_currency: {USD: 0}}}",
        "limits: {retention_years: {value: 10}}",
        "limits: {own: {value: 3, unit: days, means: something of ours}}",
        "authority: {supervisor: {USD: 0}}",
        "rules:" + RULE,
    ],
)
def test_a_site_that_tightens_is_taken(files: dict[str, str], site: str) -> None:
    assert "DAL1" in PolicySet.parse({**files, "sites/DAL1.yaml": SITE + site}).sites


def test_a_site_keeps_what_it_does_not_name(policies: PolicySet) -> None:
    ours, theirs = policies.at("CHI1"), policies.at("DAL1")
    assert ours.limit("approval_above", currency="USD") == 25000
    assert theirs.limit("approval_above", currency="USD") == 50000
    assert ours.limit("four_eyes_from", currency="USD") == theirs.limit("four_eyes_from", currency="USD")
    assert ours.defaults("USD")["contract.window_days"] == 21


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("finance.yaml", "owner: operations", "the owner of this file is 'finance'"),
        ("sites/DAL1.yaml", "owner: CHI1", "the owner of this file is 'DAL1'"),
        ("marketing.yaml", "owner: marketing", "is no policy file"),
        ("sites/DAL1.yaml", "", "write them"),
        ("sites/DAL1.yaml", "owner: [", "did not find expected node content"),
        ("sites/DAL1.yaml", "owner: &a DAL1\nrules: *a", "an alias hides what is meant"),
        ("sites/DAL1.yaml", "? [a]\n: b", "a key must be plain text"),
        ("sites/DAL1.yaml", "#" * 500_001, "is larger than"),
        ("compliance.yaml", "owner: compliance\nauthority: {cfo: unlimited}", "belong to finance.yaml"),
        ("finance.yaml", "owner: finance\nauthority: {cfo: unlimited}", "starts with supervisor"),
        ("compliance.yaml", "owner: compliance\nlimits: {a: {value: 1}}", "needs 'unit' and 'means'"),
        (
            "compliance.yaml",
            "owner: compliance\nlimits: {keep_below: {value: 1, unit: days, means: x}}",
            "already stands in",
        ),
        (
            "compliance.yaml",
            "owner: compliance\nlimits: {a: {value: 1, unit: money, means: x}}",
            "money is given 'per_currency'",
        ),
        (
            "compliance.yaml",
            "owner: compliance\nlimits: {a: {unit: days, means: x}}",
            "either 'value'",
        ),
        (
            "compliance.yaml",
            "owner: compliance\nlimits: {a: {value: 1, unit: days, means: x, default_for: reason}}",
            "'reason' is no whole-number fact",
        ),
    ],
)
def test_a_file_with_a_mistake_is_refused(files: dict[str, str], name: str, text: str, sentence: str) -> None:
    assert sentence in _refusal({**files, name: text})


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("manager: {USD: 1000000}", "manager: {USD: 200000}", "manager may approve less than supervisor"),
        ("manager: {USD: 1000000}", "manager: {EUR: 1000000}", "manager may approve less than supervisor"),
        ("{USD: 50000}", "{USDX: 50000}", "'USDX' is no currency that is known here"),
        ("{USD: 50000}", "{USD: -1}", "greater than or equal to 0, not -1; correct it"),
        ("{USD: 50000}", "{USD: 500.5}", "valid integer, not 500.5; correct it"),
        ("  retention_years:", "  retention_ages:", "the limit 'retention_years' is missing"),
        ("  retention_years:", "  retention_ages:", "nothing reads the limit 'retention_ages'"),
        ("rules:\n", "rules: [\n", "correct the YAML here"),
        ("gives: cap, ceiling: 9599", "gives: cap, ceiling: 1", "the ceiling is 9599, not 1"),
    ],
)
def test_a_mistake_in_the_amounts_is_refused(
    files: dict[str, str], old: str, new: str, sentence: str
) -> None:
    assert old in files["finance.yaml"]
    assert sentence in _refusal({**files, "finance.yaml": files["finance.yaml"].replace(old, new, 1)})


def test_the_line_of_a_wrong_amount_is_that_of_its_expression(files: dict[str, str]) -> None:
    text = files["finance.yaml"].replace("- credit.already_given", "- credit.already_givn")
    line = next(n for n, one in enumerate(text.splitlines(), 1) if "already_givn" in one)
    assert _refusal({**files, "finance.yaml": text}).startswith(f"finance.yaml:{line}: FIN-05: 'at': ")


def test_a_long_expression_is_shown_around_its_mistake(files: dict[str, str]) -> None:
    text = files["operations.yaml"].replace("&& customer.kept_this_year", "&& customer.kept_this_yeer")
    said = _refusal({**files, "operations.yaml": text}).splitlines()
    assert all(len(line) <= 110 for line in said[1:])
    assert said[1][: said[2].index("^")].endswith("customer")
    assert said[1][said[2].index("^") :].startswith(".kept_this_yeer")


def test_a_folder_without_one_of_the_owners_is_refused(tmp_path: Path) -> None:
    (tmp_path / "finance.yaml").write_text("owner: finance")
    assert {problem.file for problem in check(tmp_path)} == {"operations.yaml", "compliance.yaml"}


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "finance.yaml").write_bytes(b"\xff\xfe")
    assert "UTF-8" in check(tmp_path)[0].sentence


def test_the_digest_is_of_the_content_and_not_of_its_layout(
    files: dict[str, str], policies: PolicySet
) -> None:
    laid_out = {name: "# a comment\n" + text for name, text in files.items()}
    assert PolicySet.parse(laid_out).digest == policies.digest
    tighter = (
        files["finance.yaml"]
        .replace("value: 80", "value: 79")
        .replace("9599", "9479")
        .replace("799}", "789}")
    )
    assert PolicySet.parse({**files, "finance.yaml": tighter}).digest != policies.digest
    assert re.fullmatch("sha256:[0-9a-f]{64}", policies.digest)
