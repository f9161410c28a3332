"""Run the orchestrator: `python -m examples.orchestrator --help`."""

from __future__ import annotations

import argparse
import os

import httpx
from dbos import DBOS

from examples.orchestrator import inbox
from examples.orchestrator.systems import Recoup, Systems
from examples.orchestrator.workflow import Parties


def main() -> None:
    """Recover what was under way, then take messages."""
    arguments = argparse.ArgumentParser(description="Returns from authorisation to settlement, on DBOS.")
    arguments.add_argument("--port", type=int, default=3102)
    arguments.add_argument("--recoup", default="http://127.0.0.1:3000")
    arguments.add_argument("--systems", default="http://127.0.0.1:3101")
    arguments.add_argument("--state", default="sqlite:///orchestrator.sqlite", help="or postgresql://…")
    arguments.add_argument("--secret", help="of the webhook endpoint; registers one without it")
    asked = arguments.parse_args()
    Parties.recoup = Recoup(asked.recoup, os.environ["RECOUP_KEY"])
    Parties.systems = Systems(asked.systems)
    secret = asked.secret or register(Parties.recoup, f"http://127.0.0.1:{asked.port}/recoup")
    config = {"name": "returns", "system_database_url": asked.state, "log_level": "WARNING"}
    DBOS(config={**config, "application_version": "1", "executor_id": "one"})
    DBOS.launch()
    print(f"the secret of its webhooks: {secret}", flush=True)
    inbox.serve(asked.port, secret)


def register(recoup: Recoup, url: str) -> str:
    """Have Recoup send what is decided to this program; the secret is told only now."""
    answer = httpx.post(
        f"{recoup.url}/v1/webhook-endpoints",
        json={"url": url, "types": ["returns.approval.decided.v1"]},
        headers={"Authorization": f"Bearer {recoup.key}", "Idempotency-Key": f"register:{url}"},
        timeout=10,
    )
    secret: str = answer.raise_for_status().json()["secret"]
    return secret


if __name__ == "__main__":
    main()
