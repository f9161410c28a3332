"""How well documents are read: generated forms of layouts never learned from, and real ones of three sets."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import chain
from typing import Final

import numpy as np
import psutil
from tqdm import tqdm

from benchmarks.documents_hostile import NUMBER, mutations
from benchmarks.documents_truth import (
    DATA,
    Labelled,
    agrees,
    filings,
    nearly,
    orders,
    parcel_numbers,
    read_of,
    receipts,
)
from benchmarks.report import Figure, Mode
from features.documents import Document, DocumentError, Limits, read
from features.documents.values import tracking
from models.fields import FieldRanker, fit
from training.fields import calibration_error
from training.settings import Settings
from training.simulator.forms import DEGRADATIONS, Form, blanks, draw, fill_in, layouts, spoil
from training.simulator.readings import cases, plainly

FORMS: Final = {"quick": 1, "normal": 2, "full": 8}  # of each unseen layout and degradation
SCANNED: Final = "200dpi_skew_noise"  # the wear of filled-in blanks
BLANKS: Final = DATA / "documents" / "logistics"
LEARNED: Final = 240  # forms of the other layouts, as `recoup-lab train fields` has it
SEED: Final = 20
READERS: Final = 2
MUTATIONS: Final = {"quick": 200, "normal": 2100, "full": 20_000}
NORMAL: Final = 2000
ENDED_WITHIN: Final = 10.0  # seconds that a killed process has to be gone
SMALL: Final = Limits(seconds=60, max_pixels=4_000_000)
LIMITS: Final = Limits(seconds=600)  # of a machine that others use as well
F1: Final = {
    "digital": ">= 0.98",
    "300dpi": ">= 0.95",
    "200dpi_skew_noise": ">= 0.88",
    "150dpi": ">= 0.82",
    "150dpi_skew_blur_shadow_jpeg": ">= 0.70",
}
SETS: Final = {"sroie": ">= 0.60", "fara": None, "adbuy_digital": ">= 0.80", "adbuy_raster": ">= 0.70"}
FIELDS: Final = {
    "sroie.date": ">= 0.75",
    "sroie.total": ">= 0.75",
    "fara.registration_number": ">= 0.85",
}


@dataclass(slots=True)
class Believed:
    """How sure each reading was, whether it was right, and whether it was accepted."""

    sure: list[float] = field(default_factory=list)
    right: list[bool] = field(default_factory=list)
    accepted: list[bool] = field(default_factory=list)

    def add(self, *, sure: float, right: bool, accepted: bool) -> None:
        """Note one reading."""
        self.sure.append(sure)
        self.right.append(right)
        self.accepted.append(accepted)

    def figures(self, name: str) -> Iterator[tuple[str, Figure]]:
        """The calibration, and what accepting without a person would mean."""
        sure, right, accepted = np.array(self.sure), np.array(self.right), np.array(self.accepted)
        yield f"{name}.ece", Figure(calibration_error(sure, right), "", target="<= 0.05")
        precision = float(right[accepted].mean()) if accepted.any() else 0.0
        yield f"{name}.accepted_precision", Figure(precision, "share", target=">= 0.99")
        yield f"{name}.accepted_coverage", Figure(float(accepted.mean()), "share", target=">= 0.60")


def run(mode: Mode) -> dict[str, Figure]:
    """Train the ranker on its own layouts, then read everything once."""
    learned = cases(LEARNED, seed=0, home=Settings().home / "readings", use="train")
    ranker = fit(learned, rng=np.random.default_rng(0))
    believed = Believed()
    figures = dict(generated(ranker, FORMS[mode], believed))
    figures |= believed.figures("generated")
    figures |= hostile(ranker, MUTATIONS[mode])
    if DATA.exists():
        figures |= dict(on_blanks(ranker, FORMS[mode], Believed()))
        figures |= real(ranker)
        figures |= parcels()
    return figures


def generated(ranker: FieldRanker, count: int, believed: Believed) -> Iterator[tuple[str, Figure]]:
    """Yield the micro F1 over all fields and cells of forms of unseen layouts, by degradation."""
    for name in ("digital", *DEGRADATIONS):
        f1, wanted = micro_f1(list(_forms(name, count)), name, ranker, believed)
        yield f"generated.{name}.f1", Figure(f1, f"of {wanted}", target=F1[name])


def on_blanks(ranker: FieldRanker, count: int, believed: Believed) -> Iterator[tuple[str, Figure]]:
    """Yield the micro F1 over what was filled into real blank forms, clean and scanned."""
    rng = np.random.default_rng(SEED)
    for name in ("digital", SCANNED):
        drawn = [fill_in(blank, BLANKS, rng=rng) for blank in blanks().values() for _ in range(count)]
        if name != "digital":
            drawn = [spoil(form, DEGRADATIONS[name], rng=rng) for form in drawn]
        f1, wanted = micro_f1(drawn, name, ranker, believed)
        yield f"blanks.{name}.f1", Figure(f1, f"of {wanted}")


def micro_f1(drawn: Sequence[Form], name: str, ranker: FieldRanker, believed: Believed) -> tuple[float, int]:
    """Return the micro F1 over all that is written on forms, and how much that is."""
    files = [(form.layout, form.digital() if name == "digital" else form.png()) for form in drawn]
    hits = said = wanted = 0
    for form, document in zip(drawn, _read(files, ranker, shown=name), strict=True):
        written, found = told(form), cells(document, form)
        right = {key for key, (value, _, _) in found.items() if written.get(key) == value}
        hits, said, wanted = hits + len(right), said + len(found), wanted + len(written)
        for key, (_, sure, accepted) in found.items():
            believed.add(sure=sure, right=key in right, accepted=accepted)
    return 2 * hits / max(said + wanted, 1), wanted


def _forms(degradation: str, count: int) -> Iterator[Form]:
    rng = np.random.default_rng(SEED)
    for layout in layouts("test").values():
        for _ in range(count):
            form = draw(layout, rng=rng)
            yield form if degradation == "digital" else spoil(form, DEGRADATIONS[degradation], rng=rng)


Cell = tuple[str, int | None]


def told(form: Form) -> dict[Cell, str]:
    """What is written on a form: single fields, and the cells of its table by row."""
    return {(truth.field, truth.line): plainly(truth.value) for truth in form.truths}


def cells(document: Document, form: Form) -> dict[Cell, tuple[str, float, bool]]:
    """What was read; a column of the form's table counts by its rows, not by its plain field as well."""
    columns = {truth.field for truth in form.truths if truth.line is not None}
    plain = {truth.field for truth in form.truths if truth.line is None}
    found: dict[Cell, tuple[str, float, bool]] = {
        (f.name, None): (plainly(f.value), f.confidence, f.accepted)
        for f in document.fields
        if f.name not in columns or f.name in plain
    }
    for number, row in enumerate(document.items):
        found |= {(f.name, number): (plainly(f.value), f.confidence, f.accepted) for f in row.fields}
    return found


