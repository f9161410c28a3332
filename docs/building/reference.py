"""The reference pages, made from the code each time the documentation is built."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from docs.building.api import api
from docs.building.commands import commands, settings
from docs.building.learned import features, metrics
from docs.building.rules import policy, rights

PAGES: Final[dict[str, Callable[[], str]]] = {
    "api": api,
    "rights": rights,
    "policy": policy,
    "features": features,
    "metrics": metrics,
    "settings": settings,
    "commands": commands,
}
"""Name of a page -> what makes its Markdown."""
