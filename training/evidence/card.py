"""The card of a model, as JSON for programs and as a page for people; and the pictures that go with it."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure
from sklearn.calibration import calibration_curve
from sklearn.metrics import precision_recall_curve

CURVES: Final = 6  # classes shown in one picture; more is a tangle
BINS: Final = 10
PURPOSE: Final = {
    "disposition": "the likely physical outcome of a returned line, before and after its inspection",
    "condition": "the grade that an inspection will find",
    "recovery": "what a disposition of a line will recover, with a range",
    "fraud": "how likely an inspection would prove fraud",
    "workload": "how many minutes an inspection takes, as quantiles",
    "volume": "how many items will come back, where and when",
    "fields": "which reading of a document's field is right",
}
LIMITS: Final = (
    "It advises; policies and people decide.",
    "It answers rows like its training rows; others are marked as outside its domain.",
    "Labels exist only where somebody looked, and come late; the latest weeks were not learned from.",
)


def write_card(folder: Path, card: dict[str, Any]) -> None:
    """Write card.json and card.md into a model's folder."""
    (folder / "card.json").write_text(json.dumps(card, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    (folder / "card.md").write_text(page(card), encoding="utf-8")


def page(card: dict[str, Any]) -> str:
    """Tell a card in Markdown."""
    shown = {
        k: v for k, v in card["metrics"].items() if not k.endswith(("_lo", "_hi")) and "baseline_" not in k
    }
    rows = "\n".join(f"| {name} | {_value(card, name)} | {_baseline(card, name)} |" for name in shown)
    facts = "\n".join(
        f"- {label}: {card[key]}"
        for label, key in (
            ("Digest", "digest"),
            ("Data", "data_hash"),
            ("As of", "as_of"),
            ("Code", "code"),
            ("Seed", "seed"),
            ("Trained on rows", "train_rows"),
            ("Judged on rows", "test_rows"),
        )
    )
    return (
        f"# recoup-{card['task']}\n\nPredicts {PURPOSE[card['task']]}.\n\n{facts}\n\n"
        f"| figure | value (95 % interval) | bare baseline |\n| --- | --- | --- |\n{rows}\n\n"
        "## Limits\n\n" + "\n".join(f"- {sentence}" for sentence in LIMITS) + "\n"
    )


def _value(card: dict[str, Any], name: str) -> str:
    metrics = card["metrics"]
    span = f" ({metrics[f'{name}_lo']:.4f} to {metrics[f'{name}_hi']:.4f})" if f"{name}_lo" in metrics else ""
    return f"{metrics[name]:.4f}{span}"


def _baseline(card: dict[str, Any], name: str) -> str:
    view, bare = ("inspected_", name[10:]) if name.startswith("inspected_") else ("", name)
    value = card["metrics"].get(f"{view}baseline_{bare}")
    return "" if value is None else f"{value:.4f}"


def code_version(root: Path) -> str:
    """Return the commit of the code, marked `+changes` where files differ from it; 'unknown' without git."""
    git = shutil.which("git")
    if git is None:
        return "unknown"

    def ask(*words: str) -> str | None:
        done = subprocess.run([git, "-C", str(root), *words], capture_output=True, text=True, check=False)  # noqa: S603
        return done.stdout.strip() if done.returncode == 0 else None

    commit = ask("rev-parse", "HEAD")
    if not commit:
        return "unknown"
    return f"{commit}+changes" if ask("status", "--porcelain", "--untracked-files=no") else commit


Curves = dict[str, tuple[npt.NDArray[Any], npt.NDArray[Any]]]


def pictures(curves: Curves) -> dict[str, Figure]:
    """Draw calibration and precision-recall curves of the most frequent classes."""
    frequent = sorted(curves, key=lambda name: -curves[name][1].sum())[:CURVES]
    chosen = {name: curves[name] for name in frequent if 0 < curves[name][1].sum() < len(curves[name][1])}
    if not chosen:
        return {}
    return {"calibration": _calibration(chosen), "precision_recall": _precision_recall(chosen)}


def _calibration(curves: Curves) -> Figure:
    figure = Figure(figsize=(6, 5))
    axes = figure.subplots()
    axes.axline((0, 0), slope=1, color="grey", linewidth=1)
    most = 0.0
    for name, (said, happened) in curves.items():
        found, mean = calibration_curve(happened, np.clip(said, 0, 1), n_bins=BINS, strategy="quantile")
        axes.plot(mean, found, marker="o", label=name)
        most = max(most, *mean, *found)
    # Rare classes never come near one: the plot ends where the points do.
    axes.set(xlim=(0, 1.05 * most), ylim=(0, 1.05 * most))
    axes.set(xlabel="probability said", ylabel="share that happened", title="Calibration on the test rows")
    axes.legend()
    return figure


def _precision_recall(curves: Curves) -> Figure:
    figure = Figure(figsize=(6, 5))
    axes = figure.subplots()
    for name, (said, happened) in curves.items():
        precision, recall, _ = precision_recall_curve(happened, said)
        axes.plot(recall, precision, label=name)
    axes.set(xlabel="recall", ylabel="precision", title="Precision and recall on the test rows")
    axes.legend()
    return figure
