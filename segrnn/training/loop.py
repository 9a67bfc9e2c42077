"""The training loop: Lightning's, with the callbacks and checks that every run of segrnn uses."""

import json
import os
import signal
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from lightning_fabric.plugins.environments.cluster_environment import ClusterEnvironment
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from lightning_fabric.plugins.environments.slurm import SLURMEnvironment
from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from lightning_fabric.utilities.exceptions import MisconfigurationException
from pytorch_lightning.callbacks import Callback, LearningRateMonitor, WeightAveraging
from pytorch_lightning.loggers import Logger
from pytorch_lightning.profilers import SimpleProfiler
from pytorch_lightning.strategies.launchers.subprocess_script import _SubprocessScriptLauncher
from torch.optim.swa_utils import get_ema_multi_avg_fn

from segrnn.atomic import write_text
from segrnn.config.schema import Trainer
from segrnn.errors import ConfigError, TrainingError
from segrnn.processes import place
from segrnn.training.callbacks import ProgressBar, ValidateAtEnd
from segrnn.training.checkpoints import Checkpoints, OnValidation, WholeFiles
from segrnn.training.dashboard import ShowValidations
from segrnn.training.datamodule import DataModule
from segrnn.training.example_images import Examples
from segrnn.training.first_step import takes, try_step
from segrnn.training.lr_range import LearningRateRange
from segrnn.training.module import SegmentationModule
from segrnn.training.speed import Speed
from segrnn.training.synchronize import synchronize_batch_norm
from segrnn.trouble import is_out_of_memory, reason_of


def fit(
    module: SegmentationModule,
    data: DataModule,
    loggers: Sequence[Logger],
    run_dir: Path,
    trainer: Trainer,
    steps: int,
    save_every_n_steps: int,
    examples: Examples,
    further: Sequence[Callback] = (),
    resume: Path | None = None,
    on_validation: OnValidation | None = None,
) -> None:
    """Train for a number of steps, with validations on the way and at the end.

    The folder ``<run_dir>/checkpoints`` then holds ``best.ckpt`` (by validation mIoU) and ``last.ckpt`` (after the last
    step). `module` holds the last validation's scores, and `examples` its examples.

    Args:
        module: the module to train.
        data: the training and validation data.
        loggers: the loggers that receive the curves. Dashboards among them show more.
        run_dir: the run's folder.
        trainer: the configuration's group ``trainer``.
        steps: the number of steps of the whole run.
        save_every_n_steps: how often to save between validations.
        examples: collects the examples of each validation.
        further: the user's own callbacks.
        resume: a checkpoint of the run to go on from.
        on_validation: called after each validation, in every process.

    Raises:
        ConfigError: the devices, the precision, the sizes of batches or the size of crops do not work.
        TrainingError: the loss is not finite, or the memory is too small.
        OutputError: a checkpoint can't be written.
        Interrupted: the run was told to end, and is saved.
    """
    checkpoints = Checkpoints(
        run_dir / "checkpoints",
        save_every_n_steps,
        min(trainer.validate_every_n_steps, steps),
        trainer.patience,
        module.interruption,
        on_validation,
    )
    # the average comes first: it is updated before checkpoints save the step, and is in place when they see a score
    average = _average(trainer.ema_decay)
    test = [LearningRateRange(run_dir / "lr_range.png")] if trainer.lr_range else []
    speed = Speed()
    shown: list[Callback] = [examples, ShowValidations(examples), speed, ProgressBar(speed), *test]
    callbacks = [*average, checkpoints, ValidateAtEnd(), *shown, *further]
    lightning = _make_trainer(trainer, steps, loggers, run_dir, callbacks)
    data.check_shares(lightning.world_size, module.micro_batch_size)
    if module.thaw_at is not None and lightning.world_size > 1:  # processes share only what is trained from the start
        raise ConfigError(
            f"encoder.thaw_at={module.thaw_at} needs a run of one process, and this one has {lightning.world_size}: "
            "end a run with encoder.freeze=true, then start another one with weights=<its best.ckpt>"
        )
    synchronized = lightning.world_size > 1 and trainer.sync_batch_norm
    share = module.micro_batch_size or data.batch_size // lightning.world_size
    try_step(module.model, share * lightning.world_size if synchronized else share, data.train.augmentation.crop)
    if synchronized:
        synchronize_batch_norm(module, on_gpu=lightning.strategy.root_device.type == "cuda")
    # Lightning itself does so after it has restored a checkpoint, so weights of 64 bits would be rounded to 32
    lightning.strategy.precision_plugin.convert_module(module)
    try:
        with _without_warnings_of_lightning():
            lightning.fit(module, data, ckpt_path=resume, weights_only=True)
            if module.scores is None:  # the run had already made all steps, but not finished its last validation
                lightning.validate(module, data, verbose=False)
    except BaseException as error:
        _end_children(lightning)
        if is_out_of_memory(error):
            raise TrainingError(_explain_memory(error, module, data, lightning)) from error
        if isinstance(error, TrainingError):
            raise TrainingError(_explain_failure(error, data, lightning, run_dir)) from error
        raise


