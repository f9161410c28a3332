"""From challenger to champion: gates, a recorded flip of the alias, and the way back."""

from __future__ import annotations

import json
import shutil
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from time import perf_counter
from typing import Any, Final

import bentoml
import numpy as np
import numpy.typing as npt
import pandas as pd
from bentoml.exceptions import NotFound

from features.returns import BadInputError, RecoupError
from features.table import LABELS, objects, take
from training.answers import CARD, answers, as_request, card, load, without_inspection
from training.datasets import Dataset, Rows, read
from training.evaluate import compared, losses
from training.evidence.figures import redraw
from training.tracking import PREVIOUS, Registered, Registry

SEGMENTS: Final = ("site", "family")
LEAST_SEGMENT: Final = 200  # rows; fewer say nothing about a segment
TIMED: Final = 15


@dataclass(frozen=True, slots=True)
class Limits:
    """What the gates allow.

    Parameters
    ----------
    margin, segment_margin : float
        How much worse a challenger may be, over all and in one segment, as a share of the champion's loss.
    ece : float
        Calibration error; a thousand test rows are off by two or three points through chance alone.
    coverage : float
        Of the sets and ranges that promise 0.90; drift since the calibration takes some of it.
    milliseconds : float
        Median time for one row.
    """

    margin: float = 0.02
    segment_margin: float = 0.05
    ece: float = 0.05
    coverage: float = 0.85
    milliseconds: float = 50.0


LIMITS: Final = Limits()


class PromotionRefusedError(RecoupError):
    """A gate failed; the champion stays."""

    status = 409
    code = "promotion_refused"


@dataclass(frozen=True, slots=True)
class Gate:
    """One question that a challenger must answer with yes."""

    name: str
    passes: bool
    finding: str


def promote(
    challenger: Registered, *, registry: Registry, seed: int = 0, now: datetime, limits: Limits = LIMITS
) -> list[Gate]:
    """Put a challenger through every gate and make it the champion.

    Raises
    ------
    PromotionRefusedError
        If a gate fails; it names the gates, and nothing has changed.
    """
    champion = registry.champion(challenger.task)
    gates = gates_of(challenger, champion, registry=registry, seed=seed, limits=limits)
    failed = [gate for gate in gates if not gate.passes]
    if failed:
        reasons = "; ".join(f"{gate.name}: {gate.finding}" for gate in failed)
        raise PromotionRefusedError(
            f"{challenger.name} version {challenger.version} is not promoted: {reasons}."
        )
    followed = champion.version if champion and champion.version != challenger.version else ""
    tags = {
        "promoted_at": now.isoformat(),
        "gates": json.dumps({gate.name: gate.finding for gate in gates}),
    }
    # A champion promoted again keeps the record of whom it followed.
    registry.crown(challenger, tags=tags | ({PREVIOUS: followed} if followed or not champion else {}))
    keep_for_service(challenger)
    return gates


def rollback(task: str, *, registry: Registry, now: datetime) -> Registered:
    """Give the crown back to the champion before the present one.

    Raises
    ------
    BadInputError
        If there is no champion, or none before it.
    """
    champion = registry.champion(task)
    if champion is None or not champion.tags.get(PREVIOUS):
        raise BadInputError(f"{task}: there is no earlier champion to return to.")
    earlier = registry.find(f"{champion.name}/{champion.tags[PREVIOUS]}")
    registry.crown(earlier, tags={"restored_at": now.isoformat(), "restored_from": champion.version})
    keep_for_service(earlier)
    return earlier


def keep_for_service(champion: Registered) -> bentoml.Model:
    """Copy a champion into BentoML's store as its newest version, the card beside the model's files."""
    tag = f"{champion.name}:{champion.version}"
    with suppress(NotFound):
        bentoml.models.delete(tag)  # a version that returns becomes the newest again
    facts = card(champion.folder) | {"version": champion.version, "name": champion.name}
    labels = {"task": champion.task, "version": champion.version}
    with bentoml.models.create(tag, labels=labels, metadata={"digest": facts["digest"]}) as model:
        shutil.copytree(champion.folder, model.path, dirs_exist_ok=True)
        (Path(model.path) / CARD).write_text(json.dumps(facts, indent=1, sort_keys=True) + "\n")
    return model


def gates_of(
    challenger: Registered,
    champion: Registered | None,
    *,
    registry: Registry,
    seed: int,
    limits: Limits = LIMITS,
) -> list[Gate]:
    """Ask every gate of a challenger."""
    facts = card(challenger.folder)
    model = load(challenger.folder)
    gates = [
        Gate(
            "signature", registry.has_signature(challenger), "the logged model describes inputs and outputs"
        ),
        Gate("digest", model.digest == facts["digest"], "the files are those that were trained"),
    ]
    if challenger.task not in LABELS:
        return [*gates, _worth(facts["metrics"])]
    dataset = again(facts)
    gates += [
        _reload(challenger, model, dataset, registry),
        _worth(facts["metrics"]),
        *_calibration(facts["metrics"], limits),
        _canary(model),
        _latency(model, dataset, limits),
    ]
    if champion is None or champion.version == challenger.version:
        return gates
    return [*gates, *_non_inferior(model, load(champion.folder), dataset, seed=seed, limits=limits)]


