"""Checkpoints, which a run goes on from. A checkpoint is either complete or not there at all."""

import contextlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.plugins.io import TorchCheckpointIO

from segrnn.errors import CheckpointError, OutputError
from segrnn.inference import read_checkpoint
from segrnn.training.interruption import Interruption
from segrnn.training.module import SegmentationModule

KEYS = ("segrnn", "global_step", "state_dict", "loops", "optimizer_states")
"""The keys of a checkpoint that a run needs to go on from it."""

OnValidation = Callable[[int, float, bool], None]
"""What is called after a validation: with its step, its mIoU, and whether it is the last one of the run."""

_AGREE_EVERY_N_STEPS = 5
"""Steps from one time that the processes ask each other whether to end to the next."""


class WholeFiles(TorchCheckpointIO):
    """Writes each checkpoint to a draft beside its place, waits for the disk, and then moves the draft there.

    Lightning's own class collects the whole file in memory first, and doesn't wait for the disk.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        """Write a checkpoint.

        Raises:
            OutputError: the file can't be written, for example because the disk is full. A file that was at `path`
                before is still there.
        """
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.part")
        try:
            with open(draft, "wb") as file:
                torch.save(checkpoint, file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(draft, path)
        except (OSError, RuntimeError) as error:  # torch raises a RuntimeError if the disk is full
            with contextlib.suppress(OSError):
                draft.unlink()
            free, reason = shutil.disk_usage(path.parent).free / 2**20, str(error).partition("\n")[0]
            raise OutputError(
                f"the checkpoint {path} can't be written ({reason}; {free:.0f} MiB are free). Earlier checkpoints are "
                "intact: make room, and continue from them with ckpt=auto"
            ) from error


class Checkpoints(Callback):
    """Saves the run at regular steps, after each validation, and when it is told to end.

    ``last.ckpt`` is the newest checkpoint, ``previous.ckpt`` the one before, and ``best.ckpt`` the one with the highest
    validation mIoU. A checkpoint lists the validations that the run has had. If the validation of its step is missing,
    a run that goes on from it makes up for it.

    Args:
        folder: the folder of the checkpoints.
        every_n_steps: how often to save between validations.
        validate_every_n_steps: how often the run validates.
        patience: the number of validations in a row without a better mIoU after which the run stops. With None it goes
            on to the end.
        interruption: knows whether the run was told to end.
        on_validation: called after each validation, in every process.
    """

    def __init__(
        self,
        folder: Path,
        every_n_steps: int,
        validate_every_n_steps: int,
        patience: int | None,
        interruption: Interruption,
        on_validation: OnValidation | None = None,
    ) -> None:
        self.folder, self.every_n_steps, self.validate_every_n_steps = folder, every_n_steps, validate_every_n_steps
        self.patience, self.interruption, self.on_validation = patience, interruption, on_validation
        self.validations: list[tuple[int, float]] = []

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Make up for a validation that the run was interrupted in."""
        self._stop_without_progress(trainer)
        due = trainer.global_step > 0 and trainer.global_step % self.validate_every_n_steps == 0
        if due and trainer.global_step not in dict(self.validations):
            trainer.validating = True
            trainer.fit_loop.epoch_loop.val_loop.run()
            trainer.training = True

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save the run at regular steps, and end it if it was told to."""
        step = trainer.global_step
        asks = trainer.world_size == 1 or step % _AGREE_EVERY_N_STEPS == 0
        interrupted = self.interruption.agreed(trainer) if asks else None
        if interrupted or step % self.every_n_steps == 0:
            self._save(trainer)
        if interrupted:
            raise interrupted

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save the run, also as the best if its mIoU is, and end it if it was told to."""
        assert isinstance(pl_module, SegmentationModule)
        if pl_module.scores is None:
            self._save(trainer)
            interrupted = self.interruption.agreed(trainer)
            assert interrupted is not None
            raise interrupted
        miou = pl_module.scores.miou
        best = all(not former > miou for _, former in self.validations)
        self.validations.append((trainer.global_step, miou))
        self._save(trainer, best)
        if self.on_validation is not None:
            self.on_validation(trainer.global_step, miou, trainer.global_step >= trainer.max_steps)
        self._stop_without_progress(trainer)

    def _stop_without_progress(self, trainer: pl.Trainer) -> None:
        scores = [miou for _, miou in self.validations]
        if self.patience is not None and scores and len(scores) - 1 - scores.index(max(scores)) >= self.patience:
            trainer.should_stop = True

    def _save(self, trainer: pl.Trainer, best: bool = False) -> None:
        new, last = self.folder / "new.ckpt", self.folder / "last.ckpt"
        trainer.save_checkpoint(new)
        if trainer.is_global_zero:
            if best:
                link_or_copy(new, self.folder / "best.ckpt")
            if last.exists():
                os.replace(last, self.folder / "previous.ckpt")
            os.replace(new, last)

    def state_dict(self) -> dict[str, Any]:
        """Return the steps and mIoU of the validations so far."""
        return {"validations": [list(validation) for validation in self.validations]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over the steps and mIoU of the validations from a checkpoint."""
        self.validations = [(step, miou) for step, miou in state_dict["validations"]]


def find_newest(folder: Path, say: Callable[[str], None]) -> Path | None:
    """Return the checkpoint of the latest step in a folder, or None. Damaged checkpoints are skipped.

    Args:
        folder: the folder to look in. It may be missing.
        say: called with a message for each damaged checkpoint.
    """
    found: list[tuple[int, float, Path]] = []
    for path in folder.glob("*.ckpt"):
        try:
            found.append((read_checkpoint(path, KEYS)["global_step"], path.stat().st_mtime, path))
        except CheckpointError as error:
            say(f"{error}; this checkpoint is skipped")
    return max(found)[2] if found else None


def link_or_copy(source: Path, target: Path) -> None:
    """Give a file a second name, or copy it where the disk does not support hard links.

    The file must never be written to again.
    """
    draft = target.with_name(f".{target.name}.part")
    draft.unlink(missing_ok=True)
    try:
        os.link(source, draft)
    except OSError:
        shutil.copyfile(source, draft)
    os.replace(draft, target)
