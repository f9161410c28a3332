"""Where the laboratory keeps its things: the only place in training that touches the environment."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """What a data scientist can set, by environment."""

    model_config = SettingsConfigDict(
        env_prefix="RECOUP_", frozen=True, extra="ignore", populate_by_name=True
    )

    home: Path = Field(Path(".recoup"), description="folder for everything a local installation writes")
    tracking_uri: str | None = Field(
        None,
        validation_alias="MLFLOW_TRACKING_URI",
        description="MLflow server; SQLite under home by default",
    )
    rows_at_once: int = Field(
        2_000_000,
        ge=1,
        description="rows that this machine's memory holds; `score` takes a larger table in parts",
    )
    lab_workers: int | None = Field(
        None,
        ge=1,
        description="processes of a local Dask cluster; as many as there are processors by default",
    )

    @property
    def mlflow_home(self) -> Path:
        """MLflow's own folder: its database and its artefacts."""
        return self.home / "mlflow"

    @property
    def bentoml_home(self) -> Path:
        """BentoML's own folder, the one that the service reads its models from."""
        return self.home / "bentoml"


def prepare(settings: Settings) -> None:
    """Tell MLflow and BentoML where they live and that they report to nobody.

    Both read the environment when they are imported, so this runs before either is.
    """
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    os.environ["BENTOML_DO_NOT_TRACK"] = "true"  # the word: BentoML does not take a 1
    os.environ["BENTOML_HOME"] = str(settings.bentoml_home.resolve())
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