@contextmanager
def _without_warnings_of_lightning() -> Iterator[None]:
    """Silence warnings about what is meant to be as it is."""
    with warnings.catch_warnings():
        # Lightning 2.6.6 asks for a class that torch 2.15 deprecates; a user can't mend that
        warnings.filterwarnings("ignore", message=".*LeafSpec", category=FutureWarning)
        # the data module itself starts the stream at the run's step
        warnings.filterwarnings("ignore", message=".*dataloader is not resumable")
        # a run that goes on may have other settings; the module takes care of the weights
        warnings.filterwarnings("ignore", message=".*not created with WeightAveraging")
        warnings.filterwarnings("ignore", message=".*callbacks used to create the checkpoint")
        # frozen parts of the encoder are meant to be
        warnings.filterwarnings("ignore", message=".*in eval mode at the start of training")
        yield


def _make_trainer(
    trainer: Trainer, steps: int, loggers: Sequence[Logger], run_dir: Path, callbacks: list[Callback]
) -> pl.Trainer:
    devices = trainer.devices
    precision: Any = trainer.precision  # any text: Lightning checks it
    if not place().launcher and trainer.accelerator == "cpu" and devices > (os.cpu_count() or 1):
        raise ConfigError(f"trainer.devices={devices} is more than this machine's {os.cpu_count()} CPU cores")
    if trainer.accelerator in ("gpu", "cuda") and not torch.accelerator.is_available():
        raise ConfigError(
            f"trainer.accelerator={trainer.accelerator} needs a GPU, and torch {torch.__version__} finds none here: "
            "choose trainer=cpu or trainer=ddp_cpu"
        )
    if trainer.accelerator == "cpu" and trainer.strategy == "fsdp":
        raise ConfigError("trainer.strategy=fsdp needs GPUs: choose trainer=ddp_cpu for several processes on CPUs")
    try:
        lightning = pl.Trainer(
            accelerator=trainer.accelerator,
            devices=devices,
            num_nodes=trainer.num_nodes,
            strategy=trainer.strategy,
            precision=precision,
            max_steps=steps,
            limit_train_batches=steps,  # the stream is endless: one "epoch" is the run
            val_check_interval=min(trainer.validate_every_n_steps, steps),
            check_val_every_n_epoch=None,
            num_sanity_val_steps=0,
            log_every_n_steps=min(10, steps),
            use_distributed_sampler=False,  # the data module shares out the samples itself
            default_root_dir=run_dir,
            enable_model_summary=False,
            enable_checkpointing=False,
            logger=list(loggers),
            profiler=SimpleProfiler(run_dir, "profile") if trainer.profile else None,
            enable_progress_bar=False,
            plugins=[WholeFiles(), _environment(devices, trainer.num_nodes)],
            callbacks=[*callbacks, LearningRateMonitor("step")],
        )
    except (MisconfigurationException, ValueError) as error:
        raise ConfigError(f"trainer: {error}") from error
    # Lightning's own handler for SIGTERM calls a collective, which hangs if each process gets the signal
    setattr(lightning._signal_connector, "register_signal_handlers", lambda: None)  # noqa: B010  # mypy minds the other way
    return lightning


def _environment(devices: int, num_nodes: int) -> ClusterEnvironment:
    """Return the environment that tells Lightning which process this is, as `segrnn.processes` has found it.

    Lightning does not guess for itself.
    """
    launcher = place().launcher
    if launcher == "torchrun":
        return TorchElasticEnvironment()
    several = devices != 1 or num_nodes != 1
    return SLURMEnvironment() if launcher == "srun" and several else LightningEnvironment()


def _average(decay: float) -> list[Callback]:
    """Return the callback for the exponential moving average of weights and batch statistics, if there is one.

    Validation and checkpoints use the average.
    """
    return [WeightAveraging(multi_avg_fn=get_ema_multi_avg_fn(decay))] if decay else []


def _explain_memory(error: BaseException, module: SegmentationModule, data: DataModule, lightning: pl.Trainer) -> str:
    share = module.micro_batch_size or data.batch_size // lightning.world_size
    crop = " x ".join(str(side) for side in data.train.augmentation.crop)
    half = share // 2
    # one crop at a time is not enough for every batch norm, and on a full GPU that can't be tried
    alone = lightning.world_size == 1 and lightning.strategy.root_device.type == "cpu"
    possible = half > 1 or (half == 1 and alone and takes(module.model, 1, data.train.augmentation.crop))
    fewer = f"trainer.micro_batch_size={half}, " if possible and share % 2 == 0 else ""
    return (
        f"the memory of {lightning.strategy.root_device} is too small for {share} crops of {crop} at a time "
        f"({reason_of(error)}). To keep the recipe, set {fewer}trainer.checkpoint_encoder=true or "
        "trainer.precision=bf16-mixed. To change it, take a smaller data.crop"
    )


def _explain_failure(error: TrainingError, data: DataModule, lightning: pl.Trainer, run_dir: Path) -> str:
    """Return the message for a step that failed, and write the names of its images to a file.

    Every process calls this; one writes the file.
    """
    path = run_dir / "failed_step.json"
    if lightning.is_global_zero:
        report = {"error": str(error), "step": lightning.global_step + 1, "images": data.next_names()}
        write_text(path, json.dumps(report, indent=2) + "\n")
    return (
        f"{error}. {path} names the images of this step. The checkpoints were written before it and have finite "
        "weights. Usual reasons are a learning rate that is too high, no warm-up, no clipping, or 16-mixed where "
        "bf16-mixed would work"
    )


def _end_children(lightning: pl.Trainer) -> None:
    """End the processes that Lightning itself started: they would wait for this one for ever."""
    launcher = lightning.strategy.launcher
    if isinstance(launcher, _SubprocessScriptLauncher):
        launcher.kill(signal.SIGKILL)
        launcher.procs.clear()  # a thread of Lightning's would kill this process too when it sees a dead one