def real(ranker: FieldRanker) -> dict[str, Figure]:
    """Every field of every real document, exactly as labelled; names of registrants also nearly so."""
    every = list(chain(receipts(), filings(), orders(rasterised=False), orders(rasterised=True)))
    documents = _read([(one.name, one.data) for one in every], ranker, shown="real documents")
    return dict(_scores(zip(every, documents, strict=True)))


def _scores(pairs: Iterable[tuple[Labelled, Document]]) -> Iterator[tuple[str, Figure]]:
    right: Mapping[str, list[bool]] = defaultdict(list)
    near: list[bool] = []
    believed = Believed()
    for one, document in pairs:
        for name, written in one.fields.items():
            said = read_of(document, name)
            value = said[0] if said else None
            right[f"{one.group}.{name}"].append(agrees(written, value))
            if written.kind == "name":
                near.append(nearly(written, value))
            if said:
                held = nearly(written, value) if written.kind == "name" else agrees(written, value)
                believed.add(sure=said[1], right=held, accepted=said[2])
    for name, held in right.items():
        yield f"{name}.exact", Figure(float(np.mean(held)), f"of {len(held)}", target=FIELDS.get(name))
    yield "fara.registrant.name", Figure(float(np.mean(near)), f"of {len(near)}", target=">= 0.70")
    for group, target in SETS.items():
        means = [float(np.mean(held)) for name, held in right.items() if name.startswith(group)]
        yield f"{group}.mean_exact", Figure(float(np.mean(means)), "share", target=target)
    yield from believed.figures("real")


def hostile(ranker: FieldRanker, count: int) -> dict[str, Figure]:
    """What comes of thousands of broken files: anything but an answer or a refusal counts against us."""
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    broken = (data for _, data in mutations(count, rng=np.random.default_rng(SEED)))
    with ThreadPoolExecutor(READERS) as pool:
        outcomes = list(tqdm(pool.map(lambda data: _outcome(data, ranker), broken), total=count, leave=False))
    documents = [found for found in outcomes if isinstance(found, Document)]
    false = [f for d in documents for f in d.fields if f.accepted and f.value != NUMBER]
    children = [child for child in psutil.Process().children(recursive=True) if child.pid not in before]
    _, left = psutil.wait_procs(children, timeout=ENDED_WITHIN)
    return {
        "hostile.files": Figure(count, "files", target=">= 2000" if count >= NORMAL else None),
        "hostile.read": Figure(len(documents), "files"),
        "hostile.crashes": Figure(sum(isinstance(o, str) for o in outcomes), "files", target="<= 0"),
        "hostile.hangs": Figure(sum("longer than" in str(o) for o in outcomes), "files", target="<= 0"),
        "hostile.orphans": Figure(len(left), "processes", target="<= 0"),
        "hostile.false_accepted": Figure(len(false), "fields", target="<= 0"),
    }


def _outcome(data: bytes, ranker: FieldRanker) -> Document | DocumentError | str:
    try:
        return read(data, ranker=ranker, limits=SMALL)
    except DocumentError as refusal:
        return refusal
    except Exception as crash:  # noqa: BLE001  # any other is what is counted
        return f"{type(crash).__name__}: {crash}"


def parcels() -> dict[str, Figure]:
    """Valid parcel numbers that some carrier can have issued; invalid ones right for the service meant."""
    accepted, wrongly = [], 0
    for valid, invalid in parcel_numbers():
        readings = [tracking.read(number).possible for number in valid]
        accepted += [bool(possible) for possible in readings]
        # A number that is wrong for one service may be right for another: what counts is the service meant.
        meant = [rule for rule in tracking.rules() if all(rule in possible for possible in readings)]
        wrongly += sum(any(rule in meant for rule in tracking.read(n).possible) for n in invalid)
    return {
        "tracking.valid_accepted": Figure(float(np.mean(accepted)), "share", target=">= 1.0"),
        "tracking.invalid_accepted": Figure(wrongly, "numbers", target="<= 0"),
    }


def _read(files: Iterable[tuple[str, bytes]], ranker: FieldRanker, *, shown: str) -> list[Document]:
    jobs = list(files)
    with ThreadPoolExecutor(READERS) as pool:
        documents = pool.map(lambda job: read(job[1], name=job[0], ranker=ranker, limits=LIMITS), jobs)
        return list(tqdm(documents, total=len(jobs), desc=shown, leave=False))
