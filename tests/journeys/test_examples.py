"""The examples as somebody follows them: calls by curl, and an orchestrator on a durable engine."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from benchmarks.running import ROOT, free_port
from tests.factories import a_line
from tests.journeys.conftest import Served

pytestmark = pytest.mark.journey
RETURNS, WITHIN = 6, 150.0


@pytest.fixture(scope="module")
def served(make_home, serve) -> Served:
    home = replace(make_home(), settings={"RECOUP_WEBHOOKS_TO_PRIVATE": "true"})
    return serve(home)


def test_the_walk_through_by_curl_goes_through(served: Served):
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed here")
    command = ["sh", "examples/walkthrough.sh", served.running.url]
    env = served.home.env
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].strip() == "approved", done.stdout


@contextmanager
def program(*words: str, env: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A Python program for the length of a block; it has started when it says its first line."""
    process = begin(*words, env=env, log=log)
    try:
        yield process
    finally:
        end(process)


def begin(*words: str, env: dict[str, str], log: Path) -> subprocess.Popen[bytes]:
    with log.open("ab") as errors:
        command = [sys.executable, "-m", *words]
        return subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=errors)


def end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    process.stdout.close()


def test_the_orchestrator_settles_every_return_and_credits_none_twice(served: Served, tmp_path: Path):
    """ERP and WMS fail, repeat and mix up; the orchestrator is killed on the way; people approve one."""
    here, there, book = free_port(), free_port(), tmp_path / "memos"
    key = served.home.key("orchestrator")
    env = dict(os.environ) | served.home.env | {"RECOUP_KEY": key, "PYTHONPATH": str(ROOT)}
    systems = [
        "examples.orchestrator.stand_ins", "--port", str(there), "--orchestrator", f"http://127.0.0.1:{here}",
        "--book", str(book),
    ]  # fmt: skip
    ours = [
        "examples.orchestrator", "--port", str(here), "--systems", f"http://127.0.0.1:{there}",
        "--recoup", served.running.url, "--state", f"sqlite:///{tmp_path}/state.sqlite",
    ]  # fmt: skip
    served.call("PUT", "/v1/reference/sites/DAL1", json={"region": "US-SOUTH"})
    log = tmp_path / "log"
    with program(*systems, env=env, log=log), program("serving", "relay", env=env, log=log):
        orchestrator = begin(*ours, env=env, log=log)
        try:
            secret = told(orchestrator)
            lines = [a_return(number) for number in range(RETURNS)]
            for line in (*lines, lines[0]):
                ask(here, line)
            while not book.exists():  # in the middle of it all
                vote(served)
                time.sleep(0.1)
            end(orchestrator)
            orchestrator = begin(*ours, "--secret", secret, env=env, log=log)
            told(orchestrator)
            results = settled(here, lines, served)
        finally:
            end(orchestrator)
    assert [found["ended"] for found in results] == ["credited"] * RETURNS, log.read_text()[-2000:]
    memos = [json.loads(text) for text in book.read_text().splitlines()]
    assert sorted(memo["line"] for memo in memos) == sorted(line["return_line_id"] for line in lines)
    assert {memo["line"]: memo["credit"] for memo in memos} == {one["line"]: one["credit"] for one in results}
    for line in lines:
        path = f"/v1/recommendations?return_line_id={line['return_line_id']}"
        assert len(served.call("GET", path).json()["items"]) == 2


def a_return(number: int) -> dict:
    name = f"RMA-O{number}"
    price = "600.00" if number == 0 else "119.00"
    return a_line(
        return_line_id=f"{name}/1",
        rma_number=name,
        sale__order_number=f"SO-{name}",
        sale__price_paid=price,
        credit_requested__amount=price,
        customer__id=f"C-{name}",
        item__serial=f"SN-{name}",
        item__serial_shipped=f"SN-{name}",
    )


def told(orchestrator: subprocess.Popen[bytes]) -> str:
    """The secret that it prints when it is ready."""
    return orchestrator.stdout.readline().decode().split()[-1]


def ask(port: int, line: dict) -> None:
    until = time.monotonic() + WITHIN
    while time.monotonic() < until:
        try:
            answer = httpx.post(f"http://127.0.0.1:{port}/returns", json=line, timeout=10)
        except httpx.TransportError:
            time.sleep(0.1)  # it says that it is ready just before it listens
        else:
            break
    assert answer.status_code == 202


def vote(served: Served) -> None:
    """People do their part: whatever waits for them is approved by the highest that may."""
    for role in ("cfo", "supervisor", "manager", "fraud_reviewer", "quality_assurance"):
        key = served.home.key(role)
        for one in served.call("GET", "/v1/approvals", key=key).json()["items"]:
            path = f"/v1/approvals/{one['id']}"
            etag = served.call("GET", path, key=key).headers["ETag"]
            body = {"vote": "approve", "comment": "seen"}
            served.call("POST", f"{path}/votes", key=key, json=body, headers={"If-Match": etag})


def settled(port: int, lines: list[dict], served: Served) -> list[dict]:
    until, results = time.monotonic() + WITHIN, []
    for line in lines:
        url = f"http://127.0.0.1:{port}/returns/{line['return_line_id']}"
        while time.monotonic() < until:
            vote(served)
            try:
                answer = httpx.get(url, timeout=10)
            except httpx.TransportError:
                answer = None
            if answer is not None and answer.status_code == 200:
                results.append(answer.json()["result"])
                break
            time.sleep(0.2)
    return results
