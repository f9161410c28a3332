"""The operator's commands as an operator runs them: their own process, their exit status, their words."""

import json
import os
import subprocess
import sys

import pytest

from policy.policies import DEFAULT_RULES


@pytest.fixture
def recoup(tmp_path):
    """Run `recoup …` in a home of its own."""

    def run(*words, **environment):
        return subprocess.run(
            [sys.executable, "-m", "serving", *map(str, words)],
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | {"RECOUP_HOME": str(tmp_path / "home")} | environment,
        )

    return run


def test_a_key_stands_alone_on_the_last_line_and_only_its_hash_is_kept(recoup, tmp_path):
    made = recoup("keys", "create", "--role", "planner", "--subject", "emp:3", "--site", "DAL1")
    key = made.stdout.splitlines()[-1]
    assert (made.returncode, key[:3]) == (0, "rk_")
    assert key.encode() not in (tmp_path / "home" / "ledger.sqlite").read_bytes()


def test_a_key_is_listed_replaced_and_ended_by_its_name(recoup):
    first = recoup("keys", "create", "--role", "planner", "--subject", "service:wfm").stdout.splitlines()[-1]
    listed = recoup("keys", "list").stdout
    name = listed.split()[0]
    assert ("planner" in listed, first in listed) == (True, False)
    second = recoup("keys", "rotate", name, "--grace-hours", "24").stdout.splitlines()[-1]
    assert second not in {first, ""}
    states = {line.split()[0]: line.split()[-2] for line in recoup("keys", "list").stdout.splitlines()}
    assert states.pop(name) == "until"
    (new,) = states
    assert recoup("keys", "revoke", new).returncode == 0
    again = recoup("keys", "rotate", new)
    assert (again.returncode, "ended" in again.stderr) == (2, True)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("keys", "revoke", "key_0"), "keys list"),
        (("keys", "create", "--role", "king"), "is no role"),
        (("keys", "create", "--role", "planner", "--subject", "anna"), "kind:subject"),
        (("keys", "create", "--role", "planner", "--subject", "Emp: 4"), "kind:subject"),
        (("issue-forecast", "nowhere.csv"), "nowhere.csv"),
        (("policy", "check", "nowhere"), "finance.yaml"),
        (("documents", "parse", "nowhere.pdf"), "nowhere.pdf"),
        (("audit", "verify", "nowhere.dump"), "nowhere.dump"),
        (("serve", "--host", "0.0.0.0"), "loopback"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_status_2(recoup, words, said):
    done = recoup(*words)
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_dump_verifies_anywhere_and_a_changed_one_does_not(recoup, tmp_path):
    recoup("keys", "create", "--role", "auditor")
    dump = tmp_path / "chain.jsonl"
    assert recoup("audit", "dump", dump).returncode == 0
    good = recoup("audit", "verify", dump, RECOUP_HOME=str(tmp_path / "elsewhere"))
    assert (good.returncode, json.loads(good.stdout)["valid"]) == (0, True)
    dump.write_bytes(dump.read_bytes().replace(b"auditor", b"planner", 1))
    changed = recoup("audit", "verify", dump)
    assert (changed.returncode, json.loads(changed.stdout)["valid"]) == (1, False)


def test_a_dump_written_anew_lacks_the_signature(recoup, tmp_path):
    recoup("keys", "create", "--role", "auditor")
    assert recoup("audit", "checkpoint").returncode == 0
    public = tmp_path / "home" / "keys" / "ledger.pub"
    dump, other = tmp_path / "chain.jsonl", str(tmp_path / "other")
    recoup("audit", "dump", dump)
    assert json.loads(recoup("audit", "verify", dump, "--key", public).stdout)["signed"] == 1
    recoup("keys", "create", "--role", "auditor", RECOUP_HOME=other)
    recoup("audit", "dump", dump, RECOUP_HOME=other)
    assert recoup("audit", "verify", dump).returncode == 0
    assert recoup("audit", "verify", dump, "--key", public).returncode == 1


def test_erasing_a_customer_nobody_knows_is_refused_and_nothing_is_old_yet(recoup):
    recoup("migrate")
    unknown = recoup("audit", "erase", "--customer", "C-1", "--reason", "asked for")
    assert unknown.returncode == 2
    assert recoup("audit", "retain").stdout.startswith("0 records")


def test_policy_check_names_file_and_line(recoup, tmp_path):
    assert recoup("policy", "check").returncode == 0
    for path in DEFAULT_RULES.glob("*.yaml"):
        text = path.read_text()
        (tmp_path / path.name).write_text(text.replace('when: "credit.amount >', 'when: "credit.amuont >', 1))
    checked = recoup("policy", "check", tmp_path)
    assert checked.returncode == 2
    assert "finance.yaml:" in checked.stderr
    assert "credit.amuont" in checked.stderr


def test_every_setting_is_listed_without_its_secrets(recoup):
    done = recoup("settings", RECOUP_DATABASE_URL="postgresql+psycopg://u:hunter2@h/d")
    assert "RECOUP_DATABASE_URL=(set)" in done.stdout
    assert "hunter2" not in done.stdout


def test_help_lists_every_command_of_the_contract(recoup):
    listed = recoup("--help").stdout
    for name in (
        "serve",
        "migrate",
        "settings",
        "keys",
        "audit",
        "policy",
        "documents",
        "relay",
        "export-outcomes",
    ):
        assert name in listed
    assert "issue-forecast" in listed


def test_documents_are_read_one_by_one_and_the_good_ones_are_still_printed(recoup, tmp_path):
    (tmp_path / "broken.pdf").write_bytes(b"%PDF-1.7 no more")
    (tmp_path / "empty.png").write_bytes(b"")
    done = recoup("documents", "parse", tmp_path / "broken.pdf", tmp_path / "empty.png", "--json")
    assert done.returncode == 2
    assert "broken.pdf" in done.stderr
    assert "empty.png" in done.stderr
    assert done.stdout == ""
