"""How much a return looks like fraud: a probability, a band, and the reasons when a person will read them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from features.columns import ATTRIBUTE, columns_for
from features.history import AGGREGATES
from features.returns import BadInputError
from features.table import Table, take
from models import boosting
from models.boosting import Bundle, Goal, Params
from models.calibration import Scaling, fit_scaling, two_classes
from models.disposition import NONE

TASK: Final = "fraud"
# Small trees and many rounds: in vehicle claims the next year punishes anything bolder.
PARAMS: Final = Params(
    learning_rate=0.02,
    leaves=8,
    min_leaf=20,
    feature_share=0.3,
    split_share=1.0,
    row_share=0.7,
    l2=1.0,
    bags=3,
)
REVIEW_SHARE: Final = 0.05  # of returns that people can look at (domain planning figure)
HIGH_SHARE: Final = 0.01  # of returns that always wait for a fraud reviewer; planning default
MIN_FRAUDS: Final = 10
GOAL: Final = "fraud"
VIEW: Final = "intake"
REASONS_SHOWN: Final = 3
BANDS: Final = np.array(["low", "medium", "high"], object)

TEXTS: Final[Mapping[str, str]] = {
    "CREDIT_AGAINST_PRICE": "The credit asked is unusual for the price paid.",
    "AMOUNT": "The amount or quantity is unusual.",
    "SERIAL_MISMATCH": "The serial number is not the one that was shipped.",
    "CUSTOMER_HISTORY": "The customer's past returns or credits are unusual.",
    "ADDRESS_OR_DEVICE_HISTORY": "The past returns of this address or device are unusual.",
    "CONFIRMED_FRAUD_BEFORE": "Fraud was confirmed before for this customer, address, device or product.",
    "PRODUCT_HISTORY": "This product, supplier or site sees unusual returns.",
    "TIMING": "The time since the sale or the date of the request is unusual.",
    "CUSTOMER_PROFILE": "The customer's tier or time as a customer is unusual for such a return.",
    "REASON_AND_NOTE": "The reason or the note given is typical of false claims.",
    "PRODUCT_RISK": "Products of this kind are often claimed falsely.",
    "CHANNEL_AND_PLACE": "The channel, site or region is often used for false claims.",
    "OWN_ATTRIBUTE": "The declared attribute '{}' has an unusual value.",
}
"""The fixed vocabulary of reasons: code -> sentence; an attribute of one's own is named in it."""
_FEATURES: Final = {
    "CREDIT_AGAINST_PRICE": ("credit_to_price", "cost_to_price", "share_returned"),
    "AMOUNT": ("price_paid", "unit_cost", "quantity", "credit_requested", "currency"),
    "SERIAL_MISMATCH": ("serial_matches", "serial_found_matches"),
    "TIMING": (
        *("days_since_sale", "days_of_warranty_left", "days_to_expiry", "weekday", "requested_on"),
        *("season_sin", "season_cos", "days_since_christmas"),
    ),
    "CUSTOMER_PROFILE": ("customer_tier", "customer_days"),
    "REASON_AND_NOTE": ("reason", "note_length", "customer_note", "note_as_given", "opened"),
    "CHANNEL_AND_PLACE": ("channel", "site", "region"),
}
_PASTS: Final = {
    "customer": "CUSTOMER_HISTORY",
    "address": "ADDRESS_OR_DEVICE_HISTORY",
    "device": "ADDRESS_OR_DEVICE_HISTORY",
}
_CODES: Final = {feature: code for code, features in _FEATURES.items() for feature in features} | {
    aggregate.name: "CONFIRMED_FRAUD_BEFORE"
    if aggregate.value == "fraud_confirmed"
    else _PASTS.get(aggregate.entity, "PRODUCT_HISTORY")
    for aggregate in AGGREGATES
}


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason for a score: its code, its sentence and what it adds to the log-odds."""

    code: str
    text: str
    contribution: float


@dataclass(frozen=True, slots=True)
class Prediction:
    """One row a line.

    Parameters
    ----------
    score : ndarray of shape (n,), float64
        Probability of confirmed fraud.
    band : ndarray of shape (n,), object
        "low", "medium" or "high".
    reasons : tuple of tuple of Reason
        For each row the strongest reasons first; empty unless they were asked for.
    """

    score: npt.NDArray[np.float64]
    band: npt.NDArray[np.object_]
    reasons: tuple[tuple[Reason, ...], ...] = ()


@dataclass(frozen=True)
class Model:
    """A fitted fraud model; see `fit`."""

    bundle: Bundle

    @property
    def digest(self) -> str:
        """SHA-256 of everything learned."""
        return self.bundle.digest

    def predict(self, table: Table, *, reasons: bool = False) -> Prediction:
        """Score every row; reasons cost a hundred times the score, so ask only where they will be read."""
        boosted, numbers = self.bundle.views[VIEW], self.bundle.numbers
        matrix = boosted.matrix(table)
        score = Scaling(**numbers["scaling"]).chance(boosted.raw(matrix, GOAL))
        band = BANDS[np.searchsorted(numbers["bands"], score, side="right")]
        if not reasons:
            return Prediction(score, band)
        names = boosted.encoder.names
        shares = boosted.contributions(matrix, GOAL)[:, :-1]
        return Prediction(score, band, tuple(_reasons(names, row) for row in shares))

    def in_domain(self, table: Table) -> npt.NDArray[np.bool_]:
        """Tell which rows resemble the training rows."""
        return self.bundle.views[VIEW].in_domain(table)

    def save(self, folder: Path) -> None:
        """Write the model into its folder."""
        self.bundle.save(folder)


def code_of(feature: str) -> str:
    """Return the reason code that a feature speaks for."""
    if feature.startswith(ATTRIBUTE):
        return "OWN_ATTRIBUTE"
    name = feature.partition(":")[0].removesuffix("_share")
    return _CODES.get(name, "PRODUCT_RISK")


def _reasons(names: tuple[str, ...], shares: npt.NDArray[np.float64]) -> tuple[Reason, ...]:
    """Add up what features contribute under each code and keep the strongest that raise the score."""
    totals: dict[tuple[str, str], float] = {}
    for name, share in zip(names, shares, strict=True):
        code = code_of(name)
        key = (code, TEXTS[code].format(name.removeprefix(ATTRIBUTE).partition(":")[0]))
        totals[key] = totals.get(key, 0.0) + float(share)
    strongest = sorted(totals.items(), key=lambda item: -item[1])[:REASONS_SHOWN]
    return tuple(Reason(code, text, share) for (code, text), share in strongest if share > 0)


def fit(
    table: Table,
    y: npt.NDArray[Any],
    *,
    rng: np.random.Generator,
    attributes: Mapping[str, str] = NONE,
    params: Params = PARAMS,
) -> Model:
    """Learn confirmed fraud from a table: unweighted log-loss, then calibration on rows not fitted on.

    Parameters
    ----------
    y : ndarray of shape (n,), float64
        1 confirmed, 0 cleared; rows with NaN, not known yet, are left out.
    """
    known = ~np.isnan(y.astype(np.float64))
    table, labels = take(table, known), y[known].astype(np.float64)
    if min(labels.sum(), len(labels) - labels.sum()) < MIN_FRAUDS:
        raise BadInputError(
            f"{TASK}: at least {MIN_FRAUDS} rows with and without fraud are needed to learn from."
        )
    columns = columns_for(TASK, table, attributes)
    goal = Goal(labels, {"objective": "binary"})
    fitted = boosting.fit(columns, table, {GOAL: goal}, targets=labels[:, None], params=params, rng=rng)
    raw, own = two_classes(fitted.held_out_raw[GOAL]), labels[fitted.held_out].astype(np.int64)
    scaling = fit_scaling(raw, own)
    numbers = {"scaling": scaling.to_json(), "bands": _bands(scaling.probabilities(raw)[:, 1])}
    return Model(Bundle(TASK, {VIEW: fitted.boosted}, numbers))


def _bands(scores: npt.NDArray[np.float64]) -> list[float]:
    """Return the scores at which medium and high begin: what the review budget can hold."""
    return [float(np.quantile(scores, 1 - share, method="higher")) for share in (REVIEW_SHARE, HIGH_SHARE)]


def load(folder: Path) -> Model:
    """Read a saved model."""
    return Model(Bundle.load(folder, task=TASK))
