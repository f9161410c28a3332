"""One return line in, one recommendation out: predict, judge, record.

Reading and predicting happen first; what the judge needs of earlier returns is read again in the transaction
that records, so that two requests on one sale can never both be given its whole price.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from features.events import EventType
from features.history import told
from features.returns import STAGE_ORDER, BadInputError, Grade, Money, ReturnLine, Stage
from ledger.approvals import Approval
from ledger.chain import ConflictError, NotInLedgerError, canonical
from ledger.evidence import Document
from ledger.history import Line, PolicyFacts
from ledger.outbox import Message
from ledger.recommendations import Recommendation
from ledger.store import Transaction
from models.routing import Site
from policy.approvals import State
from policy.guardrails import judge
from policy.language import FactValue
from policy.rulebook import Rulebook
from policy.timing.calendar import Calendar
from policy.verdict import Proposal, Status, Verdict
from serving.case import budgeting, quality
from serving.case.answer import Case, compose, inputs_of
from serving.case.comparing import summary
from serving.case.facts import MasterData, from_ledger, from_master_data, from_request
from serving.case.insight import Insight, features_digest, laid_out, look
from serving.case.papers import from_documents
from serving.case.sites import known_sites
from serving.documents import corrected
from serving.runtime import SERVICE_ACTOR, Runtime
from serving.stamps import iso, new_id


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it came: the line, its JSON, whose key, and the revision it names."""

    line: ReturnLine
    payload: Mapping[str, Any]
    payload_digest: str
    actor: str
    revises: str | None = None


Prepared: TypeAlias = tuple[Case, Line]
"""A case, and its line as the ledger will know it."""


@dataclass(frozen=True, slots=True)
class Known:
    """What the ledger holds about a line before it is judged."""

    history: Mapping[str, float]
    master_data: MasterData
    attached: tuple[Document, ...]
    written: Mapping[str, FactValue]
    sites: tuple[Site, ...]


def gather(tx: Transaction, line: ReturnLine) -> Known:
    """Read what is known about the line."""
    attached = _attached(tx, line)
    return Known(
        tx.history(_behind(line), as_of=line.requested_at),
        _master_data(tx, line),
        attached,
        from_documents([_written(document, tx) for document in attached], line),
        known_sites(tx),
    )


def prepare(runtime: Runtime, lines: Sequence[ReturnLine], known: Sequence[Known]) -> list[Prepared]:
    """Ask the models about all lines at once; nothing is read or written."""
    table = laid_out(lines, [one.history for one in known])
    insights = look(lines, table, runtime.champions)
    marks = {name: values.tolist() for name, values in told(table).items()}
    return [
        (
            _case(line, insights[place], one),
            _line(line, {name: values[place] for name, values in marks.items()}),
        )
        for place, (line, one) in enumerate(zip(lines, known, strict=True))
    ]


def _case(line: ReturnLine, insight: Insight, known: Known) -> Case:
    kinds = tuple(sorted({document.meta.get("evidence") or document.kind for document in known.attached}))
    digest = features_digest(line, known.history)
    return Case(line, insight, known.master_data, kinds, known.sites, digest, known.history, known.written)


def _attached(tx: Transaction, line: ReturnLine) -> tuple[Document, ...]:
    """The documents that the line names; evidence of one return is none for another."""
    found = tx.documents_of(line.document_ids)
    if set(line.document_ids) - {document.id for document in found}:
        raise NotInLedgerError("a document it names is not known; post it to /v1/documents first.")
    for document in found:
        about = document.return_line_id or line.return_line_id
        # A photo of the parcel may serve all lines of an RMA.
        if about != line.return_line_id and about.rpartition("/")[0] != (line.rma_number or about):
            raise BadInputError(f"{document.id} was posted for another return; post one of this return.")
    return found


def _written(document: Document, tx: Transaction) -> dict[str, Any]:
    """What people make of a document, with the rows of its table as they were read."""
    return {**corrected(document, tx), "items": document.body.get("items", ())}


