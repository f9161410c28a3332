"""`python -m benchmarks.champions FOLDER`: small models, fitted and kept for a service.

They go to the model store that BENTOML_HOME names, the way a promotion puts them there.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def keep_champions(home: Path) -> None:
    """Fill the model store of a RECOUP_HOME; in a process of its own, for BentoML looks up its home once."""
    environment = os.environ | {"BENTOML_HOME": str(home / "bentoml"), "BENTOML_DO_NOT_TRACK": "true"}
    words = [sys.executable, "-m", "benchmarks.champions", str(home / "models")]
    subprocess.run(words, cwd=ROOT, env=environment, check=True)


def main(folder: Path) -> None:
    """Fit, save below `folder` and import."""
    from tests.serving.world import TASKS, champions_of_a_small_world  # noqa: PLC0415  # slow, and only here
    from training.answers import CARD  # noqa: PLC0415
    from training.promote import keep_for_service  # noqa: PLC0415
    from training.tracking import Registered  # noqa: PLC0415

    folder.mkdir(parents=True)
    champions = champions_of_a_small_world(folder)
    for task in TASKS:
        place = folder / task
        facts = {"task": task, "digest": getattr(champions, task).digest}
        (place / CARD).write_text(json.dumps(facts))
        keep_for_service(Registered(f"recoup-{task}", "1", place, place, {}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
