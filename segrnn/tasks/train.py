"""Train a segmentation network: ``python -m segrnn.train``."""

import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytorch_lightning as pl
import torch
from omegaconf import OmegaConf
from pytorch_lightning.loggers import CSVLogger, Logger

from segrnn.atomic import write_text
from segrnn.claims import claimed
from segrnn.config.allow_list import ALLOW_LIST
from segrnn.config.augment import build_augmentation
from segrnn.config.data import build_dataset, read_repeats
from segrnn.config.data_knobs import Data
from segrnn.config.differences import differences
from segrnn.config.examples import choose_examples
from segrnn.config.from_run import CONFIG, read_run
from segrnn.config.model import build_model, freeze
from segrnn.config.parsing import plain
from segrnn.config.run import check_launcher, check_sweep
from segrnn.config.schema import Train
from segrnn.config.starts import record_start
from segrnn.dataset_tools import (
    describe_counts,
    describe_occurrence,
    describe_same_files,
    describe_small,
    look_at_some,
)
from segrnn.datasets import SegmentationDataset
from segrnn.datasets.statistics import read_statistics
from segrnn.errors import CheckpointError, ConfigError, OutputError
from segrnn.inference import KEY, read_checkpoint
from segrnn.inference.checkpoint import weights_of
from segrnn.instantiate import call, instantiate
from segrnn.labels import LabelSpace, hex_color
from segrnn.measure import count_parameters
from segrnn.metrics import Scores
from segrnn.models import Segmenter, checkpoint_activations, load_weights
from segrnn.models.compiling import check_compiler
from segrnn.processes import loading_processes, rank
from segrnn.reports import Gallery, gather_metadata, print_scores, write_examples, write_panels, write_scores
from segrnn.run_folder import begin_record, finish_record
from segrnn.run_log import logged
from segrnn.tasks.auto_batch import settle_batch_size
from segrnn.tasks.start_weights import load_start_weights
from segrnn.text import tell
from segrnn.threads import share_cores
from segrnn.training import Dashboard, DataModule, Examples, Interruption, RunInfo, SegmentationModule, fit, make_lean
from segrnn.training.checkpoints import KEYS, OnValidation, find_newest
from segrnn.training.length import count_steps, describe_length
from segrnn.training.resuming import check_optimizer, move_to


@dataclass(frozen=True)
class TrainResult:
    """The results of a training run: the scores of its last validation, its folder and its checkpoints."""

    scores: Scores
    run_dir: Path
    best: Path
    last: Path


def train(config: Train, run_dir: Path, on_validation: OnValidation | None = None) -> TrainResult:
    """Run a training, or the rest of one. Print a table, and write checkpoints, scores and pictures to a folder.

    Args:
        config: the configuration of ``conf/train.yaml``.
        run_dir: the run's folder. It is made if it is missing. It must not hold another run than the one to go on with.
        on_validation: called after each validation, in every process: with its step, its mIoU, and whether it is the
            last one of the run.

    Raises:
        SegrnnError: the configuration, the data, the folder or a checkpoint is at fault, or the run was told to end.
    """
    check_sweep(config.trainer.devices, config.trainer.num_nodes)
    check_launcher(config.trainer.devices, config.trainer.num_nodes)
    first = rank() == 0  # only the first process prints and writes
    say: Callable[[str], None] = tell if first else lambda _: None
    earlier: list[str] = []

    def say_early(message: str) -> None:
        say(message)
        earlier.append(message)

    with claimed(run_dir, say_early) if first else nullcontext():  # the first process claims the folder for all of them
        _check_folder(config, run_dir)  # a start that is refused here is not a part of the run, and not in its log
        with logged(run_dir / "train.log", config.log_level, earlier):
            return _train(config, run_dir, first, say, on_validation)


