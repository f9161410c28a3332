# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 6 · What a change of policy would have done
#
# Every recommendation records the facts it was judged on, so a candidate policy can judge them again. Nothing is written and nobody is asked. The same as `recoup policy backtest DIR`.

# %%
import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import mkdtemp
from uuid import uuid4

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from fastapi.testclient import TestClient

from ledger.reference import Key
from ledger.store import Ledger
from models import condition, disposition, fraud, recovery, workload
from policy.policies import DEFAULT_RULES, PolicySet, files_of
from serving.app import create_app
from serving.auth import hashed, new_key
from serving.case.replaying import backtest
from serving.runtime import Champions, Runtime
from serving.settings import Settings
from training.datasets import read
from training.simulator.world import simulate, write

home = Path(mkdtemp())
now = datetime(2026, 1, 5, tzinfo=UTC)
tables = simulate(returns=2500, rng=np.random.default_rng(5), start=datetime(2023, 1, 1, tzinfo=UTC))
write(tables, home / "world", seed=5)

# %% [markdown]
# ## A service with a past
#
# Small models, a fresh ledger, and the latest 150 returns of the simulated world asked about, as an orchestrator would.

# %%
modules = {
    "condition": condition,
    "disposition": disposition,
    "recovery": recovery,
    "fraud": fraud,
    "workload": workload,
}
models = {}
for task, module in modules.items():
    rows = read(task, data=home / "world", mapping=None).train
    quick = replace(module.PARAMS, max_rounds=40, leaves=7, bags=1)
    models[task] = module.fit(rows.table, rows.y, rng=np.random.default_rng(1), params=quick)

settings = Settings(home=home)
files = files_of(DEFAULT_RULES)
policies = PolicySet.parse(files)
ledger, key = Ledger(settings.ledger_url), new_key()
ledger.migrate()
with ledger.write() as tx:
    tx.add_policy(policies.digest, content=files, actor="service:notebook", at=now)
    tx.add_key(Key(hashed(key), "orchestrator", "service:notebook", (), None, now, "service:notebook"))
champions = Champions(**models, versions=tuple((task, "1") for task in models))
runtime = Runtime(settings, ledger, policies, champions, lambda: now)


def request_of(row):
    """One simulated return as the contract's request."""
    known = {
        name: None if value is None or value is pd.NaT or value != value else value
        for name, value in row.items()
    }
    stamp = lambda name: None if known[name] is None else f"{known[name]:%Y-%m-%dT%H:%M:%SZ}"
    money = lambda name: None if known[name] is None else f"{known[name]:.2f}"
    codes = lambda name: sorted((known[name] or "NONE").split(";"))
    return {
        "return_line_id": known["return_line_id"],
        "stage": "AUTHORIZATION",
        "requested_at": stamp("requested_at"),
        "requested_by": "agent:17",
        "site": known["site"],
        "region": known["region"],
        "quantity": int(known["quantity"]),
        "customer": {"id": known["customer_id"], "tier": known["customer_tier"]},
        "item": {
            "sku": known["sku"],
            "family": known["family"],
            "brand": known["brand"],
            "unit_cost": money("unit_cost"),
            "weight_kg": known["weight_kg"],
            "serial": known["serial"],
            "serial_shipped": known["serial_shipped"],
            "regulatory_classes": codes("regulatory_classes"),
            "handling_classes": codes("handling_classes"),
        },
        "sale": {
            "order_number": "SO-" + known["return_line_id"],
            "sold_at": stamp("sold_at"),
            "channel": known["channel"],
            "price_paid": money("price_paid"),
            "quantity": int(known["sold_quantity"] or known["quantity"]),
        },
        "reason": known["reason"],
        "customer_note": known["customer_note"],
        "credit_requested": {"amount": money("credit_requested"), "currency": known["currency"]},
        "compliance": {"opened": known["opened"], "expires_at": stamp("expires_at")},
    }


latest = tables.returns.sort_values("requested_at").tail(150)
items = [request_of(row) for row in latest.to_dict("records")]
with TestClient(create_app(settings, lambda _: runtime)) as client:
    headers = {"Authorization": f"Bearer {key}", "Idempotency-Key": str(uuid4())}
    answer = client.post("/v1/recommendations/batch", json={"items": items}, headers=headers)
    answers = answer.json()["items"]
with Ledger(settings.ledger_url).read() as tx:
    made = tx.recommendations(limit=1000)
assert len(made) == len(items), answers[:2]
pd.Series([one.status for one in made]).value_counts()

# %% [markdown]
# ## Which rules stop them

# %%
fired = pd.Series(
    [f"{rule['id']} {rule['effect']}" for one in made for rule in one.body["guardrails"]]
).value_counts()
axis = fired[::-1].plot.barh(figsize=(8, 0.4 + 0.25 * len(fired)))
axis.set(xlabel=f"of {len(made)} returns")
plt.show()

# %% [markdown]
# ## A candidate
#
# Finance asks what happens if credits above 100.00 or 250.00 need a person rather than those above 500.00, or only those above 1,000.00. A policy's examples are its tests: a limit that moves takes them along, else the set is refused.


# %%
def candidate(limit):
    """The files in force with another limit, the examples that test it, and a site that may only be stricter."""
    changed = {}
    for name, text in files.items():
        if name == "finance.yaml":
            text = re.sub(r"\b50001\b", str(limit + 1), re.sub(r"\b50000\b", str(limit), text))
        changed[name] = text.replace("{USD: 25000}", f"{{USD: {min(limit, 25_000)}}}")
    return PolicySet.parse(changed)


found = {}
with Ledger(settings.ledger_url).read() as tx:
    for limit in (10_000, 25_000, 50_000, 100_000):
        found[limit / 100] = backtest(tx, candidate(limit))
found[250.0]["transitions"]

# %%
reviews = (
    pd.DataFrame(
        {
            limit: {role: counts["replayed"] for role, counts in said["reviews_by_role"].items()}
            for limit, said in found.items()
        }
    )
    .fillna(0)
    .T
)
axis = reviews.plot.bar(stacked=True, figsize=(8, 3.5), rot=0, colormap="tab20")
axis.set(xlabel="credits above this need a person", ylabel=f"approvals asked for, {len(made)} returns")
axis.legend(loc="upper left", bbox_to_anchor=(1, 1), fontsize=7)
plt.show()
assert reviews.sum(axis=1).is_monotonic_decreasing
reviews.astype(int)
