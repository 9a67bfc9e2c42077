"""A run's page on Weights & Biases (W&B). Beside it, `wandb_media` and `wandb_service` use the package."""

import io
import json
import logging
import math
import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stderr, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal, get_args

import wandb

from segrnn.config.parsing import plain
from segrnn.errors import ConfigError, Interrupted, Pruned, SegrnnError
from segrnn.images.object_store import is_address
from segrnn.inference import read_checkpoint
from segrnn.metrics import Scores
from segrnn.reports import Example, Gallery, write_json, write_scores
from segrnn.text import printable, tell
from segrnn.training import wandb_media as media
from segrnn.training.checkpoints import KEYS, link_or_copy
from segrnn.training.dashboard import Dashboard, Result, RunInfo
from segrnn.training.wandb_service import find_server, finish_within, no_questions

Mode = Literal["offline", "online", "disabled"]
_STEP = "trainer/global_step"
_PARTS = "wandb_runs.json"
"""The file of a run that names its W&B runs. A run has several if it was interrupted."""
_MARGIN = 30
"""The seconds that W&B gets beyond its own limit to finish a run."""
_PREEMPTED = 143
"""The exit code of a run that was told to end and will go on later. After Ctrl-C the code is another."""


class WandbDashboard(Dashboard):
    """Shows a run as a W&B run, online or in files for `wandb sync`.

    Curves are shown over ``trainer/global_step``. A resumed run continues its former W&B run if both parts are online.
    Else it becomes one more W&B run of the same group, because syncing a second offline part would erase the first.

    If the W&B service can't start or dies, a message says so, and the run goes on without it. If the service hangs
    without dying, the run waits for it at a validation. At the end it waits for a limited time.

    Args:
        save_dir: where W&B makes its ``wandb`` folder.
        project: the W&B project.
        mode: ``offline`` writes files for `wandb sync`, ``online`` uploads, ``disabled`` does neither.
        entity: the W&B user or team; None is the default one.
        tags: the tags of the W&B run.
        examples_every_n_validations: the number of validations from one with examples to the next.
        checkpoints: whether the best and the last checkpoint are uploaded when the run ends.
        alerts: whether W&B sends a message when the run ends or fails, by e-mail or Slack as the user has set it there.
        init_timeout: seconds to wait for the server at the start, before the run is written to files instead.
        finish_timeout: seconds to wait for uploads at the end.

    Raises:
        ConfigError: the mode is unknown, or a number is out of range.
    """

    def __init__(
        self,
        save_dir: str,
        project: str,
        mode: Mode = "offline",
        entity: str | None = None,
        tags: Sequence[str] = (),
        examples_every_n_validations: int = 1,
        checkpoints: bool = True,
        alerts: bool = False,
        init_timeout: float = 60,
        finish_timeout: float = 600,
    ) -> None:
        super().__init__()
        if mode not in get_args(Mode):
            raise ConfigError(f"logger.mode={mode!r} must be one of {', '.join(get_args(Mode))}")
        if examples_every_n_validations < 1:
            raise ConfigError(f"logger.examples_every_n_validations={examples_every_n_validations} must be at least 1")
        for key, seconds in {"init_timeout": init_timeout, "finish_timeout": finish_timeout}.items():
            if not seconds > 0:
                raise ConfigError(f"logger.{key}={seconds} must be above 0")
        self._folder, self.project, self.mode, self.entity, self.tags = save_dir, project, mode, entity, tuple(tags)
        self.examples_every_n_validations, self.checkpoints = examples_every_n_validations, checkpoints
        self.alerts = alerts
        self.init_timeout, self.finish_timeout = init_timeout, finish_timeout
        self.run: wandb.Run | None = None
        self.begun_as: Mode = "disabled"
        self.validations = 0
        self.last: tuple[int, Scores, Gallery] | None = None

    @property
    def name(self) -> str:
        """Return the name of the W&B project."""
        return self.project

    @property
    def version(self) -> str:
        """Return the W&B run's id, or an empty text if there is no W&B run."""
        return self.run.id if self.run else ""

    @property
    def save_dir(self) -> str:
        """Return the folder that holds the ``wandb`` folder."""
        return self._folder

    def begin(self, run: RunInfo) -> None:
        """Start a W&B run: online if the user has asked for it and it is possible, else in files."""
        self.info = run
        parts = run.folder / _PARTS
        before = _read_parts(parts) if run.step else []
        self._open(lambda mode: self._describe_training(before, mode))
        if self.run is not None and self.run.id not in [part["id"] for part in before]:
            write_json([*before, {"id": self.run.id, "mode": self.begun_as, "group": run.group}], parts)
        self._safely(self._introduce)

    def _describe_training(self, before: list[dict[str, str]], mode: Mode) -> dict[str, Any]:
        """Return what W&B shall know about this part of a training, after the parts before it."""
        goes_on = bool(before) and before[-1]["mode"] == mode == "online"
        config, name = {**plain(self.info.config), "run": self.info.metadata}, self.info.name
        if before and not goes_on:
            config["resumed_from"] = {"wandb_run": before[-1]["id"], "step": self.info.step}
        return {
            "id": before[-1]["id"] if goes_on else None,
            "resume": "allow" if goes_on else None,
            "name": printable(name if goes_on or not before else f"{name} from step {self.info.step}"),
            "group": printable(self.info.group),
            "job_type": "train",
            "config": config,
        }

    def _open(self, describe: Callable[[Mode], dict[str, Any]]) -> None:
        """Start a W&B run: online if the user has asked for it and it is possible, else in files."""
        if self.mode == "online":
            try:
                find_server()
                self._start("online", describe("online"))
            except Exception as error:
                tell(f"W&B can't be reached ({_reason(error)}): the run is written to files instead")
        if self.run is None and self.mode != "disabled":
            try:
                self._start("offline", describe("offline"))
            except Exception as error:
                tell(f"W&B can't start ({_reason(error)}): the run continues without it")

    def _start(self, mode: Mode, described: dict[str, Any]) -> None:
        Path(self._folder).mkdir(parents=True, exist_ok=True)
        with no_questions():
            self.run = wandb.init(
                project=self.project,
                entity=self.entity,
                dir=self._folder,
                mode=mode,
                tags=self.tags,
                reinit="create_new",
                settings=wandb.Settings(
                    quiet=True,
                    init_timeout=self.init_timeout,
                    finish_timeout=self.finish_timeout,
                    finish_timeout_raises=True,
                ),
                **described,
            )
        self.begun_as = mode
        for handler in logging.getLogger("wandb").handlers:
            setattr(handler, "handleError", lambda _: None)  # noqa: B010  # a full disk would fill the terminal, too

    def _introduce(self, run: wandb.Run) -> None:
        run.define_metric(_STEP)
        run.define_metric("*", step_metric=_STEP)
        data = self.info.config.data
        name = re.sub(r"[^\w.-]+", "-", data.name, flags=re.ASCII)[:100]  # W&B allows no other characters
        artifact = wandb.Artifact(f"data-{name}", "dataset", metadata=asdict(data))
        with redirect_stderr(io.StringIO()):  # W&B warns that it does not look into a folder, which would take long
            place = data.source
            address = place if is_address(place) else f"folder://{Path(place).resolve()}"
            artifact.add_reference(address, self.info.metadata["data_digest"], checksum=False)
        run.log_artifact(artifact)

    def log_hyperparams(self, params: Any, *args: Any) -> None:
        """Do nothing: `begin` hands over the configuration."""

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Add a point to each curve. Lightning counts steps from 0."""
        self._safely(lambda run: run.log(dict(metrics) if step is None else {**metrics, _STEP: step + 1}))

    def show_validation(self, step: int, scores: Scores, gallery: Gallery) -> None:
        """Show charts of the scores, and the chosen images with their masks."""
        self.last = (step, scores, gallery)
        with_examples = self.validations % self.examples_every_n_validations == 0
        self.validations += 1
        self._safely(lambda run: self._show_validation(run, step, scores, gallery.chosen if with_examples else []))

    def _show_validation(self, run: wandb.Run, step: int, scores: Scores, examples: Sequence[Example]) -> None:
        shown: dict[str, Any] = {_STEP: step, "val/iou_by_class": media.iou_chart(scores)}
        if chart := media.confusion_chart(scores):
            shown["val/confusion"] = chart
        with tempfile.TemporaryDirectory() as folder:
            if examples:
                labels = self.info.labels
                shown["val/examples"] = media.example_images(examples, labels)
                shown["val/panels"] = media.panels(examples, labels, Path(folder, "panels.jpg"))
            run.log(shown)

    def show_result(self, result: Result) -> None:
        """Show figures, tables, pictures and pages of a command's folder, and name the W&B run of the training.

        All files are in an artifact, too.
        """
        trainings = [part for source in result.checkpoints if (part := _find_training(source))]
        config = {**result.config, "trainings": [part["id"] for part in trainings]}
        described = {
            "name": printable(result.name),
            "group": printable(result.group or (trainings[0]["group"] if trainings else "")) or None,
            "job_type": result.job,
            "config": config,
        }
        self._open(lambda mode: described)
        self._safely(lambda run: self._add_result(run, result))
        self._safely(lambda run: self._finish(run, 0))
        self.run = None

    def _add_result(self, run: wandb.Run, result: Result) -> None:
        run.log({name: value for name, value in result.numbers.items() if not math.isnan(value)})
        run.log(media.show_files(result.folder))
        artifact = wandb.Artifact(f"{result.job}-{run.id}", result.job)
        for path in sorted(result.folder.iterdir()):
            if path.is_file():
                artifact.add_file(str(path))
        run.log_artifact(artifact)

    def end(self, error: BaseException | None) -> None:
        """Add scores and checkpoints, and mark the run as finished, failed or preempted."""
        exit_code = 0 if error is None else error.exit_code if isinstance(error, SegrnnError) else 1
        if isinstance(error, Interrupted) and exit_code == _PREEMPTED:
            self._safely(lambda run: run.mark_preempting())  # first: there may be no time for the rest
        # W&B would ask a server that does not work for each artifact, for minutes
        self._safely(lambda run: None if run.offline else find_server())
        self._safely(self._add_scores)
        if self.checkpoints:
            self._safely(self._add_checkpoints)
        if self.alerts:
            self._safely(lambda run: self._alert(run, error))
        self._safely(lambda run: self._finish(run, exit_code))
        self.run = None

    def _alert(self, run: wandb.Run, error: BaseException | None) -> None:
        name = printable(self.info.name)
        if error is None:
            miou = "" if self.last is None else f", val mIoU {100 * self.last[1].miou:.2f} %"
            run.alert(f"{name} has ended", f"step {self.info.config.trainer.max_steps}{miou}")
        elif isinstance(error, Interrupted):
            run.alert(f"{name} was stopped", str(error), "WARN")
        elif not isinstance(error, Pruned):
            run.alert(f"{name} has failed", str(error), "ERROR")

    def _add_scores(self, run: wandb.Run) -> None:
        """Add all scores of the last validation.

        Each table is a file of its own, so there would be too many files if every validation added its tables.
        """
        if self.last is None:
            return
        step, scores, gallery = self.last
        with tempfile.TemporaryDirectory() as folder:
            write_scores(scores, Path(folder))
            run.log(
                {
                    _STEP: step,
                    "confusion_matrix": wandb.Image(str(Path(folder, "confusion.png"))),
                    "confusions": media.confusion_table(scores),
                    "worst": media.worst_table(gallery.worst, self.info.labels),
                }
            )
            artifact = wandb.Artifact(f"scores-{run.id}", "scores", metadata={"step": step, "miou": scores.miou})
            for path in sorted(Path(folder).iterdir()):
                artifact.add_file(str(path))
            run.log_artifact(artifact)

    def _add_checkpoints(self, run: wandb.Run) -> None:
        for name in ("best", "last"):
            path = self.info.folder / "checkpoints" / f"{name}.ckpt"
            if not path.exists():
                continue
            metadata = {
                **_describe(path),
                **self.info.metadata,
                "class_names": [printable(name) for name in self.info.labels.class_names],
            }
            artifact = wandb.Artifact(f"model-{run.id}", "model", metadata=metadata)
            kept = Path(run.dir).parent / "checkpoints" / path.name  # stays as it is now until it is uploaded
            kept.parent.mkdir(exist_ok=True)
            link_or_copy(path, kept)
            artifact.add_file(str(kept), path.name, policy="immutable", skip_cache=True)
            run.log_artifact(artifact, aliases=[name, f"step-{metadata['step']}"])

    def _finish(self, run: wandb.Run, exit_code: int) -> None:
        if not run.offline:
            tell(f"W&B uploads the rest of the run for up to {self.finish_timeout:g} s: {run.url}")
        finish_within(self.finish_timeout + _MARGIN, run, exit_code)
        if run.offline:
            tell(f"W&B run                   wandb sync {_sync_dir(run)}")

    def _safely(self, action: Callable[[wandb.Run], None]) -> None:
        """Do something with the W&B run. If that fails, print a message, and do not use W&B from then on."""
        run = self.run
        if run is None:
            return
        try:
            action(run)
        except Exception as error:
            self.run = None
            tell(
                f"W&B fails ({_reason(error)}): the run continues without it. To upload what W&B has recorded so far:\n"
                f"  wandb sync {_sync_dir(run)}",
            )
            with redirect_stderr(io.StringIO()):
                with suppress(Exception):
                    finish_within(self.finish_timeout, run, 1)  # otherwise it would go on copying printed text
                # so that the next run of this process finds a new service; a service that was ended makes W&B exit
                with suppress(Exception, SystemExit):
                    wandb.teardown(1)


def _read_parts(path: Path) -> list[dict[str, str]]:
    """Return the W&B runs of a run's earlier parts, or nothing if the list is missing or damaged."""
    try:
        parts = json.loads(path.read_text(encoding="utf-8"))
        return [{key: part[key] for key in ("id", "mode", "group")} for part in parts]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _find_training(source: str) -> dict[str, str] | None:
    """Return the last W&B run of the training that has written a checkpoint, if there is one."""
    folder = Path(source).resolve().parent.parent  # <run>/checkpoints/best.ckpt
    return next(reversed(_read_parts(folder / _PARTS)), None)


def _describe(path: Path) -> dict[str, Any]:
    """Return a checkpoint's step, and the mIoU of the last validation before it."""
    checkpoint = read_checkpoint(path, KEYS)
    validations = checkpoint["callbacks"]["Checkpoints"]["validations"]
    return {"step": checkpoint["global_step"], "miou": validations[-1][1] if validations else None}


def _sync_dir(run: wandb.Run) -> Path:
    return Path(run.dir).parent


def _reason(error: BaseException) -> str:
    first_line = str(error).strip().partition("\n")[0].rstrip(".")
    return f"{type(error).__name__}: {first_line}" if first_line else type(error).__name__
