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
# # 3 · Fraud: thresholds and the review budget
#
# People are the scarcest resource. The model ranks by probability; what a review is worth is probability × credit; the budget says how many reviews there are. Fraud is rare and labels exist only where somebody investigated, so every figure has its interval.

# %%
from datetime import UTC, datetime
from pathlib import Path
from tempfile import mkdtemp

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.calibration import calibration_curve
from sklearn.metrics import precision_recall_curve

from features.table import number
from models import fraud
from training.datasets import read
from training.evaluate import evaluate
from training.simulator.world import simulate, write
from training.train import fit

world = Path(mkdtemp())
write(
    simulate(returns=7000, rng=np.random.default_rng(3), start=datetime(2023, 1, 1, tzinfo=UTC)),
    world,
    seed=3,
)
dataset = read("fraud", data=world, mapping=None)
model = fit("fraud", dataset.train, attributes={}, params=fraud.PARAMS, seed=1)
rows = dataset.test
score, y = model.predict(rows.table).score, rows.y
stakes = np.nan_to_num(number(rows.table, "credit_requested"))
print(f"{len(y)} investigated lines to judge by, {y.mean():.1%} of them fraud")

# %% [markdown]
# ## Is the score a probability, and does it rank?

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.5))
found, said = calibration_curve(y, score, n_bins=8, strategy="quantile")
left.axline((0, 0), slope=1, color="grey", linewidth=1)
left.plot(said, found, "o-")
left.set(xlabel="score", ylabel="share that was fraud", title="calibration")
precision, recall, _ = precision_recall_curve(y, score)
right.plot(recall, precision)
right.axhline(y.mean(), color="grey", linewidth=1)
right.set(
    xlabel="share of frauds found", ylabel="share of reviews that find one", title="ranking (grey: chance)"
)
plt.show()
figures = evaluate(model, dataset, rng=np.random.default_rng(1))
names = ["auc", "average_precision", "recall_at_1pct_fpr", "precision_at_budget", "ece"]
pd.DataFrame(
    {name: [figures[name], figures[f"{name}_lo"], figures[f"{name}_hi"]] for name in names},
    index=["value", "lo", "hi"],
).T.round(3)

# %% [markdown]
# ## Where is the threshold?
#
# A review costs time and friction (15.00 is the planning default of `fraud_review_cost` in `policy/rules/finance.yaml`). Reviewing whatever has an expected loss above the cost maximises what is saved; a budget of reviews raises the threshold.

# %%
cost = 15.0
expected = score * stakes
order = np.argsort(-expected, kind="stable")
saved = np.cumsum((y * stakes)[order]) - cost * np.arange(1, len(y) + 1)
hoped = np.cumsum(expected[order]) - cost * np.arange(1, len(y) + 1)
at_cost = int((expected > cost).sum())
share = np.arange(1, len(y) + 1) / len(y)
figure, axis = plt.subplots(figsize=(8, 3.5))
axis.plot(share, saved, label="saved, net of reviews")
axis.plot(share, hoped, "--", label="as the model expected")
axis.axvline(at_cost / len(y), color="grey", linewidth=1, label="expected loss = cost of a review")
axis.set(xlabel="share of investigated lines reviewed", ylabel="dollars on the judged lines")
axis.legend(fontsize=8)
plt.show()
assert saved[max(at_cost - 1, 0)] > saved[-1]

# %% [markdown]
# ## With so many reviews a day

# %%
days = max(np.ptp(rows.table["requested_at"]) / np.timedelta64(1, "D"), 1)
table = []
for reviews in (0.25, 0.5, 1, 2, 4):
    count = min(round(reviews * days), len(y))
    chosen = order[:count]
    table.append(
        (reviews, expected[order[count - 1]], y[chosen].sum() / y.sum(), y[chosen].mean(), saved[count - 1])
    )
pd.DataFrame(
    table, columns=["reviews a day", "threshold", "frauds found", "reviews that find one", "net saved"]
).round(2)
