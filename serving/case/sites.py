"""The sites that returns may be sent to: master data, and what a place at each was last worth.

Once a day the lines recorded since the day before are routed as one batch. The programme's shadow prices say
what one more unit of room would have brought at each site; a single return pays them for the place it takes,
so that a scarce one is left to whoever needs it more. Before the first batch every place is free.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import numpy as np

from ledger.recommendations import Recommendation
from ledger.reference import SHADOW_PRICES
from ledger.store import Ledger, Transaction
from models import economics, routing
from serving.case.insight import HAZARDOUS

ENTRY: Final = "sites"
EVERY: Final = timedelta(days=1)
MOST_LINES: Final = 5000  # of a batch; the newest, where a day has more
PRICER: Final = "service:router"


def known_sites(tx: Transaction) -> tuple[routing.Site, ...]:
    """Read every site with its last shadow price."""
    prices = _prices(tx)
    return tuple(_site(one.id, one.body, prices.get(one.id, 0.0)) for one in tx.references("sites"))


def _prices(tx: Transaction) -> Mapping[str, float]:
    last = tx.reference(SHADOW_PRICES, ENTRY)
    return last.body["prices"] if last else {}


def _site(name: str, body: Mapping[str, Any], price: float) -> routing.Site:
    return routing.Site(
        name,
        str(body.get("region", "")),
        float(body.get("free_capacity", 0)),
        float(body.get("freight_per_kg", 1.2)),
        bool(body.get("hazmat", False)),
        price,
    )


def price_sites(ledger: Ledger, now: datetime) -> int:
    """Route the last day's lines as one batch and record what a place at each site was worth.

    Returns
    -------
    int
        How many lines were in the batch; none where the last batch is younger than a day or there is no site.
    """
    with ledger.read() as tx:
        last = tx.reference(SHADOW_PRICES, ENTRY)
        sites, due = known_sites(tx), last is None or now - last.at >= EVERY
        batch = _batch(tx, since=now - EVERY) if sites and due else []
    if not batch:
        return 0
    # Solved between the transactions: nobody waits for the solver.
    plan = routing.assign(_lines(batch), sites)
    prices = {site.name: float(price) for site, price in zip(sites, plan.prices, strict=True)}
    body = {"prices": prices, "lines": len(batch), "until": now.isoformat()}
    with ledger.write() as tx:
        tx.put_reference(SHADOW_PRICES, ENTRY, body=body, actor=PRICER, at=now)
    return len(batch)


def _batch(tx: Transaction, *, since: datetime) -> list[Recommendation]:
    newest = tx.latest_recommendations(limit=MOST_LINES)
    return [one for one in newest if one.created_at > since and one.body["disposition"]["alternatives"]]


def _lines(batch: list[Recommendation]) -> routing.Lines:
    items = [one.request["item"] for one in batch]
    return routing.Lines(
        np.array([_best(one) for one in batch]),
        np.array([float(item.get("weight_kg") or economics.DEFAULT.weight_kg) for item in items]),
        np.array([float(one.request["quantity"]) for one in batch]),
        np.array([one.request["region"] for one in batch], object),
        np.array([not HAZARDOUS.isdisjoint(item["regulatory_classes"]) for item in items]),
    )


def _best(recommendation: Recommendation) -> float:
    """Return the highest expected recovery among the alternatives, which never counts below nothing."""
    first = recommendation.body["disposition"]["alternatives"][0]
    return max(float(first["expected_recovery"]), 0.0)
