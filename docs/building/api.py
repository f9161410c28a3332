"""The API's reference, from its OpenAPI document."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from docs.building.markdown import code, page, table
from serving.app import create_app
from serving.runtime import open_runtime
from serving.settings import Settings

Document = dict[str, Any]


def api() -> str:
    """Every call by noun, then every shape."""
    document = create_app(Settings(), open_runtime).openapi()
    by_noun: dict[str, list[str]] = {}
    for path, operations in document["paths"].items():
        noun = path.removeprefix("/v1/").strip("/").partition("/")[0]
        for method, operation in operations.items():
            by_noun.setdefault(noun, []).append(_call(document, path, method, operation))
    calls = [f"## {noun}\n\n" + "\n\n".join(found) for noun, found in by_noun.items()]
    shapes = [_shape(name, schema) for name, schema in sorted(document["components"]["schemas"].items())]
    return page("API", document["info"]["description"], *calls, "## Shapes", *shapes)


def _call(document: Document, path: str, method: str, operation: Document) -> str:
    parts = [f"### `{method.upper()} {path}`", operation.get("summary", "")]
    told = operation.get("description", "")
    if told and told != operation.get("summary"):
        parts.append(told)
    if operation.get("x-roles"):
        parts.append("Roles: " + ", ".join(map(code, operation["x-roles"])) + ".")
    parameters = [_found(document, one) for one in operation.get("parameters", [])]
    if parameters:
        rows = [
            (code(one["name"]), one["in"], "yes" if one.get("required") else "", one.get("description", ""))
            for one in parameters
        ]
        parts.append(table(["parameter", "in", "required", "what"], rows))
    for kind, content in operation.get("requestBody", {}).get("content", {}).items():
        parts.append(f"Body, `{kind}`: {_kind(content.get('schema', {}))}.")
        if "example" in content:
            parts.append("```json\n" + json.dumps(content["example"], indent=1) + "\n```")
    parts.append(table(["status", "answer", "shape"], _answers(document, operation)))
    return "\n\n".join(parts)


def _answers(document: Document, operation: Document) -> Iterator[tuple[str, str, str]]:
    for status, named in operation["responses"].items():
        answer = _found(document, named)
        content: Document = next(iter(answer.get("content", {}).values()), {})
        problem = int(status) >= 400 and "allOf" in content.get("schema", {})  # noqa: PLR2004
        shape = "[Problem](#problem)" if problem else _kind(content.get("schema", {}))
        yield status, answer["description"], shape


def _found(document: Document, part: Document) -> Document:
    for name in part.get("$ref", "").split("/")[1:]:
        document = document[name]
    return document if "$ref" in part else part


def _shape(name: str, schema: Document) -> str:
    parts = [f"### {name}", schema.get("description", "")]
    required = set(schema.get("required", ()))
    rows = [
        (code(field), _kind(inner), "yes" if field in required else "", inner.get("description", ""))
        for field, inner in schema.get("properties", {}).items()
    ]
    if rows:
        parts.append(table(["field", "type", "required", "what"], rows))
    if "enum" in schema:
        parts.append("One of " + ", ".join(map(code, schema["enum"])) + ".")
    return "\n\n".join(part for part in parts if part)


def _kind(schema: Any) -> str:
    """Say in a few words what a schema takes, with a link where it is a shape of its own."""
    if not isinstance(schema, dict) or not schema:
        return ""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    for among in ("anyOf", "oneOf", "allOf"):
        if among in schema:
            return " or ".join(dict.fromkeys(_kind(one) for one in schema[among] if _kind(one)))
    if "const" in schema or "enum" in schema:
        return ", ".join(map(code, schema.get("enum", [schema.get("const")])))
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', {})) or 'anything'}"
    form = schema.get("format") or schema.get("pattern")
    return f"{schema.get('type', '')}" + (f" ({code(form)})" if form else "")
