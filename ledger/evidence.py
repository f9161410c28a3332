"""Evidence about return lines: lifecycle events, outcomes, documents and corrections of what was read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Select, insert, select, update

from features.events import Event, EventType
from features.returns import Grade, Money
from ledger.chain import NotInLedgerError, into, iso
from ledger.personal import opened, with_personal
from ledger.schema import lines, personal, recommendations
from ledger.schema.registers import corrections, documents, events, outcomes, repeats
from ledger.waits import Waits
from policy.timing.stages import MILESTONES

FRAUD_VERDICTS: Final = {EventType.FRAUD_CONFIRMED: True, EventType.FRAUD_CLEARED: False}
GRADED: Final = tuple(grade for grade in Grade if grade is not Grade.UNGRADED)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a return in the end: the models' label."""

    id: str
    recommendation_id: str
    return_line_id: str
    disposition: str
    recovered: Money | None
    minutes: float | None
    fraud_confirmed: bool | None
    reason_code: str | None
    actor: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Told:
    """An outcome beside what had been recommended, and when."""

    outcome: Outcome
    recommended: str
    recommended_at: datetime


@dataclass(frozen=True, slots=True)
class Document:
    """A file that came in and what was read from it; `path` is where its bytes lie."""

    id: str
    digest: str
    kind: str
    path: str
    body: Mapping[str, Any]
    actor: str
    at: datetime
    return_line_id: str | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Correction:
    """What a person changed in what was read from a document."""

    id: str
    document_id: str
    body: Mapping[str, Any]
    actor: str
    at: datetime


