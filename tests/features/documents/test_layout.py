"""Words in rows: what an engine broke apart is one word again, and no others are."""

from __future__ import annotations

import pytest

from features.documents.document import Box, Word
from features.documents.layout import rows


def a_row(*words: tuple[str, float, float], confidence: float = 0.9) -> list[Word]:
    """Return words of one row, each with where it begins and how high its letters stand."""
    return [a_word(text, left, 20.0 - height, height, confidence) for text, left, height in words]


def a_word(text: str, left: float, top: float, height: float, confidence: float = 0.9) -> Word:
    box = Box(left, top, left + 10.0 * len(text), top + height)
    corners = ((box.left, box.top), (box.right, box.top), (box.right, box.bottom), (box.left, box.bottom))
    return Word(text, confidence, 1, box, corners)


def texts(words: list[Word]) -> list[list[str]]:
    return [[word.text for word in row] for row in rows(words)]


@pytest.mark.parametrize(
    ("pieces", "whole"),
    [
        ((("DN", 0, 20), ("-", 28, 20), ("066336", 46, 20)), "DN-066336"),
        ((("HX", 0, 20), (".65392", 28, 20)), "HX.65392"),
        ((("$885", 0, 20), (".50", 48, 20)), "$885.50"),
        ((("RMA-", 0, 20), ("088882", 48, 20)), "RMA-088882"),
    ],
)
def test_a_code_broken_at_a_dash_or_point_is_one_again(pieces, whole: str):
    assert texts(a_row(*pieces)) == [[whole]]


@pytest.mark.parametrize(
    "words",
    [
        (("03/01/2026", 0, 20), ("-", 108, 20), ("03/09/2026", 126, 20)),
        (("Total", 0, 20), ("-5.00", 58, 20)),
        (("DN", 0, 20), ("066336", 28, 20)),
    ],
)
def test_words_that_only_stand_close_stay_apart(words):
    assert texts(a_row(*words)) == [[text for text, _, _ in words]]


def test_what_a_text_layer_says_is_left_as_it_is():
    assert texts(a_row(("DN", 0, 20), ("-", 28, 20), ("066336", 46, 20), confidence=1.0)) == [
        ["DN", "-", "066336"]
    ]


def test_a_small_label_and_a_larger_value_hung_from_one_line_are_one_row():
    words = [a_word("Total", 0, 0, 27), a_word("$9,469.22", 300, 12, 36)]
    assert texts(words) == [["Total", "$9,469.22"]]
