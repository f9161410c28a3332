"""What MkDocs calls while it builds: generated reference pages, and a navigation that takes new pages up."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from docs.building.reference import PAGES

DOCS = Path(__file__).parents[1]
HOW_TO = ("orchestrator", "planner", "data-scientist", "approver", "operator")
EXPLANATION = ("economics", "calibration", "coherence", "audit")
_MERMAID = re.compile(r"```mermaid\nstateDiagram-v2\n(.*?)```", re.DOTALL)
_MOVE = re.compile(r"^\s*(\S+) --> (\S+)$", re.MULTILINE)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Lay out the navigation: known pages in their order, and every other page under Guides or Decisions."""
    config.nav = navigation()
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the reference, made from the code as it stands."""
    for name, page in PAGES.items():
        files.append(File.generated(config, f"reference/{name}.md", content=page()))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Show diagrams of states as tables: drawing them would need a script from another host."""
    return _MERMAID.sub(lambda found: states(found[1]), markdown)


def states(moves: str) -> str:
    """Return the moves of a state diagram as a table."""
    rows = [f"| {_end(since, 'start')} | {_end(to, 'end')} |" for since, to in _MOVE.findall(moves)]
    return "\n".join(["| from | to |", "| --- | --- |", *rows])


def _end(state: str, name: str) -> str:
    return f"*{name}*" if state == "[*]" else state


def navigation() -> list[dict[str, list[str]]]:
    """Return the sections and their pages."""
    guides = sorted(path.name for path in DOCS.glob("*.md") if path.name not in {"index.md", "tutorial.md"})
    return [
        {"Start": ["index.md", "tutorial.md"]},
        {"How to": _first("how-to", HOW_TO)},
        {"Guides": guides},
        {"Reference": [f"reference/{name}.md" for name in PAGES]},
        {"Explanation": _first("explanation", EXPLANATION)},
        {"Decisions": _first("decisions", ())},
    ]


def _first(folder: str, names: tuple[str, ...]) -> list[str]:
    """Return a folder's pages, those that are named first and the others by name."""
    found = sorted(path.stem for path in (DOCS / folder).glob("*.md"))
    ordered = [*names, *(name for name in found if name not in names)]
    return [f"{folder}/{name}.md" for name in ordered]
