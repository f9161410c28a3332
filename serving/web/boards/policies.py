"""The policies in force: rules by owner, how often each fired, and what a shadow would change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final

from fastapi import APIRouter, Request, Response

from serving.access import Action
from serving.api import policies as api
from serving.api.dependencies import Doors
from serving.auth import Caller
from serving.web.charts import Chart, chart, picture
from serving.web.formats import written_percent
from serving.web.problems import PageRoute
from serving.web.rendering import page
from serving.web.visitors import Anyone, Visitor, signed_in

router = APIRouter(include_in_schema=False, route_class=PageRoute)
Reader = Annotated[Caller, signed_in(Action.POLICY_READ)]
OWNERS: Final = ("operations", "finance", "compliance")  # others are sites
DRAWN: Final = 16  # rules in the chart; the table has all


@router.get("/policies")
def policies(request: Request, doors: Doors, caller: Reader, visitor: Anyone) -> Response:
    """Every rule with its owner, sentence and hits; the candidate that judges beside them, if any."""
    told = api.policies(doors, caller)
    owners: dict[str, list[Mapping[str, Any]]] = {}
    for rule in told["rules"]:
        owners.setdefault(rule["owner"], []).append(rule)
    shown = {
        **told,
        "owners": {
            owner: owners[owner] for owner in sorted(owners, key=lambda one: (one not in OWNERS, one))
        },
        "own_words": OWNERS,
        "chart": _chart(told, visitor),
        "share": lambda rule: _share(told["fired"], rule),
        "statuses": _statuses(told["shadow"]) if told["shadow"] else (),
        "moved": [
            (rule, sides)
            for rule, sides in told["fired"]["shadow"].items()
            if sides["in_force"] != sides["shadow"]
        ],
    }
    return page(request, "policies.html", shown)


@router.get("/policies/chart/{width}.svg")
def policies_picture(doors: Doors, caller: Reader, visitor: Anyone, width: str) -> Response:
    """The hits as a picture, for browsers without scripts."""
    return picture(_chart(api.policies(doors, caller), visitor).spec, width=width)


def _chart(told: Mapping[str, Any], visitor: Visitor) -> Chart:
    fired, rules = told["fired"]["rules"], {rule["id"]: rule for rule in told["rules"]}
    most = sorted((name for name in fired if name in rules), key=lambda name: (-fired[name], name))[:DRAWN]
    rows = [
        {
            "rule": name,
            "count": fired[name],
            "owner": owner if (owner := rules[name]["owner"]) in OWNERS else "site",
            "sentence": rules[name]["sentence"],
            "share": written_percent(_share(told["fired"], name), visitor.locale, 1),
        }
        for name in most
    ]
    first = f"; most often {most[0]}, {fired[most[0]]} times" if most else ""
    says = f"How often each rule fired on the newest {told['fired']['considered']} recommendations{first}."
    return chart("hits", rows, says=says, locale=visitor.locale, picture="/policies/chart/{}.svg")


def _share(fired: Mapping[str, Any], rule: str) -> float | None:
    considered = fired["considered"]
    return fired["rules"].get(rule, 0) / considered if considered else None


def _statuses(shadow: Mapping[str, Any]) -> Sequence[str]:
    """Every status that either side gave."""
    moves: Mapping[str, Mapping[str, int]] = shadow["transitions"]
    return sorted({*moves, *(to for row in moves.values() for to in row)})
