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
# # 1 · First look at a distributor's returns
#
# Three small simulated years: what comes back, why, in what state, and what became of it. Everything here uses public functions of the project; put your own table in place of the simulated one with a mapping file ([notebook 5](5_bring_your_own_table.ipynb)).

# %%
from datetime import UTC, datetime
from pathlib import Path
from tempfile import mkdtemp

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from features.mapping import load
from training.simulator.world import simulate, write

world = Path(mkdtemp())
write(
    simulate(returns=4000, rng=np.random.default_rng(1), start=datetime(2023, 1, 1, tzinfo=UTC)),
    world,
    seed=1,
)
returns = load(world, None, purpose="disposition").frame
returns.head(3).T

# %% [markdown]
# ## When they come, and from which families

# %%
weekly = returns.groupby([pd.Grouper(key="requested_at", freq="W"), "family"]).size().unstack(fill_value=0)
largest = weekly.sum().nlargest(5).index
axis = weekly[largest].plot(figsize=(8, 3))
axis.set(xlabel="", ylabel="return lines a week", title="the five largest families")
axis.legend(loc="upper left", bbox_to_anchor=(1, 1), fontsize=7)
plt.show()

# %% [markdown]
# ## How long after the sale

# %%
days = (returns["requested_at"] - returns["sold_at"]).dt.total_seconds() / 86400
figure, axis = plt.subplots(figsize=(8, 3))
axis.hist(days.clip(upper=120), bins=60)
axis.set(
    xlabel="days from sale to request",
    ylabel="return lines",
    title=f"median {days.median():.0f} days, P90 {days.quantile(0.9):.0f}",
)
plt.show()

# %% [markdown]
# ## What became of it, by condition found

# %%
share = returns.groupby("grade")["disposition"].value_counts(normalize=True).unstack(fill_value=0)
axis = share.plot.barh(stacked=True, figsize=(8, 3.5), colormap="tab20", legend=False)
axis.set(xlabel="share of lines", title="disposition by grade")
axis.legend(loc="upper left", bbox_to_anchor=(1, 1), fontsize=7)
plt.show()
share.round(2)

# %% [markdown]
# ## What a model knows before anybody looks
#
# The exact truth lies beside the simulated data: how much of the outcome could be foretold at the request.

# %%
truth = pd.read_parquet(world / "truth.parquet")
classes = sorted(returns["disposition"].unique())
best = truth[[f"p_{name}" for name in classes]].to_numpy()
right = np.array(classes)[best.argmax(axis=1)] == returns["disposition"].to_numpy()
commonest = returns["disposition"].value_counts(normalize=True).iloc[0]
assert 0.4 < right.mean() < 0.9
print(
    f"the best possible guess is right in {right.mean():.0%} of the lines; the commonest outcome in {commonest:.0%}"
)
