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
# # 2 · Train, compare, promote in MLflow
#
# A challenger is trained, judged on later rows beside a bare baseline and logged; two versions are compared line by line; one goes through the gates and becomes champion. The commands `recoup-lab train`, `evaluate` and `promote` do the same. Everything here lives in a temporary home.

# %%
from datetime import UTC, datetime
from pathlib import Path
from tempfile import mkdtemp

from training.settings import Settings, prepare

home = Path(mkdtemp())
settings = Settings(home=home)
prepare(settings)  # before MLflow and BentoML are imported: they look where they live only once

# %%
import json

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from training.answers import answers, card, load
from training.datasets import read
from training.promote import promote
from training.simulator.world import simulate, write
from training.tracking import Registry
from training.train import train

world = home / "world"
write(
    simulate(returns=2500, rng=np.random.default_rng(2), start=datetime(2024, 1, 1, tzinfo=UTC)),
    world,
    seed=2,
)
registry = Registry(settings.mlflow_home)
now = datetime(2026, 11, 20, tzinfo=UTC)

# %% [markdown]
# ## Two challengers: what was known half a year ago, and what is known now
#
# The task is the minutes of an inspection. `as_of` leaves out whatever became known later.

# %%
today = read("workload", data=world, mapping=None)
asked = pd.read_parquet(world / "returns.parquet")["requested_at"]
earlier = read("workload", data=world, mapping=None, as_of=asked.quantile(0.5).to_pydatetime())
versions = {
    name: train(dataset, registry=registry, seed=1, now=now)
    for name, dataset in {"half of the history": earlier, "all of it": today}.items()
}
names = ("rows", "pinball_p50", "baseline_pinball_p50", "pinball_p90", "mae", "coverage_90")
pd.DataFrame(
    {name: {figure: one.figures[figure] for figure in names} for name, one in versions.items()}
).round(3)

# %% [markdown]
# ## Compared on the same later rows
#
# The figures above are of different test rows. Whether one model is better is a question about the same rows: here those that neither has seen, resampled.

# %%
rows = today.test
known = today.test.y
loss = {}
for name, one in versions.items():
    said = answers("workload", load(one.registered.folder), rows.table)
    miss = known - said["p90"].to_numpy()
    loss[name] = np.maximum(0.9 * miss, -0.1 * miss)
gain = loss["half of the history"] - loss["all of it"]
rng = np.random.default_rng(0)
means = [gain[rng.integers(len(gain), size=len(gain))].mean() for _ in range(2000)]
low, high = np.quantile(means, (0.025, 0.975))
figure, axis = plt.subplots(figsize=(8, 3))
axis.hist(means, bins=50)
axis.axvline(0, color="grey", linewidth=1)
axis.set(
    xlabel="pinball loss at P90 saved a line by all of the history, minutes",
    title=f"mean {gain.mean():.3f}, 95 % of resamples in [{low:.3f}, {high:.3f}]",
)
plt.show()

# %% [markdown]
# ## What the registry keeps of a version
#
# Data hash, as-of time, seed and code: the same again gives the same predictions.

# %%
newest = versions["all of it"].registered
facts = card(newest.folder)
print(newest.name, "version", newest.version, "of", registry.find("workload").version)
pd.Series({name: facts[name] for name in ("digest", "data_hash", "as_of", "seed", "train_rows", "test_rows")})

# %% [markdown]
# ## Through the gates
#
# Each gate says what it found; one that fails refuses, and the refusal stays on the version. The champion is copied into the store that the service reads its models from.

# %%
gates = promote(newest, registry=registry, seed=0, now=now)
champion = registry.champion("workload")
assert champion is not None
assert champion.version == newest.version
kept = settings.bentoml_home / "models" / newest.name / newest.version / "card.json"
assert json.loads(kept.read_text())["digest"] == facts["digest"]
pd.set_option("display.max_colwidth", 90)
pd.DataFrame({"gate": [gate.name for gate in gates], "finding": [gate.finding for gate in gates]})
