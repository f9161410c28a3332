"""`make demo` keeps its promises."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.running import environment, free_port

pytestmark = pytest.mark.journey
ROOT = Path(__file__).parents[2]


@pytest.mark.timeout(1000)
def test_the_demonstration_shows_the_whole_job_and_ends(tmp_path: Path):
    """History, models, forecast, service, form, triage, approval by a second person, an unbroken trail."""
    env = environment(tmp_path) | {"DEMO_EXIT": "1", "PORT": str(free_port())}
    env["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [sys.executable, "-m", "examples.demo"],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    steps = re.findall(r"^(\d)  ", done.stdout, re.MULTILINE)
    assert steps == list("123456789")
    for promise in (
        r"recoup-disposition .*champion",
        r"issued \S+: \d+ rows",
        r"credit_amount +'?[\d.]+",
        r"status +pending_approval",
        r"the requester tries +403 ",
        r"the supervisor votes +201 approved",
        r"the recommendation is +approved",
        r"valid: True, \d+ entries",
    ):
        assert re.search(promise, done.stdout), promise
    assert "Traceback" not in done.stderr
