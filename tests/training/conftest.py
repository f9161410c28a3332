"""A laboratory for the tests: its MLflow reports to nobody."""

from __future__ import annotations

import os

# MLflow looks when it is imported, which is before any fixture runs.
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"