class Evidence(Waits):
    """The part of a transaction that writes and reads evidence."""

    def add_event(self, event: Event, *, actor: str) -> bool:
        """Record an event; False, and nothing written, when (source, id) came before.

        A fraud verdict also becomes the line's label, and the grade of an inspection counts in the history,
        known from the moment the event was recorded.
        """
        return self.add_events([event], actor=actor)[0]

    def add_events(self, batch: Sequence[Event], *, actor: str) -> tuple[bool, ...]:
        """Record events in one go; say for each whether it was new."""
        seen = self._seen(batch)
        new, written = list[bool](), list[tuple[dict[str, Any], dict[str, Any]]]()
        for event in batch:
            new.append((event.source, event.id) not in seen)
            seen.add((event.source, event.id))
            if new[-1]:
                written.append(self._add(event, actor))
        self._do(into(events), [row for row, _ in written])
        self._do(into(personal), [apart for _, apart in written if apart])
        self._bring_up_to_date({event.subject for event in batch if event.type in MILESTONES})
        self._count_repeats([event for event, fresh in zip(batch, new, strict=True) if not fresh])
        return tuple(new)

    def _count_repeats(self, again: Sequence[Event]) -> None:
        """Count, by day, line and source, the events that came before."""
        found = Counter((iso(one.recorded_at)[:10], one.subject, one.source) for one in again)
        for (day, subject, source), times in found.items():
            row = {"day": day, "subject": subject, "source": source}
            same = [repeats.c[name] == value for name, value in row.items()]
            more = update(repeats).where(*same).values(times=repeats.c.times + times)
            # Writers take turns, so nobody adds the row between the two statements.
            if not self._connection.execute(more).rowcount:
                self._connection.execute(insert(repeats), {**row, "times": times})

    def _seen(self, batch: Sequence[Event]) -> set[tuple[str, str]]:
        ids = {event.id for event in batch}
        sources = {event.source for event in batch}
        query = select(events.c.source, events.c.id).where(events.c.source.in_(sources), events.c.id.in_(ids))
        return {(row["source"], row["id"]) for row in self._all(query)}

    def _add(self, event: Event, actor: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """Witness an event and note what it tells of its line; its rows are written with those of others."""
        values = {name: getattr(event, name) for name in Event.__dataclass_fields__ if name != "recorded_at"}
        values |= {"at": event.recorded_at, "actor": actor}
        written = self._parted(
            events,
            values,
            kind="event",
            subject=event.subject,
            id=event.id,
            source=event.source,
            type=str(event.type),
        )
        grade = event.data.get("grade")
        if event.type == EventType.INSPECTION_COMPLETED and isinstance(grade, str) and grade in GRADED:
            self.add_finding(event.subject, grade=grade, known_at=event.recorded_at)
        if event.type in FRAUD_VERDICTS:
            self.add_fraud_label(
                event.subject,
                confirmed=FRAUD_VERDICTS[event.type],
                known_at=event.recorded_at,
                actor=actor,
                at=event.recorded_at,
            )
        return written

    def events(self, subject: str) -> tuple[Event, ...]:
        """Return what happened to a return line, in the order in which it happened."""
        query = _events().where(events.c.subject == subject)
        return tuple(map(_event, self._all(query.order_by(events.c.time, events.c.seq))))

    def senders(self, subject: str) -> tuple[tuple[EventType, str], ...]:
        """Return by whom which types of event were told of a return line."""
        query = select(events.c.type, events.c.actor).where(events.c.subject == subject)
        rows = self._all(query.distinct().order_by(events.c.actor, events.c.type))
        return tuple((EventType(row["type"]), row["actor"]) for row in rows)

    def events_between(
        self, start: datetime, end: datetime, *, types: Collection[str] = (), site: str | None = None
    ) -> tuple[Event, ...]:
        """Return what happened from `start` up to `end`, of some types and at one site if asked."""
        query = _events().where(events.c.time >= start, events.c.time < end)
        # Naming the types lets the index on (type, time) answer.
        query = query.where(events.c.type.in_(types or tuple(EventType)))
        if site is not None:
            query = query.join(lines, lines.c.return_line_id == events.c.subject).where(lines.c.site == site)
        return tuple(map(_event, self._all(query.order_by(events.c.time, events.c.seq))))

    def add_outcome(self, outcome: Outcome) -> None:
        """Record what became of a return; a fraud verdict in it becomes the line's label."""
        money = outcome.recovered
        values = {name: value for name, value in asdict(outcome).items() if name in outcomes.c}
        values |= {
            "recovered_minor": money.minor if money else None,
            "currency": money.currency if money else None,
        }
        self._record(
            outcomes,
            values,
            kind="outcome",
            subject=outcome.return_line_id,
            id=outcome.id,
            disposition=str(outcome.disposition),
        )
        self._bring_up_to_date({outcome.return_line_id})
        if outcome.fraud_confirmed is not None:
            self.add_fraud_label(
                outcome.return_line_id,
                confirmed=outcome.fraud_confirmed,
                known_at=outcome.at,
                actor=outcome.actor,
                at=outcome.at,
            )

    def outcomes(
        self, *, return_line_id: str | None = None, after: str | None = None, limit: int = 1000
    ) -> tuple[Outcome, ...]:
        """Return outcomes in the order they came in; `after` is the last id of the page before."""
        query = select(outcomes).order_by(outcomes.c.seq).limit(limit)
        if return_line_id is not None:
            query = query.where(outcomes.c.return_line_id == return_line_id)
        if after is not None:
            query = query.where(
                outcomes.c.seq > select(outcomes.c.seq).where(outcomes.c.id == after).scalar_subquery()
            )
        return tuple(map(_outcome, self._all(query)))

    def told(self, start: datetime, end: datetime, *, site: str | None = None) -> tuple[Told, ...]:
        """Return the outcomes told from `start` up to `end`, in order, at one site if asked."""
        about = recommendations.c
        query: Select[Any] = select(outcomes, about.body, about.at.label("recommended_at"))
        query = query.join(recommendations, about.id == outcomes.c.recommendation_id)
        query = query.where(outcomes.c.at >= start, outcomes.c.at < end).order_by(outcomes.c.seq)
        rows = self._all(query if site is None else query.where(about.site == site))
        return tuple(
            Told(_outcome(row), row["body"]["disposition"]["recommended"], row["recommended_at"])
            for row in rows
        )

    def add_document(self, document: Document) -> None:
        """Record a document and what was read from it."""
        self._record(
            documents,
            asdict(document),
            kind="document.read",
            subject=document.return_line_id or document.id,
            id=document.id,
        )

    def document(self, document_id: str) -> Document:
        """Return one document as first read.

        Raises
        ------
        NotInLedgerError
            If there is none.
        """
        found = self.documents_of([document_id])
        if not found:
            raise NotInLedgerError("there is no document of this id.")
        return found[0]

    def documents_of(self, ids: Collection[str]) -> tuple[Document, ...]:
        """Return the documents that exist among `ids`, in one read, oldest first."""
        return self._documents(documents.c.id.in_(ids)) if ids else ()

    def documents_about(self, return_line_id: str) -> tuple[Document, ...]:
        """Return the documents of a return line, oldest first."""
        return self._documents(documents.c.return_line_id == return_line_id)

    def _documents(self, condition: Any) -> tuple[Document, ...]:
        query = select(*(documents.c[name] for name in Document.__dataclass_fields__)).where(condition)
        rows = self._all(with_personal(query, documents).order_by(documents.c.seq))
        return tuple(Document(**opened(documents, row)) for row in rows)

    def add_correction(self, correction: Correction) -> None:
        """Record what a person corrected; what was read first stays beside it.

        Raises
        ------
        NotInLedgerError
            If there is no such document.
        """
        document = self.document(correction.document_id)
        self._record(
            corrections,
            asdict(correction),
            kind="document.corrected",
            subject=document.return_line_id or document.id,
            document=document.id,
        )

    def corrections(self, document_id: str) -> tuple[Correction, ...]:
        """Return the corrections of a document, in order."""
        query = select(*(corrections.c[name] for name in Correction.__dataclass_fields__))
        query = with_personal(query, corrections).where(corrections.c.document_id == document_id)
        rows = self._all(query.order_by(corrections.c.seq))
        return tuple(Correction(**opened(corrections, row)) for row in rows)

    def corrected_documents(self) -> tuple[Document, ...]:
        """Return every document that a person corrected, oldest first."""
        return self._documents(documents.c.id.in_(select(corrections.c.document_id)))


def _events() -> Select[Any]:
    return with_personal(select(events), events)


def _event(sealed: Mapping[str, Any]) -> Event:
    row = opened(events, sealed)
    names = ("id", "source", "subject", "time", "data")
    return Event(**{name: row[name] for name in names}, type=EventType(row["type"]), recorded_at=row["at"])


def _outcome(row: Mapping[str, Any]) -> Outcome:
    names = [name for name in Outcome.__dataclass_fields__ if name != "recovered"]
    recovered = Money(row["recovered_minor"], row["currency"]) if row["currency"] else None
    return Outcome(**{name: row[name] for name in names}, recovered=recovered)
