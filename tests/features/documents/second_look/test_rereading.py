"""What the first reading left is read again; what it read surely stays."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from features.documents.document import Box
from features.documents.second_look.rereading import Seen, reread, with_handwriting

Pixels = npt.NDArray[np.uint8]
FONT = ImageFont.load_default(32)


def a_page(*written: tuple[int, int, str]) -> Pixels:
    image = Image.new("L", (900, 400), 255)
    for left, top, text in written:
        ImageDraw.Draw(image).text((left, top), text, font=FONT, fill=0)
    return np.asarray(image)


def words(*texts: str, confidence: float = 0.95) -> list[Seen]:
    """Words of the first row, each where `a_page` writes it."""
    return [
        Seen(text, confidence, Box(20 + 120 * n, 20, 20 + 120 * n + int(FONT.getlength(text)), 58))
        for n, text in enumerate(texts)
    ]


SURE = words("Pieces", "short", "total", "weight", "driver")
ROW = tuple((20 + 120 * n, 20, word.text) for n, word in enumerate(SURE))


def test_a_lone_digit_that_was_left_out_is_read_where_it_stands():
    sheets: list[Pixels] = []

    def read(sheet: Pixels) -> Sequence[Seen]:
        sheets.append(sheet)
        rows = np.flatnonzero((sheet < 128).any(axis=1))
        return [Seen("7", 0.9, Box(20, float(rows[0]), 35, float(rows[-1])))]

    found = reread(a_page(*ROW, (300, 200, "7")), SURE, (), read=read)
    assert [word.text for word in found] == [*(word.text for word in SURE), "7"]
    assert 190 < found[-1].box.top < 225
    assert 270 < found[-1].box.left < 320
    assert sheets[0].size < 900 * 400 / 10


def test_a_page_that_was_read_whole_is_not_read_again():
    def never(_sheet: Pixels) -> Sequence[Seen]:
        raise AssertionError("read again")

    assert reread(a_page(*ROW), SURE, (), read=never) == SURE


def test_a_doubtful_word_gives_way_only_to_a_surer_one():
    page = a_page(*ROW, (300, 200, "37"))
    doubtful = Seen("oy", 0.3, Box(298, 205, 340, 235))
    for confidence, expected in ((0.9, "37"), (0.32, "oy")):
        again = Seen("37", confidence, Box(20, 20, 60, 50))
        found = reread(page, [*SURE, doubtful], (), read=lambda _, again=again: [again])
        assert found[-1].text == expected


def test_a_number_written_by_hand_takes_the_place_of_doubtful_print():
    page = a_page(*ROW).copy()
    pen = Image.fromarray(page)
    draw = ImageDraw.Draw(pen)
    one, seven = ((0, 0), (0, 80)), ((0, 0), (45, 0), (15, 80))
    for left, strokes in ((300, one), (318, seven), (382, one)):
        draw.line([(left + x, 200 + y) for x, y in strokes], fill=0, width=6)
    found = with_handwriting(np.asarray(pen), [*SURE, Seen("I>I", 0.3, Box(290, 195, 430, 290))])
    assert [word.text for word in found[len(SURE) :]] == ["171"]
    assert found[-1].confidence < 0.6