def _train(
    config: Train,
    run_dir: Path,
    first: bool,
    say: Callable[[str], None],
    on_validation: OnValidation | None,
) -> TrainResult:
    # at lower levels, Lightning advertises; its import sets a level, so this must come later
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    allow = config.allow
    resume = _find_checkpoint(config, run_dir, say)
    on_cpu = _runs_on_cpu(config.trainer.accelerator)
    if on_cpu:
        say(share_cores(max(1, config.trainer.devices)))
    if config.trainer.compile:
        check_compiler(torch.device("cpu" if on_cpu else "cuda"))
    with Interruption(config.trainer.max_minutes) as interruption:
        build_module = partial(_build_module, config, interruption=interruption, allow=allow)
        config = settle_batch_size(config, resume, build_module, on_cpu, say)
        pl.seed_everything(config.seed, workers=True, verbose=False)
        data = _build_data(config, allow)
        module = _build_module(config, data.val.labels, interruption, allow)
        if resume is None:
            load_start_weights(module.model, data.val.labels, config, allow)
        length = (config.trainer, data.images_per_pass, data.batch_size)
        steps = count_steps(*length)
        step = _check_resumed(resume, module, config, steps, say) if resume else 0
        began = (run_dir / CONFIG).exists()
        examples = Examples(choose_examples(config.examples, data.val), config.examples.extremes)
        loggers = _build_loggers(config, _new_folder_for_curves(run_dir, step) if began else run_dir, first, allow)
        colors = {label.name: hex_color(label.color) for label in data.val.labels.classes}
        parameters, in_context = count_parameters(module.model), count_parameters(module.model.context)
        if first:
            begin_record(run_dir, steps, colors, parameters, in_context)
        if first and not began:
            write_text(run_dir / CONFIG, OmegaConf.to_yaml(OmegaConf.create(plain(config))))
        if first:
            record_start(run_dir, step)
            _tell_origin(config, say)
        say(
            f"{len(data.train.dataset)} training and {len(data.val)} validation images, "
            f"{data.val.labels.num_classes} classes; {parameters:,} parameters, "
            f"of which {in_context:,} in the context{_tell_frozen(module)}\n"
            f"{describe_length(*length)}\n"
            f"run directory: {run_dir}"
        )
        if first:  # the other processes would look at the same labels
            for remark in _remarks(data.train.dataset, data.val, config.data):
                say(remark)
        with _watched(loggers, module.model, data, config, run_dir, step):
            fit(
                module,
                data,
                loggers,
                run_dir,
                config.trainer,
                steps,
                config.checkpoint.every_n_steps,
                examples,
                _build_callbacks(config, allow),
                resume,
                on_validation,
            )

    assert module.scores is not None
    checkpoints = run_dir / "checkpoints"
    result = TrainResult(module.scores, run_dir, checkpoints / "best.ckpt", checkpoints / "last.ckpt")
    if first:
        title = f"{len(data.val)} images, {config.data.split} of {config.data.name}"
        _report(result, examples.gallery, data.val.labels, title)
    return result


def _tell_frozen(module: SegmentationModule) -> str:
    """Say how much of the network is trained, if not all of it."""
    if module.frozen is None:
        return ""
    trained = sum(parameter.numel() for parameter in module.model.parameters() if parameter.requires_grad)
    later = "" if module.thaw_at is None else f" until step {module.thaw_at}"
    return f"; {trained:,} are trained{later}, the others of the encoder are frozen"


def _tell_origin(config: Train, say: Callable[[str], None]) -> None:
    """Say which run this one starts from, and what differs."""
    if config.from_run:
        changed = differences(read_run(Path(config.from_run)), plain(config))
        lines = "\n".join(f"  {line}" for line in changed)
        say(f"the settings are those of {config.from_run}" + (f", except:\n{lines}" if changed else ""))


def _remarks(train_set: SegmentationDataset, val_set: SegmentationDataset, data: Data) -> list[str]:
    """Return what is probably wrong with the data, as far as some labels and the files' headers tell it."""
    labels = look_at_some(train_set)
    remarks = [
        *train_set.remarks,
        *val_set.remarks,
        *describe_occurrence(train_set, labels),
        *describe_small(train_set, labels, data.crop, data.base_size),
    ]
    if data.stats and len(labels) < len(train_set):  # the statistics are about all labels
        remarks += describe_counts(train_set, read_statistics(data.stats))
    if data.split != data.train_split:
        remarks += [*describe_occurrence(val_set, look_at_some(val_set)), *describe_same_files(train_set, val_set)]
    return remarks


