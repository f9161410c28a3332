"""The stages of a return line that may take only so long (OPS-08), told from what has happened to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from features.events import EventType

LAST_TOLD: Final = "service_manager"  # the owner of the stage is told, then the service manager


@dataclass(frozen=True, slots=True)
class Timed:
    """A stage with a time of its own.

    Attributes
    ----------
    limit : str
        The policy limit that says how many business days it may take.
    owner : str
        The role that is told first.
    begins : EventType
        What takes a line into the stage.
    ends : frozenset of EventType
        Any of them takes it out, in whatever order they came.
    """

    limit: str
    owner: str
    begins: EventType
    ends: frozenset[EventType]

    @property
    def told(self) -> tuple[str, ...]:
        """Who is told, step by step; each step comes after as many business days as the limit gives."""
        return self.owner, LAST_TOLD


_DISPOSED: Final = frozenset({EventType.DISPOSITION_EXECUTED})
_INSPECTED: Final = _DISPOSED | {EventType.INSPECTION_COMPLETED}
_DECIDED: Final = _INSPECTED | {
    EventType.RMA_AUTHORIZED,
    EventType.RMA_PARTIALLY_AUTHORIZED,
    EventType.RMA_INFO_REQUESTED,  # then it is the customer who takes the time
    EventType.TRANSIT_SHIPPED,
    EventType.RECEIPT_CONFIRMED,
    EventType.CREDIT_ISSUED,
}
GIVEN_UP: Final = frozenset({EventType.RMA_DENIED, EventType.RMA_CANCELLED, EventType.RMA_EXPIRED})
# One excludes the next: a line waits in one stage at a time.
STAGES: Final[Mapping[str, Timed]] = {
    "approve": Timed("approve_days", "supervisor", EventType.RMA_REQUESTED, _DECIDED),
    "inspect": Timed("inspect_days", "supervisor", EventType.RECEIPT_CONFIRMED, _INSPECTED),
    "dispose": Timed("dispose_days", "supervisor", EventType.INSPECTION_COMPLETED, _DISPOSED),
    "credit": Timed(
        "credit_days",
        "controller",
        EventType.DISPOSITION_EXECUTED,
        frozenset({EventType.CREDIT_ISSUED}),
    ),
}
MILESTONES: Final = GIVEN_UP.union(*({stage.begins} | stage.ends for stage in STAGES.values()))


def waiting(happened: Mapping[EventType, datetime], *, told: bool = False) -> tuple[str, datetime] | None:
    """The stage in which a line waits and since when, from when each thing first happened.

    An outcome that was `told` says that the line was disposed of, not when: it ends the stages up to that
    and begins none, because it is told when the goods are sold, often long after the credit.
    """
    if not GIVEN_UP.isdisjoint(happened) or (told and EventType.DISPOSITION_EXECUTED not in happened):
        return None
    return next(
        (
            (name, happened[stage.begins])
            for name, stage in STAGES.items()
            if stage.begins in happened and stage.ends.isdisjoint(happened)
        ),
        None,
    )
