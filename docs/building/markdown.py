"""Tables and cells of Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def table(names: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table, its cells made safe."""
    lines = [names, ["---"] * len(names), *rows]
    return "\n".join("| " + " | ".join(cell(one) for one in line) + " |" for line in lines) + "\n"


def cell(value: object) -> str:
    """Return text that stays inside its cell."""
    return " ".join(str(value).split()).replace("|", "\\|")


def code(value: object) -> str:
    """Return a word as code."""
    return f"`{value}`"


def page(title: str, says: str, *parts: str) -> str:
    """Return a page that says first that it is generated."""
    note = "*Generated from the code when this site is built.*"
    return "\n\n".join([f"# {title}", says, note, *parts]) + "\n"
