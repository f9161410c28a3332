"""How a benchmark reports: figures with targets, written with the commit and the machine."""

from __future__ import annotations

import json
import operator
import os
import platform
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

Mode = Literal["quick", "normal", "full"]
RESULTS = Path(__file__).parent / "results"
_HOLDS = {"<=": operator.le, ">=": operator.ge, "==": operator.eq}


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number; `target` is text such as '<= 2.0', or none."""

    value: float
    unit: str
    lo: float | None = None
    hi: float | None = None
    target: str | None = None

    @property
    def holds(self) -> bool | None:
        """Whether the value meets the target; none where there is no target."""
        if self.target is None:
            return None
        sign, _, bound = self.target.partition(" ")
        return bool(_HOLDS[sign](self.value, float(bound)))

    def to_json(self) -> dict[str, Any]:
        """The figure as the contract writes it."""
        return {
            "value": self.value,
            "lo": self.lo,
            "hi": self.hi,
            "unit": self.unit,
            "target": self.target,
            "holds": self.holds,
        }


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    model = platform.processor()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [
            line.split(":", 1)[1].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line
        ]
        model = names[0] if names else model
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "system": platform.system(),
        "python": platform.python_version(),
    }


def commit() -> str:
    """The commit measured; '+' marks a work tree with changes other than results, which every run changes."""
    head = _git("rev-parse", "--short=12", "HEAD")
    sources = (":/", ":(top,exclude)benchmarks/results")
    return head + ("+" if _git("status", "--porcelain", "--untracked-files=no", "--", *sources) else "")


def _git(*words: str) -> str:
    done = subprocess.run(["git", *words], capture_output=True, text=True, check=False, cwd=RESULTS.parent)
    return done.stdout.strip() or ("unknown" if words[0] == "rev-parse" else "")


def write(name: str, figures: dict[str, Figure], *, seconds: float, mode: Mode) -> Path:
    """Keep the figures of one benchmark and print them."""
    path = RESULTS / f"{name}.json"
    body = {
        "name": name,
        "commit": commit(),
        "machine": machine(),
        "seconds": round(seconds, 1),
        "mode": mode,
        "figures": {key: figure.to_json() for key, figure in figures.items()},
    }
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(body, indent=2) + "\n")
    print(f"\n{name} ({mode}, {seconds:.0f} s)")
    for key, figure in figures.items():
        verdict = {True: "holds", False: "MISSED", None: ""}[figure.holds]
        print(f"  {key:<38} {figure.value:>10.4g} {figure.unit:<10} {figure.target or '':<9} {verdict}")
    return path