def again(facts: dict[str, Any]) -> Dataset:
    """Read the data that a card names once more; refuse data that has changed since.

    Raises
    ------
    BadInputError
        If the file is gone or is another one than the model was trained on.
    """
    mapping = Path(facts["mapping"]) if facts["mapping"] else None
    as_of = datetime.fromisoformat(facts["as_of"]) if facts["as_of"] else None
    dataset = read(facts["task"], data=Path(facts["data"]), mapping=mapping, as_of=as_of)
    if dataset.origin.digest != facts["data_hash"]:
        raise BadInputError(f"{facts['data']} has changed since the model was trained; train again.")
    return dataset


def _reload(challenger: Registered, model: Any, dataset: Dataset, registry: Registry) -> Gate:
    some = take(dataset.test.table, np.arange(min(50, len(dataset.test.y))))
    here = answers(challenger.task, model, some)
    there = registry.served(challenger, as_request(challenger.task, some))
    same = list(here) == list(there) and np.array_equal(here.to_numpy(), there.to_numpy())
    return Gate("reload", same, "MLflow's copy answers as the model does, to the last bit")


def _worth(metrics: dict[str, float]) -> Gate:
    """Ask whether the model beats the bare baseline in its proper loss."""
    name = next(n for n in ("log_loss", "pinball_p50", "wape") if n in metrics)
    value, bare = metrics[name], metrics[f"baseline_{name}"]
    return Gate("worth", value < bare, f"{name} {value:.4f}, bare baseline {bare:.4f}")


def _calibration(metrics: dict[str, float], limits: Limits) -> list[Gate]:
    """Ask whether probabilities come true, and sets and ranges cover, where a model has them."""
    gates = []
    if "ece" in metrics:
        finding = f"error {metrics['ece']:.3f} (at most {limits.ece})"
        gates.append(Gate("calibration", metrics["ece"] <= limits.ece, finding))
    if "coverage_90" in metrics:
        covered = metrics["coverage_90"]
        finding = f"{covered:.3f} of what promises 0.90 (at least {limits.coverage})"
        gates.append(Gate("coverage", covered >= limits.coverage, finding))
    return gates


def _canary(model: Any) -> Gate:
    """Ask whether a label slipped in among the features."""
    labels = {*LABELS.values(), "label_known_at", "fraud_known_at"} - {"grade"}
    allowed = {"disposition"} if model.bundle.task == "recovery" else set()
    views = model.bundle.views.values()
    read_by = {source for view in views for column in view.encoder.columns for source in column.sources}
    leaked = sorted(read_by & (labels - allowed))
    return Gate("leakage", not leaked, f"labels among the features: {', '.join(leaked) or 'none'}")


def _latency(model: Any, dataset: Dataset, limits: Limits) -> Gate:
    one = take(dataset.test.table, np.arange(1))
    seconds = []
    for _ in range(TIMED):
        begun = perf_counter()
        model.predict(one)
        seconds.append(perf_counter() - begun)
    milliseconds = 1000 * float(np.median(seconds))
    finding = f"{milliseconds:.1f} ms for one row (at most {limits.milliseconds:.0f})"
    return Gate("latency", milliseconds <= limits.milliseconds, finding)


def _non_inferior(new: Any, old: Any, dataset: Dataset, *, seed: int, limits: Limits) -> list[Gate]:
    """Compare losses row by row on the common test rows, resampled by customer."""
    rows = dataset.test
    intake = Rows(without_inspection(rows.table), rows.y, rows.blocks, rows.truth)
    mine, theirs = (losses(compared(model, dataset, intake).model) for model in (new, old))
    samples = redraw(rows.blocks, np.random.default_rng(seed))
    worse = [(mine[sample] - theirs[sample]).mean() for sample in samples]
    most, limit = float(np.quantile(worse, 0.975)), limits.margin * float(theirs.mean())
    finding = f"loss {mine.mean():.4f} against {theirs.mean():.4f}, at most {most:+.4f} (limit {limit:.4f})"
    overall = Gate("non-inferior", most <= limit, finding)
    return [overall, *_segments(mine, theirs, rows, limits)]


def _segments(mine: npt.NDArray[Any], theirs: npt.NDArray[Any], rows: Rows, limits: Limits) -> list[Gate]:
    """Refuse a challenger that is surely worse somewhere: two standard errors beyond the margin."""
    gates = []
    for column in SEGMENTS:
        segments = pd.Series(objects(rows.table, column))
        for value, index in segments.groupby(segments).indices.items():
            worse = mine[index] - theirs[index]
            least = worse.mean() - 2 * worse.std() / np.sqrt(len(index))
            limit = limits.segment_margin * theirs[index].mean()
            if len(index) >= LEAST_SEGMENT:
                gates.append(Gate(f"{column} {value}", bool(least <= limit), f"loss {worse.mean():+.4f}"))
    return gates
