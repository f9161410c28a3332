"""How far what comes in today lies from what a model learned from: shapes of columns, PSI and KS."""

from models.drift.shapes import Drift, Shape
from models.drift.snapshot import Snapshot

__all__ = ["Drift", "Shape", "Snapshot"]
