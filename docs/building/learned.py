"""Columns, features and figures, from where they are declared."""

from __future__ import annotations

from typing import Any

from docs.building.markdown import code, page, table
from features.columns import COLUMNS
from features.history import AGGREGATES, ENTITIES
from features.table import CANONICAL, LABELS
from models.drift.shapes import KS_LIMIT, PSI_LIMIT
from serving.operations.metrics import BUCKETS, DURATIONS, QUEUES
from training.evidence.gates import LIMITS
from training.evidence.meanings import MEANINGS


def features() -> str:
    """Return canonical columns, features, history and labels."""
    columns = table(
        ["column", "kind", "system of record"],
        [(code(column.name), column.kind, column.source) for column in CANONICAL],
    )
    made = table(
        ["feature", "kind", "made from", "known from"],
        [
            (code(column.name), column.kind, ", ".join(map(code, column.sources)), column.known)
            for column in COLUMNS
        ],
    )
    past = table(
        ["figure", "whose past", "what is counted", "days back", "counts from"],
        [
            (
                code(one.name),
                code(ENTITIES[one.entity]),
                one.value,
                one.window_days or "all",
                one.known,
            )
            for one in AGGREGATES
        ],
    )
    labels = table(["model", "learns"], [(code(task), code(label)) for task, label in LABELS.items()])
    return page(
        "Columns and features",
        "A mapping file turns any table into the canonical columns; features are made from these alone, "
        "by the same functions in training and in the service.",
        "## Canonical columns",
        columns,
        "## Features",
        made,
        "## History, as of the moment of decision",
        past,
        "## Labels",
        labels,
    )


def metrics() -> str:
    """Return figures of models, gates, drift limits and operations metrics."""
    figures = table(["figure", "what"], [(code(name), what) for name, what in MEANINGS.items()])
    gates = table(
        ["limit", "value"], [(code(name), getattr(LIMITS, name)) for name in LIMITS.__dataclass_fields__]
    )
    durations = table(
        ["metric", "from", "to"],
        [(code(name), code(start), code(end)) for name, (start, end) in DURATIONS.items()],
    )
    queues = table(
        ["queue", "entered by", "left by", "limit"],
        [(code(name), code(start), code(end), code(limit)) for name, (start, end, limit) in QUEUES.items()],
    )
    return page(
        "Metrics",
        "What `recoup-lab evaluate`, `backtest` and `monitor` and the operations metrics of the service say.",
        "## Figures of models and forecasts",
        "Each may come as `inspected_<name>` (the answer after inspection), `baseline_<name>` (a bare "
        "baseline), `bayes_ratio_<name>` (over the best possible, where a simulated truth is known), and "
        "with `_lo` and `_hi`, its 95 % bootstrap interval.",
        figures,
        "## Gates of promotion",
        gates,
        "## Drift",
        f"A column has moved where its PSI is above {PSI_LIMIT} or its KS distance above {KS_LIMIT}, "
        "each beyond what chance gives in 999 cases of 1,000.",
        *_monitored(),
        "## Durations (business hours; median and P90, what is open counted)",
        durations,
        "## Queues",
        f"Business days waited, in buckets {', '.join(BUCKETS)}, and the share over the limit of OPS-08.",
        queues,
    )


def _monitored() -> list[Any]:
    return []