def _check_folder(config: Train, run_dir: Path) -> None:
    """Refuse to overwrite a run."""
    if config.weights and config.ckpt not in (None, "auto"):
        raise ConfigError(
            "ckpt continues a run, and weights starts a new run from the weights of another: choose one of "
            f"ckpt={config.ckpt} and weights={config.weights}. With ckpt=auto, the first start takes the weights, and "
            "the next ones continue"
        )
    checkpoints = run_dir / "checkpoints"
    goes_on = config.ckpt and (config.ckpt == "auto" or Path(config.ckpt).resolve().parent == checkpoints.resolve())
    if checkpoints.exists() and not goes_on:
        raise OutputError(
            f"{run_dir} holds a run already: continue it with ckpt=auto, choose another run_id or hydra.run.dir, or "
            "remove it"
        )
    if not checkpoints.exists() and (run_dir / "metrics.json").exists():
        raise OutputError(
            f"{run_dir} holds a finished run whose checkpoints were deleted, so it can't go on: choose another run_id "
            "or hydra.run.dir, or remove it"
        )


def _find_checkpoint(config: Train, run_dir: Path, say: Callable[[str], None]) -> Path | None:
    """Return the checkpoint to go on from, or None."""
    if config.ckpt != "auto":
        return Path(config.ckpt) if config.ckpt else None
    checkpoints = run_dir / "checkpoints"
    newest = find_newest(checkpoints, say)
    if newest is None:
        say(
            f"{checkpoints} has no checkpoint to continue from, so a new run begins. Its next start finds the "
            f"folder if it has the same run_id, here {config.run_id}"
        )
    return newest


def _check_resumed(
    path: Path, module: SegmentationModule, config: Train, steps: int, say: Callable[[str], None]
) -> int:
    """Check that a run can go on from a checkpoint, and return the checkpoint's step."""
    checkpoint = read_checkpoint(path, KEYS)
    step: int = checkpoint["global_step"]
    (state,) = checkpoint["optimizer_states"]
    try:
        load_weights(module.model, weights_of(checkpoint))
        optimizer = module.make_optimizer()
        check_optimizer(state, optimizer)
    except CheckpointError as error:
        raise CheckpointError(f"ckpt={path}: {error}") from error
    if step > steps:
        epochs = config.trainer.epochs
        length = f"trainer.max_steps={steps}" if epochs is None else f"trainer.epochs={epochs:g}, {steps} steps"
        raise CheckpointError(f"{path} is from step {step}, which is later than {length}")
    say(f"continuing from {path}, step {step} of {steps}")
    if changed := differences(checkpoint[KEY]["config"], plain(config)):
        say("the run continues with other settings than it began with:\n" + "\n".join(f"  {line}" for line in changed))
        schedule = module.schedule(optimizer, steps)
        move_to(step, optimizer, schedule)
        rates = [max(group["lr"] for group in groups) for groups in (state["param_groups"], optimizer.param_groups)]
        if rates[0] != rates[1]:
            say(f"the next step's learning rate becomes {rates[1]:.3g}; it would have been {rates[0]:.3g}")
    return step


def _new_folder_for_curves(run_dir: Path, step: int) -> Path:
    """Return a new folder for curves: loggers start empty, and would overwrite the curves of the run so far."""
    names = (f"from_step_{step}", *(f"from_step_{step}_again_{i}" for i in range(1, 1000)))
    return next(run_dir / name for name in names if not (run_dir / name).exists())


def _build_loggers(config: Train, folder: Path, first: bool, allow: Sequence[str]) -> list[Logger]:
    """Return the loggers of a run: one that writes curves as CSV, and the user's choice in the first process."""
    # the file is written at once, so that another program can show a run that is running
    loggers: list[Logger] = [CSVLogger(folder, name="", version="csv", flush_logs_every_n_steps=1)]
    if first and config.logger["_target_"]:
        make = instantiate(config.logger, "logger", (*ALLOW_LIST, *allow))
        chosen = call(make, "logger", save_dir=str(folder))
        if getattr(chosen, "log_dir", None) == loggers[0].log_dir:
            raise ConfigError(
                f"logger: {config.logger['_target_']} would write to {loggers[0].log_dir}, where every run keeps its "
                "curves already: choose another logger.version or logger.name"
            )
        loggers.append(chosen)
    return loggers


