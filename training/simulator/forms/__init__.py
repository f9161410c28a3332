"""Filled forms drawn from layouts kept as data, spoiled as a scanner would, with the truth of every value."""

from training.simulator.forms.blanks import Blank, blanks, fill_in
from training.simulator.forms.drawing import Form, draw
from training.simulator.forms.layouts import Layout, layouts
from training.simulator.forms.pen import Truth
from training.simulator.forms.wear import DEGRADATIONS, Wear, forms, some_wear, spoil

__all__ = [
    "DEGRADATIONS",
    "Blank",
    "Form",
    "Layout",
    "Truth",
    "Wear",
    "blanks",
    "draw",
    "fill_in",
    "forms",
    "layouts",
    "some_wear",
    "spoil",
]
