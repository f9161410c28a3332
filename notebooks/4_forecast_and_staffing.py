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
# # 4 · Forecast, backtest and staffing
#
# How many items come back, where and when, and how many hands, doors and positions that takes. The forecast is a set of sample paths: sums of them are coherent, and quantiles are never summed.

# %%
from datetime import UTC, datetime
from pathlib import Path
from tempfile import mkdtemp

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from models import staffing
from models.volume import QUANTILES
from training.forecasting.backtest import origins_of, rolled
from training.forecasting.history import forecast_of, panel_of
from training.forecasting.measures import OWN, Outlook
from training.simulator.world import simulate, write

world = Path(mkdtemp())
write(
    simulate(returns=8000, rng=np.random.default_rng(4), start=datetime(2024, 1, 1, tzinfo=UTC)),
    world,
    seed=4,
)
panel = panel_of(world, None, freq="D", levels=("region",))
print(f"{len(panel.keys)} series of {panel.length} days, {panel.y.sum():.0f} returned units")

# %% [markdown]
# ## Four weeks ahead

# %%
horizon = 28
forecast = forecast_of(panel, horizon=horizon, seed=1)
total = forecast.paths.sum(axis=1)
past = panel.y.sum(axis=0)[-90:]
low, middle, high = np.quantile(total, (0.1, 0.5, 0.9), axis=0)
figure, axis = plt.subplots(figsize=(9, 3.5))
axis.plot(np.arange(-len(past), 0), past, color="grey", label="came")
axis.fill_between(np.arange(horizon), low, high, alpha=0.3, label="P10 to P90")
axis.plot(np.arange(horizon), middle, label="median")
axis.set(xlabel="days from today", ylabel="returned units a day", ylim=(0, None))
axis.legend(fontsize=8)
plt.show()

# %% [markdown]
# ## Would it have been right?
#
# From earlier days, with what was known then, beside the same weekday of last week. `recoup-lab backtest` does the same beside every baseline of statsforecast, hierarchicalforecast and mlforecast.


# %%
def last_week(y, nodes, panel, *, horizon):
    """Repeat the last seven days; their spread is that of the past steps of a week."""
    mean = np.stack([np.resize(row[-7:], horizon) for row in y]).astype(float)
    steps = np.array([np.quantile(row[7:] - row[:-7], QUANTILES) for row in y.astype(float)])
    return {"last_week": Outlook(mean, np.maximum(mean[None] + steps.T[:, :, None], 0))}


backtest = rolled(
    panel, origins_of(panel, horizon=horizon, count=3, step=28), horizon=horizon, seed=1, rivals=last_week
)
figures = backtest.figures()
rows = {
    (model, level): [
        figures.get(f"{model}.{level}.{name}") for name in ("wape", "scrps", "bias", "coverage_80")
    ]
    for model in (OWN, "last_week")
    for level in ("total", "region")
}
table = pd.DataFrame(rows, index=["wape", "scrps", "bias", "coverage_80"]).T
axis = table["wape"].unstack(0).plot.bar(figsize=(6, 3), rot=0)
axis.set(ylabel="WAPE; less is better")
plt.show()
assert table.loc[(OWN, "total"), "scrps"] < table.loc[("last_week", "total"), "scrps"]
table.round(3)

# %% [markdown]
# ## From units to people
#
# Minutes a unit (median 7, ninth decile 16) and the site's own parameters; the service level is the chance that a day's plan suffices.

# %%
work = staffing.Work.of_quantiles(np.full(len(panel.keys), 7.0), np.full(len(panel.keys), 16.0))
site = staffing.Site()
plans = {
    level: staffing.plan(forecast.paths, work, site=site, service_level=level, rng=np.random.default_rng(1))
    for level in (0.5, 0.8, 0.95)
}
figure, axis = plt.subplots(figsize=(9, 3))
for level, days in plans.items():
    axis.step(
        range(horizon), [day.hours for day in days], where="mid", label=f"suffices on {level:.0%} of days"
    )
axis.set(xlabel="days from today", ylabel="labour hours", ylim=(0, None))
axis.legend(fontsize=8)
plt.show()
print(
    f"cheapest service level where an hour short costs {site.short_cost:g} and one idle {site.idle_cost:g}: {site.service_level:.0%}"
)
pd.DataFrame(
    {
        "units": [day.units for day in plans[0.8]],
        "heads": [day.heads for day in plans[0.8]],
        "doors": [day.doors for day in plans[0.8]],
        "positions": [day.positions for day in plans[0.8]],
    }
).head(7)
