"""The documentation builds strictly, offline, from the code as it stands; the tutorial's commands exist."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from docs.building.commands import commands
from docs.building.hooks import DOCS, navigation, states
from features.columns import COLUMNS
from features.returns import FACTS
from policy.policies import DEFAULT_RULES, PolicySet
from serving.access import RIGHTS
from serving.settings import Settings
from training.__main__ import COMMANDS
from training.evidence.figures import Amounts, Binary, Classes
from training.evidence.meanings import MEANINGS

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """The site, built as `make docs` builds it: strict, so that a broken link or anchor ends the build."""
    folder = tmp_path_factory.mktemp("site")
    words = [Path(sys.executable).parent / "mkdocs", "build", "--strict", "--site-dir", folder]
    env = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(words, cwd=ROOT, env=env, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "WARNING" not in done.stderr
    return folder


class Fetched(HTMLParser):
    """What a browser fetches for a page."""

    def __init__(self) -> None:
        super().__init__()
        self.places: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        if tag in {"script", "img", "iframe", "source"}:
            self.places.append(told.get("src") or "")
        if tag == "link" and told.get("rel") in {"stylesheet", "icon", "preconnect", "preload"}:
            self.places.append(told.get("href") or "")


def test_no_page_fetches_anything_from_another_host(site):
    pages = list(site.rglob("*.html"))
    assert len(pages) > 30
    for path in pages:
        reader = Fetched()
        reader.feed(path.read_text())
        assert not [place for place in reader.places if re.match(r"(https?:)?//", place)], path.name


def test_the_reference_is_that_of_the_code(site):
    """Every fact, rule, feature, setting, right and command that the code declares is on its page."""
    wanted = {
        "policy": [
            *(fact.name for fact in FACTS),
            *(rule.id for rule in PolicySet.load(DEFAULT_RULES).rules),
        ],
        "features": [column.name for column in COLUMNS],
        "metrics": list(MEANINGS),
        "settings": [f"RECOUP_{name.upper()}" for name in Settings.model_fields],
        "rights": list(RIGHTS),
        "commands": [*(f"recoup-lab {name}" for name in COMMANDS), "recoup serve", "recoup audit verify"],
        "api": ["/v1/recommendations", "/v1/approvals/{approval_id}/votes", "orchestrator"],
    }
    for name, words in wanted.items():
        page = (site / "reference" / f"{name}.html").read_text()
        assert not [word for word in words if word not in page], name


def test_every_command_in_the_guides_exists_with_its_options():
    """Whatever a block of code tells a reader to type, the tutorial's lines among it."""
    known = {
        name: set(re.findall(r"--[a-z-]+", options))
        for name, options in re.findall(r"### `(recoup[^`]+)`\n(.*?)(?=\n##|\Z)", commands(), re.DOTALL)
    }
    told = []
    for page in (ROOT / "README.md", *DOCS.rglob("*.md")):
        for block in re.findall(r"```\w*\n(.*?)```", page.read_text(), re.DOTALL):
            lines = re.sub(r"\\\n|#.*", " ", block)
            told += re.findall(r"(?:^|[\s/])(recoup(?:-lab)? [a-z][^\n|&;)]*)", lines)
    assert len(told) > 30
    for words in told:
        name = max((one for one in known if f"{words} ".startswith(f"{one} ")), key=len, default=None)
        assert name, words
        assert set(re.findall(r"--[a-z-]+", words)) <= known[name] | {"--help"}, words


def test_every_figure_has_a_meaning():
    y = np.array([0, 1, 1, 0])
    p = np.array([0.2, 0.7, 0.6, 0.3])
    found = {
        *Classes(y, np.column_stack([1 - p, p]), np.ones((4, 2), bool)).figures(),
        *Binary(y, p, np.ones(4)).figures(),
        *Amounts(p, p, {10: p, 50: p, 90: p}).figures(),
    }
    assert found <= MEANINGS.keys()


def test_new_pages_find_their_place_in_the_navigation():
    """Whatever lies in docs/ is in it exactly once, without anybody listing it."""
    listed = [page for section in navigation() for pages in section.values() for page in pages]
    written = {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")}
    assert written <= set(listed)
    assert len(listed) == len(set(listed))


def test_a_diagram_of_states_becomes_a_table():
    assert states("    [*] --> pending\n    pending --> approved\n").splitlines()[2:] == [
        "| *start* | pending |",
        "| pending | approved |",
    ]