def record(runtime: Runtime, tx: Transaction, asked: Asked, prepared: Prepared) -> dict[str, Any]:
    """Judge the line and write recommendation, approvals, audit entries and events in `tx`.

    Raises
    ------
    ConflictError
        409 where the line already has another recommendation at this stage that is not the one revised.
    """
    case, known = prepared
    line, insight, now = asked.line, case.insight, runtime.now()
    superseded = _superseded(tx, asked)
    book = runtime.policies.at(line.site)
    desk = budgeting.desk_of(tx, line.site, line.credit_requested.currency, now=now)
    past = tx.policy_facts(known, as_of=line.requested_at)
    facts = {**_facts(past, case, book), **budgeting.facts(tx, desk, book)}
    proposal = Proposal(line.stage, facts, line.credit_requested, insight.candidates)
    verdict = judge(runtime.policies, proposal, site=line.site)
    identity = new_id("rec")
    asks = _approvals(verdict, identity, book, desk.calendar, now)
    body = compose(runtime, case, verdict)
    body |= {"id": identity, "created_at": iso(now), "supersedes": superseded.id if superseded else None}
    body["approvals"] = [_ask(ask) for ask in asks]
    if body["supplier_claim"]:
        vendor = next((ask.id for ask in asks if "supplier_manager" in ask.roles), None)
        body["supplier_claim"]["approval_id"] = vendor
    digest = _digest(body)
    lot = _lot(runtime, verdict, identity, book)
    recommendation = Recommendation(
        id=identity,
        line=known,
        stage=line.stage,
        status=verdict.status,
        amount=verdict.credit,
        requested_by=line.requested_by,
        created_at=now,
        actor=asked.actor,
        payload_digest=asked.payload_digest,
        digest=digest,
        policy_digest=runtime.policies.digest,
        action=body["credit"]["action"],
        related=_related(superseded),
        facts={
            **_snapshot(proposal, verdict),
            **_shadowed(runtime, proposal, line.site),
            "inputs": inputs_of(case),
            "quality": lot,
        },
        request=asked.payload,
        body=body,
        supersedes=superseded.id if superseded else None,
    )
    tx.add_recommendation(recommendation)
    if line.grade is not Grade.UNGRADED:
        tx.add_finding(line.return_line_id, grade=line.grade, known_at=now)
    if lot["drawn"]:
        quality.draw(tx, recommendation, permille=lot["permille"], actor=SERVICE_ACTOR)
    budgeting.note(tx, desk, book, proposal, asked=(role for ask in asks for role in ask.roles))
    for ask in asks:
        tx.add_approval(_approval(ask, line, digest, now, asked.actor))
    _announce(tx, asked, body, now)
    return body


def _superseded(tx: Transaction, asked: Asked) -> Recommendation | None:
    """The recommendation that this one replaces: the one it revises, else the earlier stage's."""
    line = asked.line
    current = tx.current(line.return_line_id, line.stage)
    if asked.revises is not None:
        if current is None or current.id != asked.revises:
            raise ConflictError("what it revises is not the current recommendation of this line and stage.")
        return current
    if current is not None:
        raise ConflictError(
            f"this line already has recommendation {current.id} at this stage, for another payload; "
            f'name it in "revises" to replace it.'
        )
    earlier = tx.answering(line.return_line_id)
    if any(STAGE_ORDER[Stage(one.stage)] > STAGE_ORDER[line.stage] for one in earlier):
        raise ConflictError("this line already has a recommendation at a later stage.")
    return next((one for one in reversed(earlier) if one.status != State.SUPERSEDED), None)


def _related(superseded: Recommendation | None) -> tuple[str, ...]:
    """Everyone who has shaped the facts before: they cannot approve either."""
    if superseded is None:
        return ()
    return tuple(sorted({*superseded.related, superseded.requested_by, superseded.actor}))


def _facts(past: PolicyFacts, case: Case, book: Rulebook) -> dict[str, Any]:
    line, insight = case.line, case.insight
    learned = {
        "models.degraded": insight.degraded,
        "models.in_domain": insight.in_domain,
        "models.set_size": len(insight.prediction_set) if insight.probabilities else None,
        "fraud.score": insight.score,
        "fraud.band": insight.band,
        "fraud.expected_loss": insight.expected_loss(line.credit_requested.minor),
        "recovery.best": insight.alternatives[0].expected,
        "recovery.freight_and_handling": insight.outlay,
        "documents.kinds": list(case.documents),
        **case.written,
    }
    return {
        **from_request(line),
        **from_master_data(case.master_data, line, book),
        **from_ledger(past, line, book),
        **{name: value for name, value in learned.items() if value is not None},
    }


def _snapshot(proposal: Proposal, verdict: Verdict) -> dict[str, Any]:
    """What an exact replay needs, and what it must give again."""
    return {
        "known": dict(proposal.facts),
        "candidates": [disposition.value for disposition in proposal.candidates],
        "missing": list(verdict.missing),
        "final": verdict.final,
        "verdict": summary(verdict),
    }


