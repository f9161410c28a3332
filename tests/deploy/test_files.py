"""The files of the deployment, checked where no container engine runs."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from benchmarks.running import ROOT
from serving.monitoring import figures
from serving.settings import Settings

DEPLOY = ROOT / "deploy"
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
SERVICES = COMPOSE["services"]
OURS = {name for name, one in SERVICES.items() if one["image"].startswith("recoup:")}
# What the Compose specification knows of a service, of what is used here.
KNOWN = {
    "cap_drop", "command", "depends_on", "deploy", "environment", "healthcheck", "image", "logging",
    "mem_limit", "ports", "profiles", "restart", "security_opt", "stop_grace_period", "volumes",
}  # fmt: skip


def test_the_container_file_passes_its_linter():
    linter = Path(sys.executable).with_name("hadolint")
    words = [linter, "--config", DEPLOY / ".hadolint.yaml", DEPLOY / "Dockerfile"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_composition_is_one_that_docker_reads():
    docker = shutil.which("docker")
    able = [docker, "compose", "version"]
    if docker is None or subprocess.run(able, capture_output=True, check=False).returncode:
        pytest.skip("no docker compose here; the shape is checked below")
    words = [docker, "compose", "-f", str(DEPLOY / "compose.yaml"), "config", "--quiet"]
    env = {"POSTGRES_PASSWORD": "x", "PATH": str(Path(docker).parent)}
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=env)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_pinned_bounded_and_heard_on_loopback_alone(name):
    one = SERVICES[name]
    assert set(one) <= KNOWN
    assert re.search(r":(v?\d|\$\{RECOUP_VERSION)", one["image"]), "an image without a version"
    assert all(port.startswith("127.0.0.1:") for port in one.get("ports", ()))
    assert set(one.get("depends_on", {})) <= set(SERVICES)
    assert all(
        mount.split(":")[0] in COMPOSE["volumes"] or mount.startswith("./") for mount in one["volumes"]
    )
    assert "healthcheck" in one or name in {"migrate", "keys", "relay", "prometheus"}
    assert one["logging"]["options"]["max-size"]


def test_no_password_stands_in_the_files():
    for service in SERVICES.values():
        for name, value in service.get("environment", {}).items():
            if "PASSWORD" in name or "DATABASE_URL" in name:
                assert "${POSTGRES_PASSWORD:?" in value


def test_every_setting_in_the_composition_is_one_of_the_service():
    for name in OURS:
        for variable in SERVICES[name]["environment"]:
            assert variable.removeprefix("RECOUP_").lower() in Settings.model_fields


def test_alerts_and_rules_speak_of_figures_that_there_are():
    rules = yaml.safe_load((DEPLOY / "prometheus" / "rules.yml").read_text())
    config = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())
    assert config["rule_files"] == ["rules.yml"]
    expressions = [rule["expr"] for group in rules["groups"] for rule in group["rules"]]
    recorded = {rule["record"] for group in rules["groups"] for rule in group["rules"] if "record" in rule}
    source = Path(figures.__file__).read_text()
    for expression in expressions:
        assert expression.count("(") == expression.count(")")
        for name in re.findall(r"recoup[_:][a-z_]+", expression):
            base = re.sub(r"_(total|bucket|count|sum)$", "", name)
            assert name in recorded or f'"{base}"' in source, name


def test_the_bill_of_materials_names_what_the_service_needs(tmp_path):
    tool, out = Path(sys.executable).with_name("cyclonedx-py"), tmp_path / "sbom.json"
    words = [tool, "requirements", ROOT / "requirements-serve.lock", "--of", "JSON", "-o", out]
    subprocess.run(words, check=True, capture_output=True)
    parts = {part["name"]: part["version"] for part in json.loads(out.read_text())["components"]}
    locks = (ROOT / "requirements-serve.lock").read_text()
    locked = dict(re.findall(r"^([a-z0-9][\w.-]*)(?:\[[\w,]+\])?==(\S+)", locks, re.MULTILINE))
    assert {name: parts.get(name) for name in locked} == locked
