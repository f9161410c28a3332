"""From what an issuer says of a person to a caller of this service: role, subject, sites."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ledger.chain import ACTOR
from serving.access import RIGHTS
from serving.auth.callers import Caller
from serving.errors import ProblemError
from serving.settings import Settings

PROGRAMS: Final = frozenset({"orchestrator"})  # whoever comes in this role by a token is no employee


def caller_of_claims(claims: Mapping[str, Any], settings: Settings) -> Caller:
    """The caller that verified claims speak of.

    Raises
    ------
    ProblemError
        403 where they carry no role of this service, several between which nothing decides, no subject,
        or no site although a claim for sites is set: what is missing never opens more.
    """
    role = _role(claims, settings)
    said = _at(claims, settings.oidc_subject_claim)
    kind = "service" if role in PROGRAMS else "emp"
    subject = f"{kind}:{str(said).removeprefix(f'{kind}:')}"
    if not isinstance(said, str) or not ACTOR.fullmatch(subject):
        raise _refused(f"no subject in the claim {settings.oidc_subject_claim}")
    return Caller(subject, role, _sites(claims, settings))


def _role(claims: Mapping[str, Any], settings: Settings) -> str:
    said = _texts(_at(claims, settings.oidc_role_claim))
    # The operator's table also says which comes first where somebody holds several.
    if settings.oidc_roles:
        mine = list(dict.fromkeys(role for group, role in settings.oidc_roles.items() if group in said))[:1]
    else:
        mine = [role for role in RIGHTS if role in said]
    if len(mine) != 1:
        what = "several roles" if mine else "no role of this service"
        raise _refused(f"{what} in the claim {settings.oidc_role_claim}")
    return mine[0]


def _sites(claims: Mapping[str, Any], settings: Settings) -> frozenset[str]:
    if settings.oidc_sites_claim is None:
        return frozenset()
    sites = _texts(_at(claims, settings.oidc_sites_claim))
    if not sites:
        raise _refused(f"no site in the claim {settings.oidc_sites_claim}")
    return frozenset() if sites == {"*"} else sites


def _at(claims: Mapping[str, Any], path: str) -> Any:
    """A claim by its own name, else by a path with dots, such as realm_access.roles."""
    if path in claims:
        return claims[path]
    found: Any = claims
    for part in path.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def _texts(value: Any) -> frozenset[str]:
    if isinstance(value, str):
        return frozenset(value.split())
    return frozenset(one for one in value if isinstance(one, str)) if isinstance(value, list) else frozenset()


def _refused(what: str) -> ProblemError:
    return ProblemError(403, "claims", f"The token carries {what}; ask an administrator of your sign-in.")
