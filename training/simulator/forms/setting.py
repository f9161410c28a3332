"""Marks on paper, set as pixels (Pillow) or as a PDF with text (pikepdf)."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

import numpy as np
import numpy.typing as npt
import pikepdf
import pypdfium2 as pdfium
from PIL import Image, ImageDraw, ImageFont

DPI: Final = 300
PAGE: Final = (8.5, 11.0)  # inches, US letter
POINTS: Final = 72
Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Typeface:
    """A free typeface for pixels and its nearest kin among the fonts that every PDF reader has."""

    file: str
    pdf: str

    def width(self, text: str, points: float) -> float:
        """Return how many inches a text takes."""
        return _font(self.file, points).getlength(text) / DPI


SANS, SERIF = Typeface("DejaVuSans.ttf", "Helvetica"), Typeface("DejaVuSerif.ttf", "Times-Roman")
TIMES, MONO = Typeface("STIXGeneral.ttf", "Times-Roman"), Typeface("DejaVuSansMono.ttf", "Courier")
BOLD = Typeface("DejaVuSans-Bold.ttf", "Helvetica-Bold")


@dataclass(frozen=True, slots=True)
class Text:
    """Words from their upper left corner, in inches; `grey` is 0 for black, `angle` in degrees leftwards."""

    at: Point
    text: str
    points: float
    face: Typeface
    grey: int = 0
    angle: float = 0.0

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Where the ink is, in inches."""
        left, top, right, bottom = _font(self.face.file, self.points).getbbox(self.text)
        x, y = self.at
        return x + left / DPI, y + top / DPI, x + right / DPI, y + bottom / DPI


@dataclass(frozen=True, slots=True)
class Stroke:
    """A line through points, in inches."""

    points: tuple[Point, ...]
    width: float
    grey: int = 0


@dataclass(frozen=True, slots=True)
class Bar:
    """A black rectangle, in inches."""

    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Paper:
    """One printed page; `ground` is a PDF of one page that was there before, if any was."""

    marks: tuple[Text | Stroke | Bar, ...]
    ground: bytes = b""


def fonts(rng: np.random.Generator) -> Mapping[str, Typeface]:
    """Choose the typefaces of one form: labels, values and title."""
    label, value = (
        (SANS, SANS), (SANS, MONO), (SERIF, SERIF), (TIMES, TIMES), (SANS, TIMES), (TIMES, MONO),
    )[int(rng.integers(6))]  # fmt: skip
    return {"label": label, "value": value, "title": BOLD}


@cache
def _font(file: str, points: float) -> ImageFont.FreeTypeFont:
    path = files("matplotlib").joinpath("mpl-data", "fonts", "ttf", file)
    return ImageFont.truetype(str(path), points * DPI / POINTS)


def as_pixels(paper: Paper) -> npt.NDArray[np.uint8]:
    """Return the page in grey at 300 dpi."""
    image = _ground(paper)
    pen = ImageDraw.Draw(image)
    for mark in paper.marks:
        if isinstance(mark, Bar):
            corner = (mark.left * DPI, mark.top * DPI)
            pen.rectangle([corner, (corner[0] + mark.width * DPI - 1, corner[1] + mark.height * DPI)], fill=0)
        elif isinstance(mark, Stroke):
            dots = [(x * DPI, y * DPI) for x, y in mark.points]
            pen.line(dots, fill=mark.grey, width=max(round(mark.width * DPI), 1), joint="curve")
        elif mark.angle:
            _aslant(image, mark)
        else:
            pen.text(
                (mark.at[0] * DPI, mark.at[1] * DPI),
                mark.text,
                font=_font(mark.face.file, mark.points),
                fill=mark.grey,
            )
    return np.asarray(image)


def _ground(paper: Paper) -> Image.Image:
    size = (round(PAGE[0] * DPI), round(PAGE[1] * DPI))
    if not paper.ground:
        return Image.new("L", size, 255)
    with pdfium.PdfDocument(paper.ground) as pdf:
        image: Image.Image = pdf[0].render(scale=DPI / POINTS, grayscale=True).to_pil()
        return image.resize(size)


def _aslant(image: Image.Image, mark: Text) -> None:
    font = _font(mark.face.file, mark.points)
    _, _, width, height = (math.ceil(edge) for edge in font.getbbox(mark.text))
    ink = Image.new("L", (width + 20, height + 20), 0)
    ImageDraw.Draw(ink).text((10, 10), mark.text, font=font, fill=255 - mark.grey)
    turned = ink.rotate(mark.angle, expand=True)
    at = (round(mark.at[0] * DPI), round(mark.at[1] * DPI))
    image.paste(0, at, turned)


def as_pdf(paper: Paper) -> bytes:
    """Return the page as a PDF whose text can be read without looking at it."""
    target = io.BytesIO()
    with pikepdf.new() as pdf:
        page = pdf.add_blank_page(page_size=(PAGE[0] * POINTS, PAGE[1] * POINTS))
        names = sorted({mark.face.pdf for mark in paper.marks if isinstance(mark, Text)})
        page.obj.Resources = pikepdf.Dictionary(
            Font=pikepdf.Dictionary({f"/{name}": _pdf_font(pdf, name) for name in names})
        )
        page.obj.Contents = pdf.make_stream(b"\n".join(_operators(paper)))
        pdf.save(target, deterministic_id=True)
    return _laid_over(paper.ground, target) if paper.ground else target.getvalue()


def _laid_over(ground: bytes, written: io.BytesIO) -> bytes:
    target = io.BytesIO()
    with pikepdf.open(io.BytesIO(ground)) as pdf, pikepdf.open(written) as above:
        pdf.pages[0].add_overlay(above.pages[0])
        pdf.save(target, deterministic_id=True)
    return target.getvalue()


def _pdf_font(pdf: pikepdf.Pdf, name: str) -> pikepdf.Object:
    return pdf.make_indirect(
        pikepdf.Dictionary(
            Type=pikepdf.Name.Font, Subtype=pikepdf.Name.Type1, BaseFont=pikepdf.Name(f"/{name}"),
            Encoding=pikepdf.Name.WinAnsiEncoding,
        )
    )  # fmt: skip


def _operators(paper: Paper) -> Iterator[bytes]:
    """Yield the page's content: y points upwards here."""
    for mark in paper.marks:
        if isinstance(mark, Bar):
            x, y = _up((mark.left, mark.top + mark.height))
            yield f"0 g {x:.2f} {y:.2f} {mark.width * POINTS:.2f} {mark.height * POINTS:.2f} re f".encode()
        elif isinstance(mark, Stroke):
            steps = [f"{x:.2f} {y:.2f} {'l' if n else 'm'}" for n, (x, y) in enumerate(map(_up, mark.points))]
            yield f"{mark.grey / 255:.2f} G {mark.width * POINTS:.2f} w {' '.join(steps)} S".encode()
        else:
            yield _shown(mark)


def _shown(mark: Text) -> bytes:
    x, y = _up((mark.at[0], mark.at[1] + mark.points / POINTS))
    turn = math.radians(mark.angle)
    c, s = math.cos(turn), math.sin(turn)
    place = f"{c:.4f} {s:.4f} {-s:.4f} {c:.4f} {x:.2f} {y:.2f} Tm"
    style = f"BT {mark.grey / 255:.2f} g /{mark.face.pdf} {mark.points:.2f} Tf"
    return f"{style} {place} {_literal(mark.text)} Tj ET".encode()


def _literal(text: str) -> str:
    return f"<{text.encode('cp1252').hex()}>"


def _up(point: Point) -> Point:
    return point[0] * POINTS, (PAGE[1] - point[1]) * POINTS
