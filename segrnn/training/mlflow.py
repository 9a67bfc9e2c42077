"""A run's page on an MLflow server, or in MLflow's own database. Only this module uses the package mlflow."""

import json
import math
import os
import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from segrnn.config.parsing import plain
from segrnn.errors import ConfigError, Interrupted
from segrnn.metrics import Scores
from segrnn.nested import flatten
from segrnn.reports import Gallery, write_json, write_rows, write_scores
from segrnn.text import tell
from segrnn.training.dashboard import Dashboard, Result, RunInfo

for _name, _value in {
    "MLFLOW_DISABLE_TELEMETRY": "true",  # nothing is sent to anyone but the user's own server
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",  # by default, MLflow waits for many minutes for a server that is down
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
}.items():
    os.environ.setdefault(_name, _value)

try:
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Param, RunTag
except ModuleNotFoundError as error:  # the package is optional
    raise ConfigError('logger=mlflow needs mlflow, which is not installed: pip install "segrnn[mlflow]"') from error

_FILE = "mlflow_run.json"
"""The file of a run that holds the id of its MLflow run."""
_MOST_PARAMS, _LONGEST = 100, 500
"""The most parameters in one request, and the most characters of a value. MLflow refuses more."""


class MlflowDashboard(Dashboard):
    """Shows a run as an MLflow run: curves, pictures, settings and files, and its best network in the model registry.

    A resumed run continues its MLflow run. If the server fails, a message says so, and the run goes on without it.

    Args:
        save_dir: the run's folder.
        experiment: the MLflow experiment. It is made if it does not exist.
        tracking_uri: the address of a server, such as ``http://localhost:5000``, or of a database. None is MLflow's own
            default: the variable MLFLOW_TRACKING_URI or, without it, the file ``mlflow.db`` in the working folder.
        tags: tags of the MLflow run.
        checkpoints: whether the best and the last checkpoint are uploaded when the run ends.
        register: the name in the model registry under which the best checkpoint becomes a new version; None does not
            register it.

    Raises:
        ConfigError: `register` needs `checkpoints`.
    """

    def __init__(
        self,
        save_dir: str,
        experiment: str = "segrnn",
        tracking_uri: str | None = None,
        tags: Mapping[str, str] | None = None,
        checkpoints: bool = True,
        register: str | None = None,
    ) -> None:
        super().__init__()
        if register and not checkpoints:
            raise ConfigError(f"logger.register={register} needs logger.checkpoints=true")
        self._folder, self.experiment, self.tracking_uri = save_dir, experiment, tracking_uri
        self.tags, self.checkpoints, self.register = dict(tags or {}), checkpoints, register
        self.client: MlflowClient | None = None
        self.run_id = ""
        self.last: Scores | None = None

    @property
    def name(self) -> str:
        """Return the name of the experiment."""
        return self.experiment

    @property
    def version(self) -> str:
        """Return the id of the MLflow run, or an empty text if there is none."""
        return self.run_id

    @property
    def save_dir(self) -> str:
        """Return the run's folder."""
        return self._folder

    def begin(self, run: RunInfo) -> None:
        """Start an MLflow run, or go on with that of an interrupted training."""
        self.info = run
        before = _read_id(run.folder) if run.step else None
        config = {**plain(run.config), "run": run.metadata}
        self._safely(lambda: self._start(run.name, "train", config, before, {"group": run.group}))
        if self.run_id:
            write_json({"id": self.run_id}, run.folder / _FILE)

    def _start(
        self, name: str, job: str, config: Mapping[str, Any], before: str | None, tags: Mapping[str, str]
    ) -> None:
        client = MlflowClient(tracking_uri=self.tracking_uri)
        found = client.get_experiment_by_name(self.experiment)
        experiment = client.create_experiment(self.experiment) if found is None else found.experiment_id
        if before is None:
            before = client.create_run(experiment, run_name=name).info.run_id
            params = [Param(_key(key), str(value)[:_LONGEST]) for key, value in flatten(config)]
            for first in range(0, len(params), _MOST_PARAMS):
                client.log_batch(before, params=params[first : first + _MOST_PARAMS])
        self.client, self.run_id = client, before
        every = {**self.tags, **tags, "job": job}
        client.log_batch(before, tags=[RunTag(key, value) for key, value in every.items()])

    def log_hyperparams(self, params: Any, *args: Any) -> None:
        """Do nothing: `begin` hands over the configuration."""

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Add a point to each curve. Lightning counts steps from 0."""
        self._log(metrics, 0 if step is None else step + 1)

    def _log(self, metrics: Mapping[str, float], step: int) -> None:
        now = round(1000 * time.time())
        points = [Metric(_key(name), float(value), now, step) for name, value in metrics.items()]
        self._do(lambda client: client.log_batch(self.run_id, points))

    def show_validation(self, step: int, scores: Scores, gallery: Gallery) -> None:
        """Show the chosen images with their masks, as one picture for each validation."""
        self.last = scores

        def show(client: MlflowClient) -> None:
            with TemporaryDirectory() as folder:
                path = Path(folder, f"step_{step:08d}.jpg")
                write_rows(gallery.chosen, self.info.labels, path)
                client.log_artifact(self.run_id, str(path), "panels")

        if gallery.chosen:
            self._do(show)

    def show_result(self, result: Result) -> None:
        """Show figures and files of a command, below the MLflow run of the training."""
        tags = {"group": result.group} if result.group else {}
        for source in result.checkpoints:
            if training := _read_id(Path(source).resolve().parent.parent):
                tags["mlflow.parentRunId"] = training
        self._safely(lambda: self._start(result.name, result.job, result.config, None, tags))
        self._log({name: value for name, value in result.numbers.items() if not math.isnan(value)}, 0)
        self._add_files(result.folder)
        self._do(lambda client: client.set_terminated(self.run_id, "FINISHED"))

    def end(self, error: BaseException | None) -> None:
        """Add scores and files, register the best network, and say how the run ended."""
        with TemporaryDirectory() as folder:  # the run's own folder gets its scores later
            if self.last is not None:
                write_scores(self.last, Path(folder))
            self._add_files(Path(folder))
        self._add_files(self.info.folder)
        if self.checkpoints:
            self._do(self._add_checkpoints)
        stopped = "KILLED" if isinstance(error, Interrupted) else "FAILED"
        self._do(lambda client: client.set_terminated(self.run_id, "FINISHED" if error is None else stopped))

    def _add_files(self, folder: Path) -> None:
        def add(client: MlflowClient) -> None:
            for path in sorted(folder.iterdir()):
                if path.suffix in (".json", ".csv", ".png", ".html", ".npz", ".yaml"):
                    client.log_artifact(self.run_id, str(path))

        self._do(add)

    def _add_checkpoints(self, client: MlflowClient) -> None:
        folder = self.info.folder / "checkpoints"
        for name in ("best", "last"):
            if (folder / f"{name}.ckpt").exists():
                client.log_artifact(self.run_id, str(folder / f"{name}.ckpt"), "checkpoints")
        if self.register and (folder / "best.ckpt").exists():
            if not client.search_registered_models(f"name = '{self.register}'"):
                client.create_registered_model(self.register)
            source = f"runs:/{self.run_id}/checkpoints/best.ckpt"
            client.create_model_version(self.register, source, self.run_id)

    def _do(self, action: Callable[[MlflowClient], object]) -> None:
        client = self.client
        if client is not None:
            self._safely(lambda: action(client))

    def _safely(self, action: Callable[[], object]) -> None:
        """Do something with MLflow. If that fails, print a message, and do not use MLflow from then on."""
        try:
            action()
        except Exception as error:
            self.client = None
            first = str(error).strip().partition("\n")[0].rstrip(".")
            tell(f"MLflow fails ({type(error).__name__}: {first}): the run continues without it")


def _key(name: str) -> str:
    """Return a name that MLflow allows for a curve."""
    return re.sub(r"[^\w\-. /:]", "", name)


def _read_id(folder: Path) -> str | None:
    """Return the id of the MLflow run of a training, if it has one."""
    try:
        return str(json.loads((folder / _FILE).read_text(encoding="utf-8"))["id"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
