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
# # 6 · Policy backtest: what would another limit have changed?
#
# Every recommendation keeps the facts that its judge was told. A candidate policy set judges them again: which lines come out otherwise, how much credit is at stake, and who would have had to review how much more. Nothing is written. `recoup policy backtest FOLDER` prints the same for a real ledger; here a small simulated one is filled first.

# %%
import warnings
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import mkdtemp

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

warnings.filterwarnings("ignore", message="Using `httpx` with `starlette.testclient`")
from fastapi.testclient import TestClient

from ledger.reference import Key
from ledger.store import Ledger
from models import condition, disposition, fraud, recovery, workload
from policy.policies import DEFAULT_RULES, PolicySet, files_of
from serving.app import create_app
from serving.auth import hashed, new_key
from serving.case.replaying import backtest
from serving.operations.reporting import page
from serving.runtime import Champions, Runtime
from serving.settings import Settings
from serving.telemetry import configure_logs
from training.datasets import read
from training.simulator.world import simulate, write
from training.train import fit

home = Path(mkdtemp())
configure_logs("error")
write(
    simulate(returns=2500, rng=np.random.default_rng(5), start=datetime(2025, 1, 1, tzinfo=UTC)),
    home / "world",
    seed=5,
)
tasks = {
    "condition": condition,
    "disposition": disposition,
    "fraud": fraud,
    "recovery": recovery,
    "workload": workload,
}
models = {
    task: fit(
        task,
        read(task, data=home / "world", mapping=None).train,
        attributes={},
        params=replace(module.PARAMS, max_rounds=40, leaves=7, bags=1),
        seed=1,
    )
    for task, module in tasks.items()
}

# %% [markdown]
# ## A ledger of recommendations
#
# The newest returns of the simulated history, asked for one by one as an orchestrator would.

# %%
now = datetime(2026, 11, 20, 12, tzinfo=UTC)
policies = PolicySet.parse(files_of(DEFAULT_RULES))
settings = Settings(home=home)
ledger = Ledger(settings.ledger_url)
ledger.migrate()
key = new_key()
moment = [now]
with ledger.write() as tx:
    tx.add_policy(policies.digest, content=files_of(DEFAULT_RULES), actor="service:notebook", at=now)
    tx.add_key(Key(hashed(key), "orchestrator", "service:notebook", (), None, now, "service:notebook"))
champions = Champions(**models, versions=tuple((task, "1") for task in tasks))
runtime = Runtime(settings, ledger, policies, champions, lambda: moment[0])


def request_of(row):
    """A row of the table as the body of a request; what nobody has looked at yet is left out."""

    def iso(time):
        return time.isoformat().replace("+00:00", "Z")

    return {
        "return_line_id": row.return_line_id,
        "stage": "AUTHORIZATION",
        "requested_at": iso(row.requested_at),
        "requested_by": "agent:17",
        "site": row.site,
        "region": row.region,
        "quantity": int(row.quantity),
        "customer": {"id": row.customer_id, "tier": row.customer_tier},
        "supplier": {"id": row.supplier_id},
        "item": {
            "sku": row.sku,
            "family": row.family,
            "brand": row.brand,
            "unit_cost": f"{row.unit_cost:.2f}",
            "weight_kg": row.weight_kg,
            "regulatory_classes": row.regulatory_classes.split(";"),
        },
        "sale": {
            "order_number": row.order_number,
            "sold_at": iso(row.sold_at),
            "channel": row.channel,
            "price_paid": f"{row.price_paid:.2f}",
            "quantity": int(row.sold_quantity),
        },
        "reason": row.reason,
        "customer_note": row.customer_note,
        "warranty_until": row.warranty_until.date().isoformat(),
        "credit_requested": {"amount": f"{row.credit_requested:.2f}", "currency": "USD"},
    }


newest = pd.read_parquet(home / "world" / "returns.parquet").sort_values("requested_at").tail(150)
answers = []
with TestClient(create_app(settings, lambda _: runtime)) as client:
    for row in newest.itertuples():
        moment[0] = row.requested_at.to_pydatetime()
        headers = {"Authorization": f"Bearer {key}", "Idempotency-Key": row.return_line_id}
        said = client.post("/v1/recommendations", json=request_of(row), headers=headers)
        assert said.status_code == 201, said.text
        answers.append(said.json())
status = pd.Series([answer["status"] for answer in answers]).value_counts()
axis = status.plot.barh(figsize=(7, 2))
axis.set(xlabel="recommendations", title="as they were judged")
plt.show()

# %% [markdown]
# ## One candidate: from 200 dollars on a person approves
#
# A policy set is a folder of files; here its text is changed in memory. The examples beside a rule are part of the file: with another limit they must change too, or the set is refused.


# %%
def candidate(dollars):
    """The default policies with another limit for an approval."""
    cents = dollars * 100
    files = files_of(DEFAULT_RULES)
    changed = files["finance.yaml"].replace("{USD: 50000}", f"{{USD: {cents}}}")
    for example in (50001, 50000):
        changed = changed.replace(
            f"credit.amount: {example}}}", f"credit.amount: {example - 50000 + cents}}}"
        )
    # A site may only tighten what the company says, and CHI1's own limit would loosen some of these.
    return PolicySet.parse({**files, "finance.yaml": changed, "sites/CHI1.yaml": "owner: CHI1\n"})


stricter = candidate(200)
with ledger.read() as tx:
    found = backtest(tx, stricter)
print(page({**found, "examples": found["examples"][:2]}, stricter.base.budgets))

# %% [markdown]
# ## The curve: what each limit asks of people
#
# Reviews are counted by role as the candidate would have asked for them.

# %%
limits = (100, 200, 350, 500, 1000)
reviews = {}
for dollars in limits:
    with ledger.read() as tx:
        by_role = backtest(tx, candidate(dollars))["reviews_by_role"]
    reviews[dollars] = {role: sums["replayed"] for role, sums in by_role.items()}
table = pd.DataFrame(reviews).T.fillna(0).astype(int)
axis = table.plot(marker="o", figsize=(8, 3.5))
axis.set(
    xlabel="credits above this are approved by a person, dollars",
    ylabel=f"reviews of {len(answers)} returns",
    ylim=(0, None),
)
axis.legend(loc="upper left", bbox_to_anchor=(1, 1), fontsize=7)
plt.show()
assert table.loc[100].sum() > table.loc[1000].sum()
table

# %% [markdown]
# The same for your own ledger: `recoup policy backtest my-rules/`. Whether the extra reviews are worth it is what [notebook 3](3_fraud_and_review_budget.ipynb) weighs: people are the scarcest resource.
