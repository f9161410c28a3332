"""The judge: what of a proposal may happen unattended, what needs a person, what may not happen at all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from features.returns import Disposition, Money
from policy.authority import FIRST_RESORT
from policy.language import FactValue, Language
from policy.policies import PolicySet
from policy.rulebook import CONSIDERED, Hit, Round, Rule, Rulebook
from policy.shapes import BY_AMOUNT, BY_PERMISSION, LAST_RESORT, STRICTNESS, Effect
from policy.verdict import Fired, Proposal, Requirement, Status, Verdict

_ABOUT_DISPOSITIONS: Final = frozenset({Effect.AUTO, Effect.FORBID})
__all__ = ["PolicySet", "Proposal", "Verdict", "judge"]


def judge(policies: PolicySet, proposal: Proposal, *, site: str) -> Verdict:
    """Weigh a proposal against every rule that applies at its stage and site.

    Forbid outranks hold, hold a missing document, that an approval, that a cap, that a permission. A rule
    that a missing fact leaves open is taken to hold, and a supervisor is asked besides; so knowing less, or
    adding a rule, never allows more (`Verdict.is_no_looser_than`). Pure: nothing but the arguments counts.
    """
    book = policies.at(site)
    facts: dict[str, FactValue] = {
        **proposal.facts,
        **book.facts(proposal.credit.currency),
        "stage": proposal.stage.value,
        "site": site,
        "credit.amount": proposal.credit.minor,
    }
    settling, looking = book.rounds(proposal.stage)
    hits = _weighed(settling, facts, policies.language)
    forbidden = _forbidden(hits)
    disposition, considered = _choose(proposal.candidates, forbidden, hits)
    if looking.rules:
        hits += _weighed(looking, {**facts, CONSIDERED: considered}, policies.language)
        hits.sort(key=lambda hit: STRICTNESS[hit.rule.effect])
    return _verdict(proposal, book, hits, (disposition, forbidden))


def _weighed(asked: Round, facts: Mapping[str, FactValue], language: Language) -> list[Hit]:
    known = language.know({name: facts[name] for name in asked.names if name in facts})
    return [hit for rule in asked.rules if (hit := rule.weigh(known)) is not None]


def _forbidden(hits: Sequence[Hit]) -> Mapping[Disposition, tuple[str, ...]]:
    return _forbidden_by(tuple([hit.rule for hit in hits if hit.rule.effect in _ABOUT_DISPOSITIONS]))


@lru_cache(maxsize=4096)  # as above: a few combinations of rules, again and again
def _forbidden_by(rules: tuple[Rule, ...]) -> Mapping[Disposition, tuple[str, ...]]:
    permitted = {what for rule in rules if rule.effect is Effect.AUTO for what in rule.dispositions}
    by_rule: dict[Disposition, list[str]] = {what: [] for what in BY_PERMISSION - permitted}
    for rule in rules:
        if rule.effect is Effect.FORBID:
            for what in rule.dispositions:
                by_rule.setdefault(what, []).append(rule.id)
    return MappingProxyType({what: tuple(named) for what, named in by_rule.items()})


def _choose(
    candidates: Sequence[Disposition], forbidden: Mapping[Disposition, tuple[str, ...]], hits: Sequence[Hit]
) -> tuple[Disposition, list[str]]:
    """Choose a disposition, and say which were weighed on the way to it.

    A rule that names where the item goes instead sends it there; otherwise the best candidate that is left
    is taken, and quarantine where none is. All that were weighed are handed to the rules that look at
    dispositions: with the chosen one alone, forbidding one could lift the approval that a rule asks for it.
    """
    instead = [hit.rule.then for hit in hits if hit.rule.then is not None]
    best = next((candidate for candidate in candidates if candidate not in forbidden), LAST_RESORT)
    # As if nothing were permitted that needs it: a permission never lifts what is asked of the next best.
    unaided = (candidate not in forbidden and candidate not in BY_PERMISSION for candidate in candidates)
    last = next((place for place, left in enumerate(unaided, 1) if left), None)
    weighed = [*candidates[:last], *instead, best]
    chosen = next((where for where in instead if where not in forbidden), LAST_RESORT) if instead else best
    return chosen, [where.value for where in dict.fromkeys([*weighed, chosen])]


def _verdict(
    proposal: Proposal,
    book: Rulebook,
    hits: list[Hit],
    outcome: tuple[Disposition, Mapping[Disposition, tuple[str, ...]]],
) -> Verdict:
    credit, caps = proposal.credit, [hit.ceiling for hit in hits if hit.ceiling is not None]
    ceiling = Money(min(caps), credit.currency) if caps else None
    biting = [hit for hit in hits if hit.ceiling is None or hit.ceiling < credit.minor]
    denied = any(hit.rule.denies for hit in biting)
    approvals = _requirements(biting, book, credit)
    status = Status.DENIED if denied else _status(biting, approvals)
    return Verdict(
        status=status,
        fired=tuple(_fired(hit.rule, hit.missing) for hit in biting),
        forbidden=outcome[1],
        disposition=outcome[0],
        ceiling=ceiling,
        credit=Money(0 if denied else min([credit.minor, *caps]), credit.currency),
        approvals=approvals,
        documents=tuple((hit.rule.id, hit.rule.document or "") for hit in biting if hit.document_missing),
        auto=tuple(what for hit in hits if hit.rule.effect is Effect.AUTO for what in hit.rule.dispositions),
        missing=_together(tuple([hit.missing for hit in biting if hit.missing])),
        uncapped=tuple(hit.rule.id for hit in hits if hit.rule.effect is Effect.CAP and hit.ceiling is None),
        final=denied or any(_only_revision_helps(hit) for hit in biting),
    )


def _status(hits: Iterable[Hit], approvals: Sequence[Requirement]) -> Status:
    if any(hit.rule.effect is Effect.HOLD or hit.document_missing for hit in hits):
        return Status.HELD
    return Status.PENDING_APPROVAL if approvals else Status.CLEARED


def _only_revision_helps(hit: Hit) -> bool:
    return hit.document_missing or (hit.rule.effect is Effect.HOLD and not hit.rule.roles)


@lru_cache(maxsize=4096)
def _together(parts: tuple[frozenset[str], ...]) -> tuple[str, ...]:
    return tuple(sorted(frozenset().union(*parts)))


@lru_cache(maxsize=4096)  # the same rules fire, and the same few facts are missing, again and again
def _fired(rule: Rule, missing: frozenset[str]) -> Fired:
    unknown = f" Not known: {', '.join(sorted(missing))}." if missing else ""
    return Fired(rule.id, rule.version, rule.owner, rule.effect, rule.sentence + unknown)


def _requirements(hits: Sequence[Hit], book: Rulebook, credit: Money) -> tuple[Requirement, ...]:
    able = book.authority.able(credit)
    asked = [_requirement(hit.rule, hit.rule.roles, book, (credit, able)) for hit in hits if hit.rule.roles]
    unsure = next((hit.rule for hit in hits if hit.missing), None)
    if unsure is not None:  # one supervisor looks at everything that is not known
        supervisor = _requirement(unsure, (FIRST_RESORT,), book, (credit, able))
        asked += [] if supervisor in asked else [supervisor]
    return tuple(asked)


def _requirement(
    rule: Rule, roles: tuple[str, ...], book: Rulebook, answered: tuple[Money, tuple[str, ...]]
) -> Requirement:
    credit, able = answered
    needed = rule.count if roles is rule.roles else 1
    asked = book.authority.ladder[:1] if roles == (BY_AMOUNT,) else roles
    if book.authority.limits.keys().isdisjoint(asked):
        return _specialists(rule.id, asked, needed)
    voters = book.authority.voters(asked, credit, able=able)
    return Requirement(rule.id, voters.roles, needed, credit, voters.higher)


@lru_cache(maxsize=1024)
def _specialists(rule: str, roles: tuple[str, ...], needed: int) -> Requirement:
    """Those who answer for their subject, whatever the amount."""
    return Requirement(rule, roles, needed)
