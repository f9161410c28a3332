"""The reference of the API as a page: made from the OpenAPI document, without a script or another host."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from fastapi import APIRouter, Request, Response

from serving.web.problems import PageRoute
from serving.web.rendering import page
from serving.web.visitors import Anyone

router = APIRouter(include_in_schema=False, route_class=PageRoute)


@router.get("/docs")
def reference(request: Request, visitor: Anyone) -> Response:
    """Every call: who may make it, what it takes, what it answers."""
    document = request.app.openapi()
    shown = {
        "info": document["info"],
        "version": document["openapi"],
        "calls": list(_calls(document)),
        "shapes": {
            name: {"says": schema.get("description", ""), "text": json.dumps(schema, indent=2)}
            for name, schema in document["components"]["schemas"].items()
        },
    }
    return page(request, "reference.html", shown)


def _calls(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            yield {
                "id": operation.get("operationId") or path.strip("/"),
                "method": method.upper(),
                "path": path,
                "summary": operation["summary"].rstrip("."),
                "description": operation.get("description", ""),
                "roles": operation.get("x-roles", []),
                "parameters": [_found(document, one) for one in operation.get("parameters", [])],
                "example": _example(operation),
                "answers": [
                    _answer(status, _found(document, one)) for status, one in operation["responses"].items()
                ],
            }


def _found(document: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    """What a reference refers to."""
    for name in part.get("$ref", "").split("/")[1:]:
        document = document[name]
    found = document if "$ref" in part else part
    return {"description": "", "required": False, **found}


def _example(operation: dict[str, Any]) -> str:
    content = operation.get("requestBody", {}).get("content", {})
    examples = [kind["example"] for kind in content.values() if "example" in kind]
    return json.dumps(examples[0], indent=2) if examples else ""


def _answer(status: str, answer: dict[str, Any]) -> dict[str, Any]:
    content: dict[str, Any] = next(iter(answer.get("content", {}).values()), {})
    named = content.get("schema", {}).get("$ref", "")
    problem = "Problem" if int(status) >= 400 and "allOf" in content.get("schema", {}) else ""  # noqa: PLR2004
    return {
        "status": status,
        "description": answer["description"],
        "shape": named.rpartition("/")[2] or problem,
    }
