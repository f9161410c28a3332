"""The mapping file: what a table's columns mean, written by its owner in YAML and checked strictly."""

from __future__ import annotations

from dataclasses import field
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import yaml
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as checked

from features.returns import BadInputError

STRICT: Final = ConfigDict(extra="forbid")
Scalar = str | int | float | bool


@checked(frozen=True, config=STRICT)
class Condition:
    """Which rows count: every test that is given must hold; `from` is included, `until` is not."""

    column: str
    startswith: str | None = None
    equals: Scalar | None = None
    in_: Annotated[tuple[Scalar, ...] | None, Field(alias="in")] = None
    not_in: tuple[Scalar, ...] | None = None
    from_: Annotated[Scalar | None, Field(alias="from")] = None
    until: Scalar | None = None


@checked(frozen=True, config=STRICT)
class Derivation:
    """A column made from the words in another: the first entry with a keyword in the text wins."""

    from_: Annotated[str, Field(alias="from")]
    keywords: dict[str, tuple[str, ...]]
    otherwise: str | None = None


@checked(frozen=True, config=STRICT)
class Label:
    """What is to be learned: a column, with its values mapped, dropped or compared with the positive one."""

    column: str
    map: dict[Scalar, str] | None = None
    drop: tuple[Scalar, ...] = ()
    positive: Scalar | None = None


@checked(frozen=True, config=STRICT)
class Time:
    """When the return was asked for, and when its label became known."""

    event: str | None = None
    label_known: str | None = None


@checked(frozen=True, config=STRICT)
class Division:
    """How test rows are chosen: from a date on, the latest fraction, or by a column's values."""

    test_from: str | None = None
    test_fraction: Annotated[float | None, Field(gt=0, lt=1)] = None
    within: str | None = None
    column: str | None = None
    test: tuple[Scalar, ...] | None = None


@checked(frozen=True, config=STRICT)
class Sales:
    """The sales that returns lag."""

    table: str | None = None
    where: tuple[Condition, ...] = ()
    time: str | None = None
    quantity: str | None = None
    levels: tuple[str, ...] | None = None


@checked(frozen=True, config=STRICT)
class Mapping:
    """A whole mapping file; unknown keys are refused."""

    table: str | None = None
    rename: dict[str, str] = field(default_factory=dict)
    constants: dict[str, Scalar] = field(default_factory=dict)
    where: tuple[Condition, ...] = ()
    derive: dict[str, Derivation] = field(default_factory=dict)
    label: Label | None = None
    fraud: Label | None = None
    time: Time = field(default_factory=Time)
    attributes: dict[str, Literal["number", "category", "text"]] = field(default_factory=dict)
    groups: dict[str, str] = field(default_factory=dict)
    split: Division | None = None
    count: str | None = None
    levels: tuple[str, ...] = ("region", "family")
    sales: Sales | None = None


def read_mapping(path: Path) -> Mapping:
    """Read and check a mapping file.

    Raises
    ------
    BadInputError
        If the file is missing, is no YAML, or holds an unknown key or a value of the wrong type.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        return TypeAdapter(Mapping).validate_python(_plain(content or {}))
    except FileNotFoundError as error:
        raise BadInputError(f"{path}: no such mapping file.") from error
    except yaml.YAMLError as error:
        raise BadInputError(f"{path.name}: is not YAML: {' '.join(str(error).split())}.") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the file"
        raise BadInputError(f"{path.name}: {place}: {first['msg']}.") from error


def _plain(value: Any) -> Any:
    """Return YAML content with its dates as text again, so that a date need not be quoted."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value.isoformat() if hasattr(value, "isoformat") else value
