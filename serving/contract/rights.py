"""The table role x endpoint for people, from what the application itself enforces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from serving.access import RIGHTS

BEGIN: Final = "<!-- generated: role x endpoint -->"
END: Final = "<!-- end -->"
PROGRAMS: Final = ("orchestrator", "planner", "data_scientist", "auditor", "admin")


def rights_table(document: Mapping[str, Any]) -> str:
    """The endpoints of an OpenAPI document in Markdown, and which roles may call each."""
    people = sorted(set(RIGHTS) - set(PROGRAMS))
    rows = ["| endpoint | programs | people who approve |", "| --- | --- | --- |"]
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            roles = operation.get("x-roles")
            programs = ", ".join(role for role in PROGRAMS if roles and role in roles)
            able = programs or ("" if roles else "open")
            rows.append(f"| `{method.upper()} {path}` | {able} | {_said(people, roles)} |")
    return "\n".join(rows)


def _said(people: Sequence[str], roles: Sequence[str] | None) -> str:
    """All, none, or the few by name."""
    if roles is None:
        return "open"
    able = [role for role in people if role in roles]
    return "all" if len(able) == len(people) else ", ".join(able)
