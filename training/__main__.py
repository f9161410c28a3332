"""`recoup-lab`: simulate, train, evaluate, promote, score and forecast."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any, Final, NamedTuple

import typer

from features.returns import BadInputError, RecoupError
from training.settings import Settings, prepare


class Command(NamedTuple):
    """Where a command lives and what it does."""

    module: str
    promise: str


COMMANDS: Final = {
    "simulate": Command("training.commands", "Simulate a history of sales and returns with its exact truth."),
    "train": Command("training.commands", "Fit, judge and register a challenger."),
    "evaluate": Command("training.commands", "Judge a model on rows it has not seen."),
    "promote": Command("training.commands", "Put a challenger through the gates and make it champion."),
    "rollback": Command("training.commands", "Give the crown back to the champion before."),
    "score": Command("training.scale.command", "Answer every row of a table."),
    "monitor": Command(
        "training.monitoring.command", "Watch the champions on live traffic and say when to retrain."
    ),
    "forecast": Command("training.forecast", "Forecast how many items come back, where and when."),
    "backtest": Command(
        "training.forecasting.backtest", "Forecast the past and compare it with what happened."
    ),
}


def main() -> None:
    """Run one command; a refusal is one sentence on standard error, with status 2 for bad input, else 1."""
    prepare(Settings())
    try:
        _app(sys.argv[1:2])()
    except RecoupError as refusal:
        print(f"recoup-lab: {refusal}", file=sys.stderr)
        raise SystemExit(2 if isinstance(refusal, BadInputError) else 1) from refusal


def _app(named: list[str]) -> typer.Typer:
    """Build the application around the one command that was named.

    scikit-learn, MLflow and BentoML take seconds to import, and the list of commands needs only their
    promises: a command's module is imported by name when that command is the one that runs.
    """
    app = typer.Typer(
        help=__doc__, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
    )
    for name, command in COMMANDS.items():
        function: Callable[..., Any] = _not_named
        if named == [name]:
            function = getattr(import_module(command.module), name)
        app.command(name, help=command.promise)(function)
    return app


def _not_named() -> None:
    """Stand in for a command in the list of commands."""


if __name__ == "__main__":
    main()
