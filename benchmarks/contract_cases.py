"""How the service keeps its contract: schemathesis against the real process, by the document that it serves.

Every call is made by a key of a role that may make it. A failure is an answer with a 5xx, of a status, media
type, header or shape that is not documented, wrong data that is taken or right data that is not.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from benchmarks.champions import keep_champions
from benchmarks.contract_hooks import KEPT
from benchmarks.report import Figure, Mode
from benchmarks.running import ROOT, Running, environment, free_port, recoup, started
from tests.factories import a_line

# How many cases an operation gets at most in each phase; the quick run leaves out the one without choice.
EXAMPLES: Final[Mapping[Mode, int]] = {"quick": 12, "normal": 25, "full": 250}
PHASES: Final[Mapping[Mode, str]] = {
    "quick": "examples,fuzzing,stateful",
    "normal": "examples,coverage,fuzzing,stateful",
    "full": "examples,coverage,fuzzing,stateful",
}
LEAST: Final[Mapping[Mode, int]] = {"quick": 500, "normal": 5_000, "full": 20_000}
WAITING: Final = 20
SETTINGS: Final = {"RECOUP_WEBHOOKS_TO_PRIVATE": "true"}  # no name has to be looked up
# Whoever reads more than others do comes last.
ORDER: Final = (
    "orchestrator",
    "planner",
    "data_scientist",
    "admin",
    "manager",
    "quality_assurance",
    "auditor",
)


@dataclass(frozen=True, slots=True)
class Tested:
    """What came of one run: cases sent, failures of different kinds, and what schemathesis says of them."""

    cases: int
    operations: int
    failures: int
    said: str


def run(mode: Mode) -> dict[str, Figure]:
    """Start a service of its own and try it."""
    with tempfile.TemporaryDirectory() as folder:
        home, port = Path(folder), free_port()
        keep_champions(home)
        with started(
            recoup(port), port, env=environment(home) | SETTINGS, log=home / "service.log"
        ) as running:
            tested = against(running, home, mode=mode)
    if tested.failures:
        print(tested.said, file=sys.stderr)
    return {
        "cases": Figure(tested.cases, "cases", target=f">= {LEAST[mode]}"),
        "operations": Figure(tested.operations, "operations"),
        "failures": Figure(tested.failures, "failures", target="== 0"),
    }


def prepare(url: str, key: str) -> None:
    """Leave returns that wait for approval, for the inbox to lead to."""
    for number in range(WAITING):
        line = a_line(
            return_line_id=f"RMA-{number}/1",
            credit_requested__amount="9000.00",
            sale__price_paid="9000.00",
            sale__order_number=f"SO-{number}",
        )
        headers = {"Authorization": f"Bearer {key}", "Idempotency-Key": f"contract-{number}"}
        httpx.post(f"{url}/v1/recommendations", json=line, headers=headers, timeout=30).raise_for_status()


def against(running: Running, home: Path, *, mode: Mode) -> Tested:
    """Try every operation of the document that a running service serves, with the keys in its home."""
    document = httpx.get(f"{running.url}/openapi.json").json()
    keys = {path.name: path.read_text().strip() for path in (home / "keys").iterdir()}
    prepare(running.url, keys["orchestrator"])
    admin = {"Authorization": f"Bearer {keys['admin']}"}
    held = [key["id"] for key in httpx.get(f"{running.url}/v1/keys", headers=admin).json()["items"]]
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        (Path(folder) / "schemathesis.toml").write_text("\n".join(configured(document, keys)))
        words = [*_words(running.url, mode), "--report-json-path", str(report)]
        done = subprocess.run(
            words,
            cwd=folder,
            env=os.environ | {"PYTHONPATH": str(ROOT), KEPT: " ".join(held)},
            capture_output=True,
            text=True,
            check=False,
        )
        if not report.exists():
            raise RuntimeError(f"schemathesis did not report: {done.stdout[-2000:]}{done.stderr[-2000:]}")
        found = json.loads(report.read_text())
    said = tuple(done.stdout.split("FAILURES")[1:]) or ("errors",) if found["exit_code"] else ()
    counted = found["test_cases"]
    failed = counted["unique_failures"] + counted["errored"] + len(found["errors"])
    return Tested(counted["generated"], found["operations"]["tested"], failed, "".join(said))


def _words(url: str, mode: Mode) -> list[str]:
    options = {
        "--phases": PHASES[mode],
        "--max-examples": EXAMPLES[mode],
        "--seed": 1,
        "--suppress-health-check": "all",
    }
    said = [str(word) for pair in options.items() for word in pair]
    command = [sys.executable, "-m", "schemathesis.cli", "run", f"{url}/openapi.json"]
    return [*command, *said, "--continue-on-failure", "--no-shrink"]


def configured(document: Mapping[str, Any], keys: Mapping[str, str]) -> Iterator[str]:
    """The settings of schemathesis: each operation with the key of a role that may call it."""
    yield 'hooks = "benchmarks.contract_hooks"'
    # Text with NUL is refused on purpose, and no schema says so of text in free-form objects.
    yield "[generation]\nallow-x00 = false"
    yield "[checks.positive_data_acceptance]\nenabled = false"  # ours tells form from meaning
    yield "[checks.missing_required_header]\nexpected-statuses = [400, 401, 403, 404, 428]"
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            role = next((role for role in ORDER if role in operation.get("x-roles", ())), None)
            if role:
                yield f'[[operations]]\ninclude-name = "{method.upper()} {path}"'
                yield f'headers = {{ Authorization = "Bearer {keys[role]}" }}'
