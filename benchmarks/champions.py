"""`python -m benchmarks.champions FOLDER [RETURNS]`: models fitted and kept for a service.

Small ones, unless a number of returns is given: then such as `recoup-lab train` would grow from so many.

They go to the model store that BENTOML_HOME names, the way a promotion puts them there.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def keep_champions(home: Path, *, returns: int | None = None) -> None:
    """Fill the model store of a RECOUP_HOME; in a process of its own, for BentoML looks up its home once."""
    environment = os.environ | {"BENTOML_HOME": str(home / "bentoml"), "BENTOML_DO_NOT_TRACK": "true"}
    words = [sys.executable, "-m", "benchmarks.champions", str(home / "models")]
    words += [] if returns is None else [str(returns)]
    subprocess.run(words, cwd=ROOT, env=environment, check=True)


def main(folder: Path, returns: int | None = None) -> None:
    """Fit, save below `folder` and import."""
    from tests.serving.world import TASKS, champions_of_a_small_world  # noqa: PLC0415  # slow, and only here
    from training.answers import CARD  # noqa: PLC0415
    from training.promote import keep_for_service  # noqa: PLC0415
    from training.tracking import Registered  # noqa: PLC0415

    folder.mkdir(parents=True)
    full = {} if returns is None else {"returns": returns, "changes": {}}
    champions = champions_of_a_small_world(folder, **full)
    for task in TASKS:
        place = folder / task
        facts = {"task": task, "digest": getattr(champions, task).digest, "attributes": {}}
        (place / CARD).write_text(json.dumps(facts))
        keep_for_service(Registered(f"recoup-{task}", "1", place, place, {}))
    if returns is not None:
        _log_for_mlflow(folder)


def _log_for_mlflow(folder: Path) -> None:
    """Log the fraud model as a training run does, and a row to ask it about; `peer.json` says where."""
    from training.answers import as_request, served  # noqa: PLC0415
    from training.datasets import read  # noqa: PLC0415
    from training.tracking import Registry, Run  # noqa: PLC0415

    place = folder / "fraud"
    (place / "card.md").write_text("A benchmark's model.\n")
    example = as_request("fraud", read("fraud", data=folder / "world", mapping=None).train.table).head(3)
    run = Run("fraud", place, example, served(place).predict(example), {}, {}, {})
    logged = Registry(folder / "mlflow").log(run).logged
    row = json.loads(example.head(1).to_json(orient="split", date_format="iso", index=False))
    told = {"model": str(logged), "body": {"dataframe_split": row}}
    (folder / "peer.json").write_text(json.dumps(told))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
