"""Who may decide what policy does not clear, what a vote does, and who is told when nobody votes."""

from policy.approvals.cases import Approval, Choice, Delegation, Part, Vote, Voter, same_person
from policy.approvals.escalation import Step, escalation
from policy.approvals.reasons import (
    OverrideReason,
    ReasonError,
    check_override,
    check_rejection,
    counted_as,
    reason_in,
    reasoned,
)
from policy.approvals.refusals import (
    AlreadyVotedError,
    ClosedError,
    DelegationError,
    NotAllowedError,
    OverLimitError,
    OwnCaseError,
    WrongRoleError,
)
from policy.approvals.standing_in import check_delegated_vote, check_delegation, right_to_vote
from policy.approvals.states import MOVES, State, check_move, diagram
from policy.approvals.voting import ADMINISTRATOR, check_recall, check_vote, may_vote, outcome

__all__ = [
    "ADMINISTRATOR",
    "MOVES",
    "AlreadyVotedError",
    "Approval",
    "Choice",
    "ClosedError",
    "Delegation",
    "DelegationError",
    "NotAllowedError",
    "OverLimitError",
    "OverrideReason",
    "OwnCaseError",
    "Part",
    "ReasonError",
    "State",
    "Step",
    "Vote",
    "Voter",
    "WrongRoleError",
    "check_delegated_vote",
    "check_delegation",
    "check_move",
    "check_override",
    "check_recall",
    "check_rejection",
    "check_vote",
    "counted_as",
    "diagram",
    "escalation",
    "may_vote",
    "outcome",
    "reason_in",
    "reasoned",
    "right_to_vote",
    "same_person",
]