def _watched(
    loggers: list[Logger], model: Segmenter, data: DataModule, config: Train, run_dir: Path, step: int
) -> AbstractContextManager[None]:
    """Show the run on a dashboard, if the user has chosen one."""
    dashboard = next((logger for logger in loggers if isinstance(logger, Dashboard)), None)
    if dashboard is None:
        return nullcontext()
    run_id = config.run_id
    name = run_id if run_dir.name == run_id else f"{run_id}/{run_dir.name}"  # in a sweep, the folder is the job's
    metadata = gather_metadata(model, config.data.crop, data.train.dataset, data.val) | {"folder": str(run_dir)}
    return dashboard.watch(RunInfo(name, run_id, run_dir, step, data.val.labels, config, metadata))


def _build_data(config: Train, allow: Sequence[str]) -> DataModule:
    data, trainer, seed = config.data, config.trainer, config.seed
    train_set = build_dataset(data, data.train_split, allow).first(trainer.max_train_images)
    val_set = build_dataset(data, data.split, allow).first(trainer.max_val_images)
    augmentation = build_augmentation(data, train_set.labels.num_classes, seed, allow)
    workers = loading_processes(data.workers, max(1, trainer.devices))
    sizes = (int(data.batch_size), data.eval_batch_size, workers)
    return DataModule(train_set, val_set, augmentation, *sizes, seed, read_repeats(data, train_set))


def _build_callbacks(config: Train, allow: Sequence[str]) -> list[pl.Callback]:
    built = []
    for number, each in enumerate(config.callbacks):
        built.append(instantiate(each, f"callbacks[{number}]", (*ALLOW_LIST, *allow)))
        if not isinstance(built[-1], pl.Callback):
            raise ConfigError(f"callbacks[{number}]: {each['_target_']} is not a callback of pytorch_lightning")
    return built


def _runs_on_cpu(accelerator: str) -> bool:
    return accelerator == "cpu" or not (torch.cuda.is_available() or torch.backends.mps.is_available())


def _build_module(
    config: Train, labels: LabelSpace, interruption: Interruption, allow: Sequence[str]
) -> SegmentationModule:
    trainer, targets = config.trainer, (*ALLOW_LIST, *allow)
    segmenter, info = build_model(config, labels, allow)
    chosen = trainer.channels_last.lower()
    on_cpu = _runs_on_cpu(trainer.accelerator)
    channels_last = on_cpu if chosen == "auto" else chosen == "true"
    memory_format = torch.channels_last if channels_last else torch.contiguous_format
    segmenter.to(memory_format=memory_format)
    if on_cpu and channels_last and not trainer.compile:
        make_lean(segmenter)
    frozen = freeze(segmenter, config.encoder)
    if trainer.checkpoint_encoder:
        checkpoint_activations(segmenter)
    if trainer.compile:
        for part in (segmenter.encoder, segmenter.decoder):
            part.compile()
    return SegmentationModule(
        segmenter,
        info,
        instantiate(config.loss, "loss", targets),
        instantiate(config.optimizer, "optimizer", targets),
        instantiate(config.schedule, "schedule", targets),
        config.seed,
        trainer.micro_batch_size,
        trainer.gradient_clip_val,
        interruption,
        memory_format,
        frozen,
        config.encoder.thaw_at,
    )


def _report(result: TrainResult, gallery: Gallery, labels: LabelSpace, title: str) -> None:
    panels = result.run_dir / "panels.png"
    print_scores(result.scores, labels, title)
    write_scores(result.scores, result.run_dir)
    write_panels(gallery.chosen, labels, panels)
    write_examples(gallery.chosen, labels, result.run_dir)
    finish_record(result.run_dir)
    tell(f"best checkpoint           {result.best}")
    tell(f"last checkpoint           {result.last}")
    tell(f"scores                    {result.run_dir / 'metrics.json'}")
    tell(f"image, truth, prediction  {panels}")
    tell(f"all that was said         {result.run_dir / 'train.log'}")
