"""The training loop: Lightning's, with what every run of segrnn wants around it."""

import warnings
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from lightning_fabric.utilities.exceptions import MisconfigurationException
from pytorch_lightning.callbacks import LearningRateMonitor, ModelCheckpoint
from pytorch_lightning.loggers import Logger

from segrnn.errors import ConfigError
from segrnn.training.callbacks import ProgressBar, ValidateAtEnd
from segrnn.training.datamodule import DataModule
from segrnn.training.module import SegmentationModule


def fit(
    module: SegmentationModule,
    data: DataModule,
    logger: Logger,
    checkpoints: Path,
    trainer: dict[str, Any],
    checkpoint_every_n_steps: int,
) -> None:
    """Train for a number of steps, validating on the way and at the end.

    Leaves ``best.ckpt`` (by validation mIoU) and ``last.ckpt`` (after the last step) in the checkpoint folder, and the
    last validation's scores in the module.

    Args:
        module: what to train.
        data: on what.
        logger: where curves go.
        checkpoints: a folder for the two checkpoints.
        trainer: ``max_steps``, ``validate_every_n_steps``, ``accelerator``, ``devices``, ``precision`` and
            ``gradient_clip_val``.
        checkpoint_every_n_steps: how often ``last.ckpt`` is renewed.

    Raises:
        ConfigError: Lightning refuses the devices or the precision.
    """
    max_steps = trainer["max_steps"]
    last = ModelCheckpoint(
        checkpoints, "last", every_n_train_steps=checkpoint_every_n_steps, enable_version_counter=False
    )
    best = ModelCheckpoint(checkpoints, "best", monitor="val/miou", mode="max", enable_version_counter=False)
    try:
        lightning = pl.Trainer(
            accelerator=trainer["accelerator"],
            devices=trainer["devices"],
            precision=trainer["precision"],
            gradient_clip_val=trainer["gradient_clip_val"] or None,
            max_steps=max_steps,
            limit_train_batches=max_steps,  # the stream is endless: one "epoch" is the run
            val_check_interval=min(trainer["validate_every_n_steps"], max_steps),
            check_val_every_n_epoch=None,
            num_sanity_val_steps=0,
            log_every_n_steps=min(10, max_steps),
            use_distributed_sampler=False,  # the data module shares out the samples itself
            default_root_dir=checkpoints.parent,
            enable_model_summary=False,
            logger=logger,
            enable_progress_bar=False,
            callbacks=[ValidateAtEnd(), ProgressBar(), best, last, LearningRateMonitor("step")],
        )
    except (MisconfigurationException, ValueError) as error:
        raise ConfigError(f"trainer: {error}") from error
    with warnings.catch_warnings():
        # Lightning 2.6.6 asks for a class that torch 2.15 deprecates; nothing that a user could mend
        warnings.filterwarnings("ignore", message=".*LeafSpec", category=FutureWarning)
        lightning.fit(module, data)
    lightning.save_checkpoint(checkpoints / "last.ckpt")
