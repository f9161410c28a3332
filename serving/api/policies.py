"""The policies in force and before, and what a candidate would have done."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BeforeValidator, Field

from ledger.chain import NotInLedgerError
from policy.policies import PolicySet
from policy.rulebook import Rule
from policy.source import PolicyError
from serving.access import Action
from serving.api.dependencies import Doors, permit
from serving.api.wire import Wire, whole
from serving.auth import Caller
from serving.case.budgeting import Desks
from serving.case.replaying import backtest
from serving.case.shadow import SHOWN, firings, tally
from serving.contract import records
from serving.contract.body import StrictRoute
from serving.errors import ProblemError
from serving.stamps import iso

router = APIRouter(prefix="/v1/policies", tags=["policies"], route_class=StrictRoute)
Reader = Annotated[Caller, permit(Action.POLICY_READ)]
Tester = Annotated[Caller, permit(Action.POLICY_BACKTEST)]


PolicyFiles = Annotated[
    dict[
        Annotated[str, Field(pattern=r"^(sites/)?[A-Za-z0-9_-]{1,64}\.yaml$")],
        Annotated[str, Field(max_length=500_000)],
    ],
    Field(max_length=200),
]


class BacktestRequest(Wire):
    """A candidate policy set: its files by name."""

    files: PolicyFiles
    limit: Annotated[int, Field(strict=True, ge=1, le=100_000), BeforeValidator(whole)] = 10_000
    after: Annotated[str, Field(max_length=60, description="`next` of an earlier answer")] | None = None


@router.get("", summary="The rules in force, and the sets before them", response_model=records.Policies)
def policies(doors: Doors, caller: Reader) -> dict[str, Any]:
    """Every rule with its owner, every policy set that was ever recorded, and what a shadow would change.

    `fired` counts how often each rule fired on the newest thousand recommendations, the shadow's beside it.
    """
    with doors.ledger.read() as tx:
        recorded = tx.policies()
        newest = tx.latest_recommendations(limit=SHOWN)
        desks = Desks(tx)
    active, candidate = doors.policies, doors.shadow.policies.digest if doors.shadow else None
    return {
        "digest": active.digest,
        "rules": [wire(rule) for rule in active.rules],
        "sites": sorted(active.sites),
        "fired": firings(newest, candidate),
        "shadow": tally(newest, candidate, desks=desks) if candidate else None,
        "recorded": [{"digest": one.digest, "at": iso(one.at), "actor": one.actor} for one in recorded],
    }


@router.get("/{digest}", summary="One policy set as it was recorded", response_model=records.PolicyFiles)
def policy(doors: Doors, caller: Reader, digest: str) -> dict[str, Any]:
    """The files of a policy set; a digest never changes its meaning."""
    with doors.ledger.read() as tx:
        found = tx.policy(digest)
    if found is None:
        raise NotInLedgerError("there is no policy set of that digest.")
    return {"digest": found.digest, "at": iso(found.at), "actor": found.actor, "files": found.content}


@router.post(
    "/backtest", summary="What a candidate set would have decided", response_model=records.Backtested
)
def run_backtest(doors: Doors, caller: Tester, body: BacktestRequest) -> dict[str, Any]:
    """Judge the recorded facts by the candidate; nothing is written."""
    candidate = candidate_of(body.files)
    with doors.ledger.read() as tx:
        return backtest(tx, candidate, limit=body.limit, after=body.after)


def candidate_of(files: dict[str, str]) -> PolicySet:
    """The policy set of these files; 422 with file and line where one is wrong."""
    try:
        return PolicySet.parse(files)
    except PolicyError as error:
        raise ProblemError(422, "policy_invalid", str(error)) from error


def wire(rule: Rule) -> dict[str, Any]:
    """A rule as people read it."""
    return {
        "id": rule.id,
        "version": rule.version,
        "owner": rule.owner,
        "effect": rule.effect.value,
        "stages": sorted(stage.value for stage in rule.stages),
        "when": rule.when.text if rule.when else None,
        "sentence": rule.sentence,
        "basis": rule.basis,
        "enforced_by": rule.enforced_by,
        "roles": list(rule.roles),
    }