def _shadowed(runtime: Runtime, proposal: Proposal, site: str) -> dict[str, Any]:
    return {"shadow": runtime.shadow.judge(proposal, site=site)} if runtime.shadow else {}


def _lot(runtime: Runtime, verdict: Verdict, identity: str, book: Rulebook) -> dict[str, Any]:
    """Whether a cleared return is drawn for blind review, with the chance it had; kept from the requester."""
    limit = book.limits.get("quality_sample_permille")
    permille = (limit.at("") or 0) if limit and verdict.status is Status.CLEARED else 0
    drawn = quality.is_drawn(identity, key=runtime.quality_key, permille=permille)
    return {"permille": permille, "drawn": drawn}


@dataclass(frozen=True, slots=True)
class Ask:
    """One approval to be asked for."""

    id: str
    recommendation_id: str
    rule: str
    sentence: str
    roles: tuple[str, ...]
    needed: int
    amount: Money | None
    expires_at: datetime


def _approvals(
    verdict: Verdict, identity: str, book: Rulebook, calendar: Calendar, now: datetime
) -> list[Ask]:
    if verdict.status is Status.DENIED:
        return []  # nobody is asked to wave through what is forbidden
    # The calendar by which it also escalates.
    expires = calendar.after(now, book.limit("approval_expiry_days") or 1)
    sentences = {fired.id: fired.sentence for fired in verdict.fired}
    return [
        Ask(
            new_id("apr"),
            identity,
            needed.rule,
            sentences.get(needed.rule, ""),
            needed.roles,
            needed.needed,
            needed.amount,
            expires,
        )
        for needed in verdict.approvals
    ]


def _ask(ask: Ask) -> dict[str, Any]:
    return {
        "id": ask.id,
        "rule": ask.rule,
        "roles": list(ask.roles),
        "needed": ask.needed,
        "expires_at": iso(ask.expires_at),
    }


def _approval(ask: Ask, line: ReturnLine, digest: str, now: datetime, actor: str) -> Approval:
    return Approval(
        id=ask.id,
        recommendation_id=ask.recommendation_id,
        return_line_id=line.return_line_id,
        rule=ask.rule,
        roles=ask.roles,
        needed=ask.needed,
        site=line.site,
        created_at=now,
        expires_at=ask.expires_at,
        actor=actor,
        digest=digest,
        amount=ask.amount,
        sentence=ask.sentence,
    )


def _announce(tx: Transaction, asked: Asked, body: Mapping[str, Any], now: datetime) -> None:
    line = asked.line
    data = {"recommendation_id": body["id"], "status": body["status"], "stage": line.stage.value}
    tx.enqueue(
        Message(new_id("msg"), EventType.RECOMMENDATION_ISSUED, line.return_line_id, data, now, asked.actor)
    )
    for ask in body["approvals"]:
        tx.enqueue(
            Message(
                new_id("msg"),
                EventType.APPROVAL_REQUESTED,
                line.return_line_id,
                {**data, **ask},
                now,
                asked.actor,
            )
        )


def _master_data(tx: Transaction, line: ReturnLine) -> MasterData:
    def body(kind: str, name: str | None) -> Mapping[str, Any]:
        found = tx.reference(kind, name) if name else None
        return found.body if found else {}

    recalls = tx.references("recalls")
    recalled = any(
        line.item.sku in one.body.get("skus", ()) for one in recalls if one.body.get("active", True)
    )
    return MasterData(
        body("contracts", line.customer.id),
        body("suppliers", line.supplier.id),
        body("products", line.item.sku),
        recalled,
        max((one.at for one in recalls), default=None),
    )


def _behind(line: ReturnLine) -> dict[str, str | None]:
    """Whose past counts: the ids of `features.history.ENTITIES`."""
    customer = line.customer
    persons = {"customer": customer.id, "address": customer.address_id, "device": customer.device_id}
    return {**persons, "product": line.item.sku, "supplier": line.supplier.id, "site": line.site}


def _line(line: ReturnLine, marks: Mapping[str, int]) -> Line:
    return Line(
        return_line_id=line.return_line_id,
        customer_id=line.customer.id,
        sku=line.item.sku,
        site=line.site,
        region=line.region,
        family=line.item.family,
        requested_at=line.requested_at,
        quantity=line.quantity,
        requested=line.credit_requested,
        supplier_id=line.supplier.id,
        order_number=line.sale.order_number if line.sale else None,
        address_id=line.customer.address_id,
        device_id=line.customer.device_id,
        marks=marks,
    )


def _digest(value: Any) -> str:
    return "sha256:" + hashlib.sha256(canonical(value)).hexdigest()
