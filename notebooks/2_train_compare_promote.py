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
# # 2 · Train, compare, promote
#
# A challenger is trained on a table, judged beside a bare baseline and logged to MLflow. It becomes champion only through gates; one that fails is refused, with the reason on record. The same as `recoup-lab train workload`, `recoup-lab promote workload`.

# %%
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import mkdtemp

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from training.settings import Settings, prepare

home = Path(mkdtemp())
prepare(Settings(home=home))  # before MLflow and BentoML are imported: they look for their homes then

from models.drift import Snapshot
from training.datasets import read
from training.evidence.gates import LIMITS
from training.promote import PromotionRefusedError, promote, rollback
from training.simulator.world import simulate, write
from training.tracking import Registry
from training.train import train

now = datetime(2026, 1, 5, tzinfo=UTC)
tables = simulate(returns=1800, rng=np.random.default_rng(2), start=datetime(2023, 1, 1, tzinfo=UTC))
write(tables, home / "world", seed=2)
registry = Registry(home / "mlflow")

# %% [markdown]
# ## The champion of a year ago
#
# Minutes of inspection: the task that trains quickest. It knows what was known by then, and its latest fifth judged it.

# %%
earlier = read("workload", data=home / "world", mapping=None, as_of=datetime(2025, 1, 1, tzinfo=UTC))
first = train(earlier, registry=registry, seed=1, now=now)
gates = promote(first.registered, registry=registry, now=now)
pd.DataFrame(
    [(gate.name, gate.passes, gate.finding) for gate in gates], columns=["gate", "passes", "finding"]
)

# %% [markdown]
# ## A challenger that has seen more
#
# Beside it a bare baseline (one quantile for every line) and the best that anybody could say: the simulator knows.

# %%
dataset = read("workload", data=home / "world", mapping=None)
second = train(dataset, registry=registry, seed=1, now=now)
figures = second.figures
names = ["pinball_p50", "pinball_p90"]
figure, axis = plt.subplots(figsize=(7, 3))
places = np.arange(len(names))
value = np.array([figures[name] for name in names])
low = value - [figures[f"{name}_lo"] for name in names]
high = [figures[f"{name}_hi"] for name in names] - value
axis.bar(places - 0.2, value, 0.35, yerr=[low, high], capsize=4, label="challenger, 95 % interval")
axis.bar(
    places + 0.2, [figures[f"baseline_{name}"] for name in names], 0.35, label="baseline", color="lightgrey"
)
best = [figures[name] / figures[f"bayes_ratio_{name}"] for name in names]
axis.plot(places - 0.2, best, "kD", label="best possible")
axis.set(
    xticks=places,
    xticklabels=names,
    ylabel="minutes; less is better",
    ylim=(0, 1.35 * max(figures["baseline_pinball_p50"], *value)),
)
axis.legend(fontsize=8, ncol=3)
plt.show()
assert figures["pinball_p50"] < figures["baseline_pinball_p50"]

# %% [markdown]
# ## Refused, then promoted, then taken back
#
# Limits are values. No model covers everything, so a limit above one refuses any, and MLflow keeps why. With the limits in force the gates compare both models row by row, site by site and family by family.

# %%
try:
    promote(second.registered, registry=registry, now=now, limits=replace(LIMITS, coverage=1.01))
    raise AssertionError("a limit that nobody meets was met")
except PromotionRefusedError as refusal:
    print(refusal)
assert registry.champion("workload").version == first.registered.version
gates = promote(second.registered, registry=registry, now=now)
print("champion:", registry.champion("workload").version)
print("after the rollback:", rollback("workload", registry=registry, now=now).version)
pd.DataFrame([(gate.name, gate.finding) for gate in gates], columns=["gate", "finding"])

# %% [markdown]
# ## What it leans on
#
# The share of the trees' gain that each feature brought. It is kept in the snapshot beside the model, with the shapes of what it learned from: `recoup-lab monitor` compares live traffic with it.

# %%
gain = pd.Series(Snapshot.load(second.registered.folder).gain).nlargest(12)[::-1]
axis = gain.plot.barh(figsize=(7, 3.5))
axis.set(xlabel="share of the gain")
plt.show()
