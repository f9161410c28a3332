"""The only door to MLflow: runs with their evidence, registered models and their aliases."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import mlflow
import pandas as pd
from matplotlib.figure import Figure
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, DataType, Schema

from features.returns import BadInputError

EXPERIMENT: Final = "recoup"
CHAMPION: Final = "champion"
CHALLENGER: Final = "challenger"
PREVIOUS: Final = "previous_champion"  # tag of a champion: what a rollback returns to
LOADER: Final = "training.answers"
# Given, because inferring them costs seconds and starts a process.
REQUIREMENTS: Final = ("lightgbm", "numpy", "pandas", "pyarrow", "scikit-learn")


@dataclass(frozen=True, slots=True)
class Run:
    """Everything that a training run leaves behind.

    Parameters
    ----------
    folder : Path
        The saved model, card included.
    example : DataFrame
        A few input rows as a client would send them.
    answers : DataFrame
        What the model says to them.
    """

    task: str
    folder: Path
    example: pd.DataFrame
    answers: pd.DataFrame
    params: Mapping[str, Any]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    plots: Mapping[str, Figure] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Registered:
    """One version of a registered model on disk: as MLflow `logged` it, and our own `folder` inside."""

    name: str
    version: str
    logged: Path
    folder: Path
    tags: Mapping[str, str]

    @property
    def task(self) -> str:
        """What the model answers."""
        return self.name.removeprefix("recoup-")


class Registry:
    """The store of runs and models: SQLite under `home`, or the tracking server at `uri`."""

    def __init__(self, home: Path, *, uri: str | None = None) -> None:
        self._home = home.resolve()
        self._database = None if uri else self._home / "mlflow.sqlite"
        self._uri = uri or f"sqlite:///{self._database}"

    @cached_property
    def _client(self) -> mlflow.MlflowClient:
        """MLflow's client; a local store is made when it is first used, so that refused input makes none."""
        self._home.mkdir(parents=True, exist_ok=True)
        client = mlflow.MlflowClient(self._uri, self._uri)
        if client.get_experiment_by_name(EXPERIMENT) is None:
            # A server keeps artefacts where it likes; locally they lie beside the database.
            place = (self._home / "artifacts").as_uri() if self._database else None
            client.create_experiment(EXPERIMENT, artifact_location=place)
        return client

    @property
    def _is_new(self) -> bool:
        return self._database is not None and not self._database.is_file()

    def log(self, run: Run) -> Registered:
        """Log a run with its model and register the model as the newest version and challenger."""
        name = f"recoup-{run.task}"
        with _quiet(self._uri):
            experiment = self._client.get_experiment_by_name(EXPERIMENT)
            with mlflow.start_run(experiment_id=experiment.experiment_id, run_name=run.task):
                mlflow.set_tags(dict(run.tags))
                mlflow.log_params(dict(run.params))
                mlflow.log_metrics(dict(run.metrics))
                for title, figure in run.plots.items():
                    mlflow.log_figure(figure, f"plots/{title}.png")
                for card in ("card.json", "card.md"):
                    mlflow.log_artifact(str(run.folder / card))
                logged = mlflow.pyfunc.log_model(
                    name="model",
                    loader_module=LOADER,
                    data_path=str(run.folder),
                    signature=signature(run.example, run.answers),
                    input_example=run.example,
                    pip_requirements=list(REQUIREMENTS),
                )
            version = self._register(name, logged.model_uri, logged.model_id, run.tags)
            self._client.set_registered_model_alias(name, CHALLENGER, version)
        return self.find(f"{name}@{CHALLENGER}")

    def find(self, model: str) -> Registered:
        """Find `name@alias`, `name/version`, or the bare name of a task: its challenger, else its champion.

        Raises
        ------
        BadInputError
            If there is no such model.
        """
        name, _, alias = model.partition("@")
        name, _, version = name.partition("/")
        name = name if name.startswith("recoup-") else f"recoup-{name}"
        wanted = [alias] if alias else [] if version else [CHALLENGER, CHAMPION]
        with _quiet(self._uri):
            found = self._by_version(name, version) if version else self._by_alias(name, wanted)
            if found is None:
                raise BadInputError(
                    f"there is no registered model '{model}'; train one, or name another or a folder."
                )
            logged = Path(
                mlflow.artifacts.download_artifacts(f"models:/{name}/{found.version}", tracking_uri=self._uri)
            )
        return Registered(name, str(found.version), logged, _files(logged), dict(found.tags))

    def champion(self, task: str) -> Registered | None:
        """Return the champion of a task, if it has one."""
        with _quiet(self._uri):
            found = self._by_alias(f"recoup-{task}", [CHAMPION])
        return self.find(f"recoup-{task}@{CHAMPION}") if found else None

    def crown(self, model: Registered, *, tags: Mapping[str, str]) -> None:
        """Make a version the champion and write down on it why, and whom it followed."""
        self.tag(model, tags)
        with _quiet(self._uri):
            self._client.set_registered_model_alias(model.name, CHAMPION, model.version)

    def tag(self, model: Registered, tags: Mapping[str, str]) -> None:
        """Write something down on a version."""
        with _quiet(self._uri):
            for key, value in tags.items():
                self._client.set_model_version_tag(model.name, model.version, key, value)

    def has_signature(self, model: Registered) -> bool:
        """Whether a version's files carry a signature of inputs and outputs (nullable integers drop it)."""
        with _quiet(self._uri):
            info = mlflow.models.get_model_info(str(model.logged))
        return bool(info.signature and info.signature.inputs and info.signature.outputs)

    def served(self, model: Registered, rows: pd.DataFrame) -> pd.DataFrame:
        """Answer rows through MLflow's own loader, as its server would."""
        with _quiet(self._uri):
            return pd.DataFrame(mlflow.pyfunc.load_model(str(model.logged)).predict(rows))

    def note(
        self,
        title: str,
        *,
        params: Mapping[str, Any],
        metrics: Mapping[str, float],
        tags: Mapping[str, str],
        plots: Mapping[str, Figure],
        texts: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Log a run that leaves figures, plots and texts by file name and no model, such as a backtest."""
        with _quiet(self._uri):
            experiment = self._client.get_experiment_by_name(EXPERIMENT)
            with mlflow.start_run(experiment_id=experiment.experiment_id, run_name=title):
                mlflow.set_tags(dict(tags))
                mlflow.log_params(dict(params))
                mlflow.log_metrics(dict(metrics))
                for name, figure in plots.items():
                    mlflow.log_figure(figure, f"plots/{name}.png")
                for name, text in texts.items():
                    mlflow.log_text(text, name)

    def _register(self, name: str, source: str, model_id: str, tags: Mapping[str, str]) -> str:
        if not self._client.search_registered_models(f"name = '{name}'"):
            self._client.create_registered_model(name)
        made = self._client.create_model_version(name, source, tags=dict(tags), model_id=model_id)
        return str(made.version)

    def _by_alias(self, name: str, aliases: list[str]) -> ModelVersion | None:
        for alias in [] if self._is_new else aliases:
            try:
                return self._client.get_model_version_by_alias(name, alias)
            except MlflowException:
                continue
        return None

    def _by_version(self, name: str, version: str) -> ModelVersion | None:
        if self._is_new:
            return None
        try:
            return self._client.get_model_version(name, version)
        except MlflowException:
            return None


def signature(example: pd.DataFrame, answers: pd.DataFrame) -> ModelSignature:
    """Describe inputs and outputs: every input optional, as a missing column is a missing value."""
    inputs = [ColSpec(_type(example[name]), name, required=False) for name in example]
    outputs = [ColSpec(_type(answers[name]), name) for name in answers]
    return ModelSignature(inputs=Schema(inputs), outputs=Schema(outputs))


def _type(column: pd.Series[Any]) -> DataType:
    if pd.api.types.is_datetime64_any_dtype(column):
        return DataType.datetime
    return DataType.double if pd.api.types.is_float_dtype(column) else DataType.string


def _files(folder: Path) -> Path:
    """Return the folder of our own files inside a logged model: the one that holds the card."""
    return next(folder.rglob("card.json")).parent


@contextmanager
def _quiet(uri: str) -> Iterator[None]:
    """Speak to the store at `uri`, with MLflow's advice about its own insides kept off the terminal."""
    # `models:/` addresses are resolved against MLflow's global setting, whatever the client's.
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    loggers = [logging.getLogger(name) for name in ("mlflow", "alembic")]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
