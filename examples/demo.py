"""`make demo`: the whole job on one machine, by the commands and calls that users have.

Each step is a command line or an HTTP request; nothing is imported from the service. The only piece of the
project used directly is the form generator, because somebody has to fill in and scan a form.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from training.simulator.forms import Form, draw, layouts, some_wear, spoil

HOME = Path(os.environ.get("RECOUP_HOME", ".recoup"))
PORT = int(os.environ.get("PORT", "3000"))
URL = f"http://127.0.0.1:{PORT}"
RETURNS = os.environ.get("DEMO_RETURNS", "20000")
FORMS = "40"  # drawn and read for the ranker of document fields; half a minute
READY_WITHIN = 120.0  # seconds; a cold start of the service takes about ten
BIN = Path(sys.executable).parent
APPROVAL_ABOVE, SUPERVISOR_LIMIT = 500, 700  # dollars; the second well under a supervisor's limit
FEW = 3  # units; the simulated history knows no larger ones, and what it does not know goes to a supervisor
SITES = {"DAL1": "US-SOUTH", "RNO1": "US-WEST", "EWR1": "US-NORTHEAST", "CHI1": "US-MIDWEST"}


def say(step: str, *lines: str) -> None:
    """Print one step and what came out of it."""
    print(f"\n\033[1m{step}\033[0m" if sys.stdout.isatty() else f"\n{step}", flush=True)
    for line in lines:
        print(f"  {line}", flush=True)


def run(command: str, *words: str) -> str:
    """Run one of the project's commands as a user would; give back what it printed."""
    print(f"  $ {command} {' '.join(words)}", flush=True)
    done = subprocess.run([BIN / command, *words], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{command} {words[0]} failed:\n{done.stderr.strip() or done.stdout.strip()}")
    return done.stdout.strip()


def key(role: str, subject: str) -> str:
    """A fresh key for `role`; the command prints it alone on its last line."""
    return run("recoup", "keys", "create", "--role", role, "--subject", subject).splitlines()[-1]


def call(method: str, path: str, token: str, **options: Any) -> httpx.Response:
    """One request, with a fresh idempotency key where it writes."""
    headers = {"Authorization": f"Bearer {token}", **options.pop("headers", {})}
    if method == "POST":
        headers["Idempotency-Key"] = str(uuid.uuid4())
    return httpx.request(method, URL + path, headers=headers, timeout=60, **options)


def learn(world: Path) -> None:
    """History, models, champions, forecast."""
    say("1  A distributor's history, simulated")
    run("recoup-lab", "simulate", "--returns", RETURNS, "--seed", "7", "--out", str(world))
    say("2  Models trained on it, recorded in MLflow")
    show_models(run("recoup-lab", "train", "all", "--data", str(world)))
    show_models(run("recoup-lab", "train", "fields", "--forms", FORMS))
    say("3  Promoted: champions in MLflow, imported into BentoML's model store")
    show_models(run("recoup-lab", "promote", "all"))
    show_models(run("recoup-lab", "promote", "fields"))
    say("4  A forecast, issued: dated, stored, never changed")
    forecast = str(HOME / "demo" / "forecast.csv")
    run("recoup-lab", "forecast", "--data", str(world), "--horizon", "28", "--out", forecast)
    run("recoup", "migrate")
    print("  " + run("recoup", "issue-forecast", forecast))


def show_models(printed: str) -> None:
    """The line of each model and its first figures; the commands themselves print every figure and gate."""
    for block in printed.split("\n\n"):
        lines = [
            line
            for line in block.splitlines()
            if line.startswith(("recoup-", "log_loss", "pinball_p50", "wape "))
        ]
        print("\n".join(f"  {line}" for line in lines))


def start() -> subprocess.Popen[bytes]:
    """The service, once it says that it is ready."""
    log = (HOME / "demo" / "service.log").open("wb")
    service = subprocess.Popen(
        [BIN / "recoup", "serve", "--port", str(PORT)], stdout=log, stderr=log, start_new_session=True
    )
    until = time.monotonic() + READY_WITHIN
    while time.monotonic() < until and service.poll() is None:
        try:
            if httpx.get(URL + "/readyz", timeout=2).status_code == httpx.codes.OK:
                return service
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    stop(service)
    sys.exit(f"the service did not get ready; see {log.name}")


def stop(service: subprocess.Popen[bytes]) -> None:
    """End the service and its workers."""
    if service.poll() is None:
        os.killpg(service.pid, signal.SIGTERM)
        service.wait(30)


def scanned_form(rng: np.random.Generator) -> Form:
    """A filled return form as a scanner would send it, for a credit that needs an approval."""
    while True:
        form = draw(layouts()["rma_boxed"], rng=rng)
        said = {truth.field: truth.value for truth in form.truths}
        big = APPROVAL_ABOVE < float(said["credit_amount"]) <= SUPERVISOR_LIMIT
        few = int(said["quantity"]) <= FEW and not any(truth.line for truth in form.truths)
        if big and few and said["reason"].startswith("Defective"):
            return spoil(form, some_wear(rng), rng=rng)


def request_from(fields: dict[str, Any], document: str) -> dict[str, Any]:
    """The return line that the form asks for, as an orchestrator would post it."""
    return {
        "return_line_id": f"{fields['rma_number']}/1",
        "rma_number": fields["rma_number"],
        "stage": "AUTHORIZATION",
        "requested_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "requested_by": "agent:17",
        "site": "DAL1",
        "region": "US-SOUTH",
        "quantity": int(fields["quantity"]),
        "customer": {"id": "C-000077", "tier": "gold", "since": "2019-04-01"},
        "item": {
            "sku": fields["item"],
            "family": "power_tools",
            "weight_kg": 4.5,
            "regulatory_classes": ["NONE"],
        },
        "sale": {
            "order_number": fields["order_number"],
            "sold_at": (datetime.now(UTC) - timedelta(days=15)).isoformat(timespec="seconds"),
            "channel": "online",
            "price_paid": fields["unit_price"],
            "quantity": int(fields["quantity"]),
        },
        "reason": "DEFECTIVE",
        "customer_note": fields.get("problem"),
        "credit_requested": {"amount": fields["credit_amount"], "currency": "USD"},
        "document_ids": [document],
    }


def triage() -> None:
    """One scanned form, from pixels to an approved recommendation."""
    orchestrator, supervisor = key("orchestrator", "service:orchestrator"), key("supervisor", "emp:8")
    planner, auditor = key("planner", "emp:30"), key("auditor", "emp:40")

    for site, region in SITES.items():
        call("PUT", f"/v1/reference/sites/{site}", orchestrator, json={"region": region})
    form = HOME / "demo" / "return-form.png"
    form.write_bytes(scanned_form(np.random.default_rng(7)).png())
    answer = call("POST", "/v1/documents", orchestrator, files={"file": form.open("rb")}).json()
    read = [field for field in answer["fields"] if field["value"] is not None]
    say(f"6  A scanned return form is read: {form}")
    for field in read:
        print(f"  {field['name']:<16} {field['value']!s:<34} confidence {field['confidence']:.2f}")

    body = request_from({field["name"]: field["value"] for field in read}, answer["id"])
    recommendation = call("POST", "/v1/recommendations", orchestrator, json=body).json()
    say("7  The return line is triaged")
    show(recommendation)

    approval = recommendation["approvals"][0]
    path = f"/v1/approvals/{approval['id']}"
    etag = call("GET", path, supervisor).headers["ETag"]
    vote = {"vote": "approve", "comment": "seen with the customer"}
    mine = call("POST", f"{path}/votes", orchestrator, json=vote, headers={"If-Match": etag})
    theirs = call("POST", f"{path}/votes", supervisor, json=vote, headers={"If-Match": etag})
    settled = call("GET", f"/v1/recommendations/{recommendation['id']}", auditor).json()["status"]
    say(
        "8  Held back by policy until a second person approves",
        f"the requester tries    {mine.status_code} {mine.json().get('detail', '')}",
        f"the supervisor votes   {theirs.status_code} {theirs.json()['status']}",
        f"the recommendation is  {settled}",
    )
    plan = call("GET", "/v1/labor-plan?site=DAL1", planner).json()
    verified = call("GET", "/v1/audit/verify", auditor).json()
    first = plan["rows"][0]
    say(
        "9  What planners and auditors see",
        f"labour on {first['ds']}    {first['units']:.0f} units, {first['hours']:.1f} hours, "
        f"{first['heads']} heads, {first['dock_doors']} doors, {first['storage_positions']} positions",
        f"audit chain             valid: {verified['valid']}, {verified['entries']} entries",
    )
    say(
        "Where to look",
        f"API          {URL}/docs   (OpenAPI: {URL}/openapi.json)",
        f"overview     {URL}/",
        f"experiments  .venv/bin/mlflow ui --backend-store-uri sqlite:///{HOME}/mlflow/mlflow.sqlite",
        f"keys         orchestrator {orchestrator}",
        f"             supervisor   {supervisor}",
    )


def show(recommendation: dict[str, Any]) -> None:
    """The parts of a recommendation that a person looks at first."""
    disposition, fraud = recommendation["disposition"], recommendation["fraud"]
    best = disposition["alternatives"][0]
    print(f"  status       {recommendation['status']}")
    print(f"  disposition  likely {disposition['likely']}, recommended {disposition['recommended']}")
    print(f"  recovery     {best['expected_recovery']} ({best['p10']} to {best['p90']})")
    print(f"  fraud        {fraud['score']:.3f} ({fraud['band']})")
    print(f"  credit       {recommendation['credit']['recommended']}")
    for rule in recommendation["guardrails"]:
        print(f"  rule         {rule['id']} {rule['effect']}: {rule['sentence']}")


def main() -> None:
    """Show the whole job, then serve until Ctrl-C (DEMO_EXIT=1: stop)."""
    world = HOME / "demo" / "world"
    shutil.rmtree(HOME / "demo", ignore_errors=True)
    world.mkdir(parents=True)
    learn(world)
    say("5  The service starts")
    service = start()
    try:
        triage()
        if os.environ.get("DEMO_EXIT") != "1":
            say("Serving. Ctrl-C stops it.")
            service.wait()
    except KeyboardInterrupt:
        print()
    finally:
        stop(service)


if __name__ == "__main__":
    main()
