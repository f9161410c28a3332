"""Commands and settings, from the programs themselves."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import typer
from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings

from docs.building.markdown import code, page, table
from serving.__main__ import app
from serving.settings import Settings
from training.__main__ import COMMANDS
from training.settings import Settings as LabSettings

ROOT = Path(__file__).parents[2]


def commands() -> str:
    """Return every command of both programs with its arguments and options."""
    recoup = typer.main.get_command(app)
    lab = typer.Typer()
    for name, command in COMMANDS.items():
        lab.command(name)(getattr(import_module(command.module), name))
    parts = ["## recoup", *_told(recoup, "recoup"), "## recoup-lab"]
    parts += _told(typer.main.get_command(lab), "recoup-lab")
    return page(
        "Commands",
        "`recoup` runs and looks after the service; `recoup-lab` is the data scientists' side. "
        "Bad input gives one sentence on standard error and exit status 2; nothing is then written.",
        *parts,
    )


def _told(command: Any, path: str) -> Iterator[str]:
    if hasattr(command, "commands"):
        for name, inner in command.commands.items():
            yield from _told(inner, f"{path} {name}")
        return
    rows = [_parameter(one) for one in command.params]
    told = " ".join((command.help or "").split())
    yield f"### `{path}`\n\n{told}\n\n" + (
        table(["argument or option", "what", "default"], rows) if rows else ""
    )


def _parameter(one: Any) -> tuple[str, str, str]:
    name = one.name.upper() if one.param_type_name == "argument" else "`, `".join(one.opts)
    default = one.default
    shown = "" if default is None or callable(default) or default in ((), False) else str(default)
    return code(name), getattr(one, "help", "") or "", shown


def settings() -> str:
    """Return every variable of the environment that is read."""
    return page(
        "Settings",
        "All settings are variables of the environment; `recoup settings` prints those of the service "
        "as they stand. Only `serving/settings.py` and `training/settings.py` read them.",
        "## Service",
        _settings(Settings),
        "## Laboratory",
        _settings(LabSettings),
    )


def _settings(kind: type[BaseSettings]) -> str:
    rows = []
    for name, field in kind.model_fields.items():
        variable = field.validation_alias or f"{kind.model_config['env_prefix']}{name.upper()}"
        default = field.default
        shown = "required" if default is PydanticUndefined else "" if default is None else default
        # A path inside the checkout is told as it is from there.
        shown = (
            str(shown).partition("/serving/")[2] and f"serving/{str(shown).partition('/serving/')[2]}"
        ) or shown
        rows.append((code(variable), field.description or "", shown))
    return table(["variable", "what", "default"], rows)
