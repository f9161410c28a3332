"""What was found about the champions as plain JSON, as MLflow metrics and as pictures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from matplotlib.figure import Figure

from models.drift import Drift
from training.monitoring.rules import Rule, reasons
from training.monitoring.traffic import Traffic
from training.monitoring.watch import Part, Shadow, Watched

FORMAT: Final = 1
SHOWN: Final = 15  # columns in a picture
LINE: Final = "{:<22}{:>7}{:>10}{:>10}  {}"


def report(
    watched: Iterable[Watched], traffic: Traffic, *, rules: Sequence[Rule], now: datetime
) -> dict[str, Any]:
    """Return everything found, with the reasons to retrain; what pages and programs read."""
    first, last = traffic.span
    return {
        "format": FORMAT,
        "at": now.isoformat(),
        "traffic": {
            "recommendations": len(traffic.frame),
            "lines": len(traffic.first),
            "from": first.isoformat(),
            "until": last.isoformat(),
        },
        "models": {one.task: _model(one, rules) for one in watched},
    }


def _model(one: Watched, rules: Sequence[Rule]) -> dict[str, Any]:
    why = reasons(rules, one.measures)
    ordered = sorted(one.features, key=lambda name: -one.features[name].psi)
    return {
        "version": one.version,
        "digest": one.digest,
        "lines": one.rows,
        "reproduced": {"same": one.reproduced[0], "compared": one.reproduced[1]},
        "features": [_drift(name, one.features[name], one.gain.get(name)) for name in ordered],
        "scores": [_drift(name, drift, None) for name, drift in one.scores.items()],
        "performance": {
            "matured": one.labels_since,
            "figures": {name: _short(value) for name, value in one.figures.items()},
            "segments": [_part(part) for part in one.parts],
        },
        "challenger": None if one.shadow is None else _shadow(one.shadow),
        "retrain": {"recommended": bool(why), "reasons": why},
    }


def _short(value: float | None) -> float | None:
    return None if value is None else round(value, 6)


def _drift(name: str, drift: Drift, gain: float | None) -> dict[str, Any]:
    told = {"name": name, "psi": _short(drift.psi), "ks": _short(drift.ks), "moved": drift.moved}
    return told | {"rows": drift.rows, "psi_chance": _short(drift.psi_chance), "gain": gain}


def _part(part: Part) -> dict[str, Any]:
    figures = {"loss": part.loss, "usual": part.usual, "surely_worse": part.surely}
    return {"name": part.name, "rows": part.rows, **{name: _short(value) for name, value in figures.items()}}


def _shadow(shadow: Shadow) -> dict[str, Any]:
    figures = {"differs": shadow.differs, "gain": shadow.gain, "lo": shadow.lo, "hi": shadow.hi}
    return {
        "version": shadow.version,
        "matured": shadow.matured,
        "better": shadow.better,
        **{name: _short(value) for name, value in figures.items()},
    }


def page(said: Mapping[str, Any]) -> str:
    """Tell a report in a terminal of 80 columns."""
    about = said["traffic"]
    parts = [f"{about['lines']} lines, {about['from'][:10]} to {about['until'][:10]}"]
    for task, model in said["models"].items():
        parts.append("\n".join([f"{task} version {model['version']}", *_lines(model)]))
    return "\n\n".join(parts)


def _lines(model: Mapping[str, Any]) -> Iterable[str]:
    moved = [one["name"] for one in model["features"] if one["moved"]]
    yield f"  inputs moved: {len(moved)} of {len(model['features'])}" + (
        f": {', '.join(moved[:4])}" if moved else ""
    )
    answers = [one["name"] for one in model["scores"] if one["moved"]]
    yield f"  answers moved: {len(answers)} of {len(model['scores'])}"
    again = model["reproduced"]
    if again["compared"]:
        yield f"  recorded answers made again the same: {again['same']} of {again['compared']}"
    segments = model["performance"]["segments"]
    if segments:
        yield "  " + LINE.format("segment", "rows", "loss", "usual", "").rstrip()
    for part in segments:
        usual = "" if part["usual"] is None else f"{part['usual']:.4f}"
        worse = "surely worse" if (part["surely_worse"] or 0) > 0 else ""
        yield (
            "  " + LINE.format(part["name"][:22], part["rows"], f"{part['loss']:.4f}", usual, worse).rstrip()
        )
    if model["challenger"]:
        yield f"  {_beside(model['challenger'])}"
    for reason in model["retrain"]["reasons"]:
        yield f"  RETRAIN ({reason['rule']}): {reason['sentence']}"
    if not model["retrain"]["recommended"]:
        yield "  no reason to retrain"


def _beside(shadow: Mapping[str, Any]) -> str:
    told = f"challenger version {shadow['version']}: {shadow['differs']:.1%} of lines answered otherwise"
    if shadow["gain"] is None:
        return told
    word = "better" if shadow["better"] else "not surely better"
    return f"{told}; loss less by {shadow['gain']:.4f} [{shadow['lo']:.4f}, {shadow['hi']:.4f}], {word}"


def metrics(model: Mapping[str, Any]) -> dict[str, float]:
    """Return a model's findings under names that MLflow takes."""
    found = {f"psi.{one['name']}": one["psi"] for one in (*model["features"], *model["scores"])}
    found |= {f"ks.{one['name']}": one["ks"] for one in (*model["features"], *model["scores"])}
    found |= {f"loss.{part['name']}": part["loss"] for part in model["performance"]["segments"]}
    found |= {f"live.{name}": value for name, value in model["performance"]["figures"].items()}
    if model["challenger"]:
        found |= {f"challenger.{name}": model["challenger"][name] for name in ("differs", "gain")}
    found["retrain"] = float(model["retrain"]["recommended"])
    return {name.replace(":", "."): value for name, value in found.items() if value is not None}


def pictures(model: Mapping[str, Any]) -> dict[str, Figure]:
    """Draw the drift of inputs and answers, and the loss by segment beside what was usual."""
    columns = [*model["features"][:SHOWN], *model["scores"]][::-1]
    figure = Figure(figsize=(8, 2 + 0.25 * len(columns)), layout="constrained")
    axes = figure.subplots()
    colours = ["tab:red" if one["moved"] else "tab:grey" for one in columns]
    axes.barh([one["name"] for one in columns], [one["psi"] for one in columns], color=colours)
    axes.set(xlabel="PSI against training (red: moved beyond limits and chance)")
    segments = model["performance"]["segments"][::-1]
    if not segments:
        return {"drift": figure}
    return {"drift": figure, "segments": _segments(segments)}


def _segments(segments: Sequence[Mapping[str, Any]]) -> Figure:
    figure = Figure(figsize=(8, 2 + 0.25 * len(segments)), layout="constrained")
    axes = figure.subplots()
    names = [f"{part['name']} ({part['rows']})" for part in segments]
    axes.barh(names, [part["loss"] for part in segments], color="tab:blue", label="live, matured outcomes")
    known = [
        (name, part["usual"]) for name, part in zip(names, segments, strict=True) if part["usual"] is not None
    ]
    axes.plot(
        [usual for _, usual in known], [name for name, _ in known], "k|", markersize=12, label="when judged"
    )
    axes.set(xlabel="loss")
    axes.legend()
    return figure
