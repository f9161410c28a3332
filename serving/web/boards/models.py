"""The models: how good champion and challenger are, whether what they say is so, what has moved since."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import FileResponse

from serving.access import Action
from serving.api.dependencies import Doors
from serving.auth import Caller
from serving.errors import ProblemError
from serving.runtime import Runtime
from serving.web.boards.cards import CARD, TASKS, Family, family_of
from serving.web.charts import Chart, chart, picture
from serving.web.problems import PageRoute
from serving.web.rendering import page
from serving.web.visitors import Anyone, Visitor, signed_in

router = APIRouter(include_in_schema=False, route_class=PageRoute)
Reader = Annotated[Caller, signed_in(Action.POLICY_READ)]
Task = Annotated[str, Query(pattern=f"^({'|'.join(TASKS)})$")]
REPORT: Final = Path("monitoring") / "report.json"  # under home; `recoup-lab monitor` writes it
PSI_LIMIT: Final = 0.2  # the field's usual threshold of a shift that matters
DRAWN: Final = 15  # columns in the chart of drift; the table has all
PURPOSE: Final = {
    "disposition": "the likely physical outcome of a returned line, before and after its inspection",
    "condition": "the grade that an inspection will find",
    "recovery": "what a disposition of a line will recover, with a range",
    "fraud": "how likely an inspection would prove fraud",
    "workload": "how many minutes an inspection takes, as quantiles",
    "volume": "how many items will come back, where and when",
    "fields": "which reading of a document's field is right",
}


@router.get("/models")
def models(
    request: Request, doors: Doors, caller: Reader, visitor: Anyone, task: Task = "disposition"
) -> Response:
    """One task: figures with intervals, reliability, drift, card and lineage."""
    family = family_of(doors.settings.bentoml_home, task)
    watched = _watched(doors, task)
    in_use = doors.champions.wire.get(task)
    shown = {
        "tasks": TASKS,
        "task": task,
        "purpose": PURPOSE[task],
        "family": family,
        "card": family.champion or family.challenger,
        "reliability": _reliability(family, visitor),
        "points": _points(family),
        "watched": watched,
        "drift": _drift(watched, task, visitor) if watched else None,
        "in_use": in_use,
        # A promotion reaches a service that runs at its next start.
        "stale": bool(
            in_use and family.champion and in_use["version"] != str(family.champion.get("version"))
        ),
    }
    return page(request, "models.html", shown)


@router.get("/models/chart/{what}/{width}.svg")
def models_picture(
    doors: Doors, caller: Reader, visitor: Anyone, what: str, width: str, task: Task = "disposition"
) -> Response:
    """Reliability or drift as a picture, for browsers without scripts."""
    watched = _watched(doors, task)
    found = {
        "reliability": _reliability(family_of(doors.settings.bentoml_home, task), visitor),
        "drift": _drift(watched, task, visitor) if watched else None,
    }.get(what)
    if found is None:
        raise ProblemError(404, "unknown_chart", "There is no such chart of this model.")
    return picture(found.spec, width=width)


@router.get("/models/card")
def card(doors: Doors, caller: Reader, task: Task = "disposition") -> Response:
    """The champion's card as the file that was promoted with it."""
    folder = family_of(doors.settings.bentoml_home, task).folder
    if folder is None:
        raise ProblemError(404, "no_champion", "There is no champion of this task.")
    return FileResponse(folder / CARD, media_type="application/json", filename=f"recoup-{task}-card.json")


def _points(family: Family) -> Mapping[str, Sequence[Mapping[str, float]]]:
    found: Mapping[str, Sequence[Mapping[str, float]]] = (family.champion or {}).get("reliability", {})
    return found


def _reliability(family: Family, visitor: Visitor) -> Chart | None:
    """What was said beside what happened; the line of those who are right ends where the points do."""
    curves = _points(family)
    if not curves:
        return None
    rows: list[dict[str, Any]] = [
        {**point, "name": name.replace("_", " ").capitalize()}
        for name, points in curves.items()
        for point in points
    ]
    most = min(1.0, max(max(row["said"], row["found"]) for row in rows) * 1.05)
    worst = max(rows, key=lambda row: abs(row["said"] - row["found"]))
    says = (
        f"Reliability of {family.task} on the test rows. Farthest from the line: {worst['name']}, "
        f"said {worst['said']:.0%}, happened {worst['found']:.0%}."
    )
    picture = f"/models/chart/reliability/{{}}.svg?task={family.task}"
    ideal = [{"x": 0, "y": 0}, {"x": most, "y": most}]
    return chart("reliability", rows, says=says, locale=visitor.locale, marks=ideal, picture=picture)


def _watched(doors: Runtime, task: str) -> dict[str, Any] | None:
    """What monitoring last found about a task; nothing where it never ran or wrote what cannot be read."""
    try:
        told = json.loads((doors.settings.home / REPORT).read_text(encoding="utf-8"))
        found = told["models"].get(task)
        return found and {**found, "at": datetime.fromisoformat(told["at"]), "traffic": told["traffic"]}
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        return None


def _drift(watched: Mapping[str, Any], task: str, visitor: Visitor) -> Chart | None:
    columns = [*watched["features"], *watched["scores"]]
    shown = sorted(columns, key=lambda one: -one["psi"])[:DRAWN]
    if not shown:
        return None
    rows = [
        {"column": one["name"], "psi": one["psi"], "ks": one["ks"], "moved": one["moved"]} for one in shown
    ]
    moved = sum(one["moved"] for one in columns)
    says = f"Drift of {task} since training, by column: {moved} of {len(columns)} have moved."
    picture = f"/models/chart/drift/{{}}.svg?task={task}"
    return chart(
        "drift", rows, says=says, locale=visitor.locale, marks=[{"limit": PSI_LIMIT}], picture=picture
    )
