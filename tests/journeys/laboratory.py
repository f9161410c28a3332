"""`recoup-lab` as a data scientist has it: a command, a home of its own, and real tables where they lie."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
MAPPINGS = ROOT / "notebooks" / "mappings"
# The real tables are no part of the project, for their licences differ; they lie beside it.
REAL_DATA = Path(os.environ.get("RECOUP_REAL_DATA", ROOT.parent / "shared" / "data"))


def real(table: str) -> Path:
    """Where a real table lies; without it the test is skipped."""
    path = REAL_DATA / table
    if not path.is_file():
        pytest.skip(f"there is no {path}: the real tables are not part of the project")
    return path


@dataclass(frozen=True)
class Laboratory:
    """`recoup-lab`, run in a folder that is its home as well."""

    home: Path

    def run(self, *words: object) -> subprocess.CompletedProcess[str]:
        """Run a command and hand back what it said."""
        return subprocess.run(
            self._command(words), **self._place, capture_output=True, text=True, check=False
        )

    @contextmanager
    def started(self, *words: object) -> Iterator[subprocess.Popen[bytes]]:
        """Run a command for the length of a block; what it says is kept in `said.log`."""
        with (self.home / "said.log").open("wb") as log:
            process = subprocess.Popen(self._command(words), **self._place, stdout=log, stderr=log)
        try:
            yield process
        finally:
            process.kill()
            process.wait()

    @property
    def _place(self) -> dict[str, Any]:
        env = {**os.environ, "RECOUP_HOME": str(self.home), "OMP_NUM_THREADS": "1"}
        env.pop("MLFLOW_TRACKING_URI", None)
        return {"cwd": self.home, "env": env}

    def _command(self, words: tuple[object, ...]) -> list[str]:
        return [str(Path(sys.executable).parent / "recoup-lab"), *map(str, words)]

    def must(self, *words: object) -> str:
        """Run a command that has to succeed."""
        done = self.run(*words)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def figures(self, *words: object) -> dict[str, float]:
        """Run a command with --json and read the object on its last line."""
        found: dict[str, float] = json.loads(self.must(*words, "--json").splitlines()[-1])
        return found

    def files(self) -> set[Path]:
        """Everything that lies in the home."""
        return set(self.home.rglob("*"))
