"""The tutorial does what it says: its own commands, in its order, end with an approved recommendation."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.journey
TUTORIAL = Path(__file__).parents[2] / "docs" / "tutorial.md"


def test_the_tutorial_ends_with_an_approved_recommendation(make_home, serve, tmp_path):
    """The first block is `make demo`, which has a test of its own; the others are run against a service."""
    served = serve(make_home())
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "bin").symlink_to(Path(sys.executable).parent)
    (tmp_path / ".recoup").symlink_to(served.home.folder)
    demo, *blocks = re.findall(r"```sh\n(.*?)```", TUTORIAL.read_text(), re.DOTALL)
    assert "make demo" in demo
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", "\n".join(blocks)],
        cwd=tmp_path,
        env={**os.environ, "URL": served.running.url},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert re.search(r"^pending_approval .*FIN-01", done.stdout, re.MULTILINE)
    assert "the recommendation is approved" in done.stdout
