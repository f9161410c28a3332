"""What is refused around an approval, each with its status, code and next step."""

from __future__ import annotations

from features.returns import RecoupError


class NotAllowedError(RecoupError):
    """Something that the person who asks may not do to an approval."""

    status = 403
    code = "vote_not_allowed"


class OwnCaseError(NotAllowedError):
    """Nobody approves their own case."""

    code = "own_case"
    hint = (
        "Ask a colleague who has had nothing to do with the case; there is no exception for administrators."
    )


class WrongRoleError(NotAllowedError):
    """The role is not asked here."""

    code = "wrong_role"
    hint = "The approval lists the roles that are asked."


class OverLimitError(NotAllowedError):
    """The credit is larger than the voter may answer for."""

    code = "over_limit"
    hint = "Ask someone whose limit covers the amount, or delegate to them."


class DelegationError(NotAllowedError):
    """The delegation does not reach this vote."""

    code = "delegation_does_not_reach"
    hint = (
        "A delegation holds for one person, for its dates, up to its limit, and not for the holder's cases."
    )


class ClosedError(RecoupError):
    """The approval takes no more votes."""

    status = 409
    code = "approval_closed"
    hint = "Read the recommendation again; changed facts open a new approval."


class AlreadyVotedError(RecoupError):
    """Each person counts once."""

    status = 409
    code = "already_voted"
    hint = "A second person has to vote."
