"""`python -m benchmarks [NAME …]`: run every benchmark, or those named; QUICK=1 or FULL=1 set the length."""

from __future__ import annotations

import importlib
import os
import sys
import time

from benchmarks.report import RESULTS, Mode, write

NAMES = (
    "batch_scale",
    "contract_cases",
    "documents_quality",
    "documents_speed",
    "forecast_quality",
    "ledger_faults",
    "ledger_scale",
    "pages_speed",
    "policy_speed",
    "service_speed",
    "triage_quality",
)


def main() -> int:
    """Run the benchmarks; one that fails leaves no file and makes the exit status 1."""
    mode: Mode = (
        "quick" if os.environ.get("QUICK") == "1" else "full" if os.environ.get("FULL") == "1" else "normal"
    )
    names = sys.argv[1:] or list(NAMES)
    if unknown := set(names) - set(NAMES):
        print(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}", file=sys.stderr)
        return 2
    failed = False
    for name in names:
        (RESULTS / f"{name}.json").unlink(missing_ok=True)
        started = time.perf_counter()
        try:
            figures = importlib.import_module(f"benchmarks.{name}").run(mode)
        except Exception as error:  # noqa: BLE001  # the others still run
            print(f"{name} failed: {type(error).__name__}: {error}", file=sys.stderr)
            failed = True
            continue
        write(name, figures, seconds=time.perf_counter() - started, mode=mode)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
