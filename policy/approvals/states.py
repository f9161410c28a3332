"""Where an approval stands, and where it may go: the one table of states."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from policy.approvals.refusals import ClosedError


class State(StrEnum):
    """Where an approval stands."""

    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"
    EXPIRED = "expired"
    RECALLED = "recalled"
    SUPERSEDED = "superseded"


# The one table of states: code obeys it, the diagram in the docs is drawn from it.
# Changed facts void an approval even after it was given; nothing else ever reopens or undoes one.
MOVES: Final[Mapping[State, frozenset[State]]] = {
    State.PENDING: frozenset(
        {State.APPROVED, State.REJECTED, State.EXPIRED, State.RECALLED, State.SUPERSEDED},
    ),
    State.APPROVED: frozenset({State.SUPERSEDED}),
    State.REJECTED: frozenset(),
    State.EXPIRED: frozenset(),
    State.RECALLED: frozenset(),
    State.SUPERSEDED: frozenset(),
}


def check_move(state: State, to: State) -> None:
    """Refuse a move that the table does not hold.

    Raises
    ------
    ClosedError
        If an approval in `state` cannot become `to`.
    """
    if to not in MOVES[state]:
        raise ClosedError(f"This approval is {state} and cannot become {to}.")


def diagram() -> str:
    """The table of states as a Mermaid diagram, for the docs."""
    moves = [f"    {state} --> {to}" for state, after in MOVES.items() for to in sorted(after)]
    ends = [f"    {state} --> [*]" for state, after in MOVES.items() if not after]
    return "\n".join(["stateDiagram-v2", f"    [*] --> {State.PENDING}", *moves, *ends])
