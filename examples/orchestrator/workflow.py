"""The way of one return as a durable workflow: killed anywhere, it goes on where it was.

A step that was done is never done again; one that may have been done is repeated under the same key or
reference, and the system that it calls knows the repeat. Messages wait by topic until they are asked for,
so their order does not matter, and a message that came before is dropped by its id.
"""

from __future__ import annotations

from typing import Any

from dbos import DBOS

from examples.orchestrator.systems import Recoup, RefusedError, Systems, TryAgainError, now

PATIENCE = 24 * 3600.0  # seconds until a person looks why nothing comes
DECIDED = "approval.decided"
OPEN = frozenset({"pending_approval", "held"})
GO = frozenset({"cleared", "approved"})
again = DBOS.step(
    retries_allowed=True,
    max_attempts=12,
    interval_seconds=0.2,
    backoff_rate=1.5,
    should_retry=lambda error: isinstance(error, TryAgainError),
)


class Parties:
    """Whom the steps call; set once when the program starts."""

    recoup: Recoup
    systems: Systems


@again
def recommend(line: dict[str, Any]) -> dict[str, Any]:
    """Ask Recoup; the line and the stage are the intent."""
    intent = f"{line['return_line_id']}:{line['stage']}"
    return Parties.recoup.post("/v1/recommendations", line, intent=intent)


@again
def standing(recommendation_id: str) -> dict[str, Any]:
    """The recommendation as it stands now."""
    return Parties.recoup.get(f"/v1/recommendations/{recommendation_id}")


@again
def have_done(what: str, reference: str, body: dict[str, Any]) -> dict[str, Any]:
    """Have ERP or WMS do something, once for each reference."""
    return Parties.systems.do(what, reference, **body)


@again
def tell(kind: str, line_id: str, at: str, data: dict[str, Any]) -> None:
    """Tell Recoup what happened."""
    Parties.recoup.tell(kind, line_id, at, **data)


@again
def report(recommendation_id: str, outcome: dict[str, Any]) -> None:
    """Tell Recoup what became of it in the end."""
    path = f"/v1/recommendations/{recommendation_id}/outcome"
    Parties.recoup.post(path, outcome, intent=f"{recommendation_id}:outcome")


@DBOS.step()
def moment() -> str:
    """The time, kept with the workflow: a second run tells the same."""
    return now()


def decided(line: dict[str, Any]) -> dict[str, Any]:
    """Recommend, and wait for people where policy asks for them.

    A webhook says that it is time to look, and what Recoup says then is what counts: one that was lost,
    late or forged can delay a decision and never make one.
    """
    found = recommend(line)
    while found["status"] in OPEN:
        DBOS.recv(f"{DECIDED}:{found['id']}", timeout_seconds=5)
        found = standing(found["id"])
    return found


@DBOS.workflow()
def handle_return(line: dict[str, Any]) -> dict[str, Any]:
    """Take one return line from request to settlement; the answer says how it ended."""
    line_id = line["return_line_id"]
    try:
        first = decided(line)
    except RefusedError as error:
        return {"line": line_id, "ended": "refused", "why": str(error)}
    if first["status"] not in GO:
        tell("rma.denied", line_id, moment(), {})
        return {"line": line_id, "ended": first["status"]}
    have_done("authorizations", line_id, {"line": line_id})
    tell("rma.authorized", line_id, moment(), {})

    arrived = DBOS.recv("receipt.confirmed", timeout_seconds=PATIENCE)
    tell("receipt.confirmed", line_id, arrived["at"], {"actor": arrived["actor"]})
    seen = DBOS.recv("inspection.completed", timeout_seconds=PATIENCE)
    inspection = {"grade": seen["grade"], "inspected_at": seen["at"], "inspector": seen["actor"]}
    if (line.get("item") or {}).get("serial"):
        inspection["serial_found"] = line["item"]["serial"]
    tell("inspection.completed", line_id, seen["at"], {"grade": seen["grade"], "actor": seen["actor"]})

    second = decided({**line, "stage": "INSPECTION", "inspection": inspection})
    if second["status"] not in GO:
        return {"line": line_id, "ended": second["status"]}
    return settle(line_id, second)


def settle(line_id: str, recommendation: dict[str, Any]) -> dict[str, Any]:
    """Move the goods, then credit what was recommended, under a reference that the ERP takes once."""
    disposition = recommendation["disposition"]["recommended"]
    have_done("moves", line_id, {"line": line_id, "disposition": disposition})
    tell("disposition.executed", line_id, moment(), {"disposition": disposition})
    credit = recommendation["credit"]["recommended"]
    # The line, not the recommendation: a later one of the same line must find this credit.
    memo = have_done("credits", line_id, {"line": line_id, "credit": credit})
    tell("credit.issued", line_id, moment(), {"memo": memo["number"]})
    report(recommendation["id"], {"disposition": disposition, "recovered": None, "minutes": 8.0})
    return {"line": line_id, "ended": "credited", "memo": memo["number"], "credit": credit}
