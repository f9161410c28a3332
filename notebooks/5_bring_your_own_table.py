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
# # 5 · Bring your own table
#
# A table with other names, other codes and columns that nobody foresaw needs a mapping file and no code. Ready mappings for three public tables lie in [`mappings/`](mappings): Open Repair, Online Retail and vehicle claims.

# %%
from datetime import UTC, datetime
from pathlib import Path
from tempfile import mkdtemp

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import yaml

from features.mapping import load
from features.returns import BadInputError
from models import disposition
from training.datasets import read
from training.evaluate import evaluate, table_of_figures
from training.simulator.world import simulate
from training.train import fit

folder = Path(mkdtemp())

# %% [markdown]
# ## The table as it is
#
# The export of a workshop: its own names, its own words for what became of an item, a column of its own.

# %%
known = simulate(returns=4000, rng=np.random.default_rng(5), start=datetime(2024, 1, 1, tzinfo=UTC)).returns
chance = np.random.default_rng(6)
words = {"RESTOCK": "back on shelf", "REFURBISH": "repaired", "LIQUIDATE": "sold off", "RECYCLE": "recycled"}
known = known[known["disposition"].isin(words)]
claims = pd.DataFrame(
    {
        "claim_no": known["return_line_id"],
        "day": known["requested_at"],
        "bought": known["sold_at"],
        "shop": known["site"],
        "dept": known["family"],
        "why": known["reason"],
        "paid": known["price_paid"],
        "buyer": known["customer_id"],
        "says": known["customer_note"],
        "shelf_age": chance.gamma(2, 30, len(known)).round(),
        "end": known["disposition"].map(words),
    }
)
claims.to_csv(folder / "claims.csv", index=False)
claims.head(3)

# %% [markdown]
# ## What the columns mean

# %%
mapping = """
table: claims.csv
rename: {claim_no: return_line_id, bought: sold_at, shop: site, dept: family, why: reason, paid: price_paid, buyer: customer_id, says: customer_note}
time: {event: day}
constants: {currency: USD}
attributes: {shelf_age: number}
label: {column: end, map: {back on shelf: RESTOCK, repaired: REFURBISH, sold off: LIQUIDATE, recycled: RECYCLE}}
groups: {customer: buyer}
split: {test_fraction: 0.25}
"""
(folder / "claims.yaml").write_text(mapping)
loaded = load(None, folder / "claims.yaml", purpose="disposition")
print(
    f"{len(loaded.y)} labelled rows, {loaded.split.train.sum()} to learn from, {loaded.split.test.sum()} to judge by"
)
loaded.frame.iloc[:3].T

# %% [markdown]
# ## A mistake is told with file, column and row

# %%
broken = yaml.safe_load(mapping) | {"label": {"column": "end", "map": {"repaired": "REFURBISH"}}}
(folder / "broken.yaml").write_text(yaml.safe_dump(broken))
try:
    load(None, folder / "broken.yaml", purpose="disposition")
except BadInputError as refusal:
    print(refusal)

# %% [markdown]
# ## Trained and judged
#
# `recoup-lab train disposition --mapping claims.yaml` does this and logs it to MLflow.

# %%
dataset = read("disposition", data=None, mapping=folder / "claims.yaml")
model = fit(
    "disposition", dataset.train, attributes=dataset.origin.attributes, params=disposition.PARAMS, seed=1
)
figures = evaluate(model, dataset, rng=np.random.default_rng(1))
assert figures["accuracy_lo"] > figures["majority_accuracy"]
print(table_of_figures(figures, title="disposition of the workshop's claims"))

# %%
said = model.predict(dataset.test.table)
share = pd.crosstab(
    pd.Series(dataset.test.y, name="became"), pd.Series(said.likely, name="likeliest"), normalize="index"
)
figure, axis = plt.subplots(figsize=(5.5, 4))
shown = axis.imshow(share, cmap="Blues", vmin=0, vmax=1)
axis.set(
    xticks=range(share.shape[1]),
    xticklabels=share.columns,
    yticks=range(share.shape[0]),
    yticklabels=share.index,
    xlabel="likeliest",
    ylabel="became",
)
for (row, column), value in np.ndenumerate(share.to_numpy()):
    axis.text(
        column, row, f"{value:.0%}", ha="center", va="center", color="white" if value > 0.6 else "black"
    )
plt.show()

# %% [markdown]
# ## Is nine in ten kept?
#
# Prediction sets promise to hold what happens in nine rows of ten, in every class.

# %%
covered = said.sets[np.arange(len(dataset.test.y)), [said.classes.index(name) for name in dataset.test.y]]
by_class = pd.Series(covered).groupby(dataset.test.y).mean()
axis = by_class.plot.barh(figsize=(6, 2.5))
axis.axvline(0.9, color="black", linewidth=1)
axis.set(xlabel="share of rows whose set held the outcome", ylabel="")
plt.show()
