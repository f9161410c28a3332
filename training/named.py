"""Models by the names that commands take: their files, and the table that they were trained on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from training.answers import CARD
from training.settings import Settings
from training.tracking import Registry


def registry() -> Registry:
    """Open the registry that the settings name."""
    settings = Settings()
    return Registry(settings.mlflow_home, uri=settings.tracking_uri)


def folder_of(model: str) -> Path:
    """Return the files of a model that is named or is a folder itself."""
    if (Path(model) / CARD).is_file():
        return Path(model)
    return registry().find(model).folder


def source_of(
    facts: dict[str, Any], data: Path | None, mapping: Path | None
) -> tuple[Path | None, Path | None]:
    """Return the table and mapping that were given, else those that the model was trained on and with."""
    own = Path(facts["mapping"]) if facts["mapping"] else None
    return (data if data or mapping else Path(facts["data"])), mapping or own
