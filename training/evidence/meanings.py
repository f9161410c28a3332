"""What each figure of an evaluation or a backtest says: the reference is generated from this table."""

from __future__ import annotations

from typing import Final

MEANINGS: Final = {
    "rows": "rows that were judged",
    "accuracy": "share of rows whose likeliest class happened",
    "majority_accuracy": "the same for whoever always says the commonest class",
    "macro_f1": "F1 of each class, averaged with equal weight",
    "log_loss": "mean of -log of the probability given to what happened; proper, less is better",
    "brier": "mean squared distance of the probabilities from what happened; proper, less is better",
    "ece": "expected calibration error of the likeliest class, 15 bins of equal width",
    "classwise_ece": "the same of every class on its own, averaged",
    "auc": "chance that a fraud scores above an honest line",
    "average_precision": "precision averaged over recall, for rare classes",
    "recall_at_1pct_fpr": "share of frauds found where one honest line in a hundred is held up",
    "precision_at_budget": "share of frauds among the lines that the review budget reaches",
    "savings_at_budget": "credit saved a line by reviewing the dearest expected losses within the budget",
    "coverage_90": "share of rows whose set, or P90, holds what happened; 0.90 is promised",
    "mean_set_size": "classes in a prediction set, on average",
    "pinball_p10": "pinball loss of the tenth percentile; proper, less is better",
    "pinball_p50": "pinball loss of the median: half the mean absolute error",
    "pinball_p90": "pinball loss of the ninetieth percentile",
    "mae": "mean absolute error of the point, in minutes or money",
    "wape": "sum of absolute errors over the sum of what came",
    "rmsse": "root mean squared error, scaled by the squared steps of the past",
    "wspl": "pinball loss of all quantiles, scaled as RMSSE and weighted by volume",
    "scrps": "continuous ranked probability score over what came",
    "bias": "sum of errors over the sum of what came; above nought is too much",
    "coverage_80": "share of periods between P10 and P90; 0.80 is promised",
}
"""Figure -> what it says. Each may come as `inspected_<name>`, `baseline_<name>` and `bayes_ratio_<name>`,
with `_lo` and `_hi`."""
