"""What a page costs: files read through the one door, beside bare Tesseract on the same pages."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np

from benchmarks.report import Figure, Mode
from features.documents import Limits, read
from features.documents.ocr import bare
from models.fields import FieldRanker, fit
from training.settings import Settings
from training.simulator.forms import Form, Wear, draw, layouts, spoil
from training.simulator.readings import cases

BATCH: Final = {"quick": 10, "normal": 50, "full": 200}
LEARNED: Final = 240
WEARS: Final = {
    "300dpi": (Wear(dpi=300, skew=0.4, noise=2.0), "<= 1.6"),
    "150dpi": (Wear(dpi=150, skew=0.4, noise=2.0), "<= 2.5"),
}
DIGITAL: Final = "<= 0.05"
LIMITS: Final = Limits(seconds=600)


def run(mode: Mode) -> dict[str, Figure]:
    """Read and run Tesseract by turns, so that a busy machine is equally busy for both."""
    learned = cases(LEARNED, seed=0, home=Settings().home / "readings", use="train")
    ranker = fit(learned, rng=np.random.default_rng(0))
    rng = np.random.default_rng(5)
    every = tuple(layouts("test").values())
    forms = [draw(every[place % len(every)], rng=rng) for place in range(BATCH[mode])]
    read(forms[0].digital(), ranker=ranker, limits=LIMITS)  # the fork server starts with the first
    figures: dict[str, Figure] = {}
    whole: list[float] = []
    for name, (wear, target) in WEARS.items():
        worn = [spoil(form, wear, rng=rng) for form in forms]
        ours, theirs = by_turns([(form.png(), form) for form in worn], ranker)
        figures |= _figures(name, ours, theirs, target)
        if name == "300dpi":
            whole = theirs
    digital = [_seconds(lambda f=form: read(f.digital(), ranker=ranker, limits=LIMITS)) for form in forms]
    return figures | _figures("digital", digital, whole, DIGITAL)


def by_turns(files: list[tuple[bytes, Form]], ranker: FieldRanker) -> tuple[list[float], list[float]]:
    """Seconds of every file read whole, and of Tesseract alone on its pixels."""
    ours, theirs = [], []
    with TemporaryDirectory() as folder:
        for data, form in files:
            picture = Path(folder, "page.png")
            picture.write_bytes(data)
            theirs.append(_seconds(lambda p=picture, f=form: bare(p, dpi=f.dpi)))
            ours.append(_seconds(lambda d=data: read(d, ranker=ranker, limits=LIMITS)))
    return ours, theirs


def _seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def _figures(name: str, ours: list[float], theirs: list[float], target: str) -> dict[str, Figure]:
    return {
        f"{name}.seconds": Figure(statistics.median(ours), "s"),
        f"{name}.tesseract_seconds": Figure(statistics.median(theirs), "s"),
        f"{name}.ratio": Figure(sum(ours) / sum(theirs), "times", target=target),
    }
