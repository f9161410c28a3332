"""What is deployed: a bento, built here and served elsewhere."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from benchmarks.running import ROOT, bento, free_port, started
from tests.factories import a_line
from tests.journeys.conftest import Home, Served

pytestmark = pytest.mark.journey
PACKAGES = ("features", "models", "policy", "ledger", "serving")


def _bentoml(*words: str, home: Home) -> str:
    # BentoML calls uv, which stands beside the interpreter.
    env = home.env | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    command = [sys.executable, "-m", "bentoml", *words]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def elsewhere(make_home, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home into which the bento, built at another, was imported; it had nothing before."""
    built = make_home()
    _bentoml("build", home=built)
    archive = built.folder / "recoup.bento"
    _bentoml("export", "recoup:latest", str(archive), home=built)
    home = Home(tmp_path_factory.mktemp("elsewhere"))
    _bentoml("import", str(archive), home=home)
    shutil.rmtree(built.folder)
    return home


@pytest.fixture(scope="module")
def source(elsewhere: Home) -> Path:
    """The bento's own copy of the source."""
    (source,) = (elsewhere.folder / "bentoml" / "bentos" / "recoup").glob("*/src")
    return source


@pytest.fixture(scope="module")
def deployed(elsewhere: Home) -> Iterator[Served]:
    """The bento at work, as an operator sets it up: ledger migrated, key made, served from any folder."""
    assert elsewhere.recoup("migrate").returncode == 0
    key = elsewhere.recoup("keys", "create", "--role", "orchestrator").stdout.splitlines()[-1]
    (elsewhere.folder / "keys").mkdir()
    (elsewhere.folder / "keys" / "orchestrator").write_text(key)
    port, folder = free_port(), elsewhere.folder
    with started(
        bento("recoup:latest", port, folder=folder),
        port,
        env=elsewhere.env,
        log=folder / "bento.log",
        folder=folder,
    ) as running:
        yield Served(elsewhere, running)


def test_it_holds_every_file_of_the_service_and_nothing_of_training(source: Path):
    """Labels, rules, migrations, templates and all; the laboratory stays at home."""
    for package in PACKAGES:
        here = {path.relative_to(ROOT) for path in (ROOT / package).rglob("*") if _counts(path)}
        there = {path.relative_to(source) for path in (source / package).rglob("*") if _counts(path)}
        assert here == there
    assert {path.name for path in source.iterdir() if path.is_dir()} == set(PACKAGES)


def _counts(path: Path) -> bool:
    return path.is_file() and "__pycache__" not in path.parts


def test_it_answers_the_example_of_the_contract_with_all_its_models(deployed: Served, source: Path):
    """201 and not degraded, from the bento's own source and models."""
    answer = deployed.call("POST", "/v1/recommendations", json=a_line())
    body = answer.json()
    assert (answer.status_code, body["status"], body["degraded"]) == (201, "cleared", False)
    assert {task: model["version"] for task, model in body["models"].items()} == dict.fromkeys(
        ("condition", "disposition", "recovery", "fraud", "workload"), "1"
    )
    assert deployed.running.worker.cwd() == str(source)


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics", "/openapi.json", "/", "/static/style.css"])
def test_operators_and_people_find_their_pages(deployed: Served, path: str):
    """Health, metrics, the API's description, the pages and their style."""
    assert httpx.get(deployed.running.url + path, timeout=10).status_code == 200
