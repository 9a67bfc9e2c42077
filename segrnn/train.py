"""Train a segmentation network: ``python -m segrnn.train``."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf

from segrnn.config.command import run_command

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from segrnn.datasets import SegmentationFiles
    from segrnn.labels import LabelSpace
    from segrnn.metrics import Scores
    from segrnn.training import DataModule, SegmentationModule


@dataclass(frozen=True)
class TrainResult:
    """What a training run leaves: the scores of its last validation, and where its files lie."""

    scores: "Scores"
    run_dir: Path
    best: Path
    last: Path


def train(cfg: DictConfig, run_dir: Path) -> TrainResult:
    """Run a whole training: a table in the terminal, checkpoints, scores and pictures in a folder.

    Args:
        cfg: composed from ``conf/train.yaml``.
        run_dir: a folder that holds no run yet; it is made where it is missing.

    Raises:
        SegrnnError: the configuration, the data or the folder is at fault.
    """
    import logging

    import pytorch_lightning as pl

    from segrnn.config.build import TARGETS, build, call
    from segrnn.config.schema import Train, check
    from segrnn.errors import OutputError
    from segrnn.measure import count_parameters
    from segrnn.training import fit

    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)  # it also advertises
    config = check(cfg, Train)
    allow = (*TARGETS, *config["allow"])
    checkpoints = run_dir / "checkpoints"
    first = os.environ.get("LOCAL_RANK", "0") == "0"  # of several processes, the one that speaks and writes
    if first and checkpoints.exists():
        raise OutputError(f"{run_dir} holds a run already: choose another hydra.run.dir, or remove it")

    pl.seed_everything(config["seed"], workers=True, verbose=False)
    data = _build_data(config, allow)
    module = _build_module(config, data.val.labels, allow)
    run_dir.mkdir(parents=True, exist_ok=True)
    logger = call(build(config["logger"], "logger", allow), "logger", save_dir=str(run_dir))
    if first:
        OmegaConf.save(OmegaConf.create(config), run_dir / "config.yaml")
        print(
            f"{len(data.train.dataset)} training and {len(data.val)} validation images, "
            f"{data.val.labels.num_classes} classes; {count_parameters(module.model):,} parameters, "
            f"of which {count_parameters(module.model.context):,} in the context\nrun directory: {run_dir}"
        )
    fit(module, data, logger, checkpoints, config["trainer"], config["checkpoint"]["every_n_steps"])

    assert module.scores is not None
    result = TrainResult(module.scores, run_dir, checkpoints / "best.ckpt", checkpoints / "last.ckpt")
    if first:
        _report(result, module, data, f"{len(data.val)} images, {config['data']['split']} of {config['data']['name']}")
    return result


def _build_data(config: dict[str, Any], allow: Sequence[str]) -> "DataModule":
    from segrnn.config.build import call
    from segrnn.config.data import build_dataset
    from segrnn.datasets import Augmentation
    from segrnn.training import DataModule

    data, seed = config["data"], config["seed"]
    train_set = build_dataset(data, data["train_split"], allow)
    val_set = build_dataset(data, data["split"], allow)
    crops = (data["crop"], data["scale"], data["max_class_share"], data["flip"], data["color"])
    augmentation = call(Augmentation, "data", *crops, seed, data["base_size"])
    sizes = (data["batch_size"], data["eval_batch_size"], data["workers"])
    return DataModule(train_set, val_set, augmentation, *sizes, seed, _repeats(data, train_set))


def _repeats(data: dict[str, Any], train_set: "SegmentationFiles") -> "npt.NDArray[np.float64] | None":
    """How often to show each training image, where the configuration wants rare classes shown more often."""
    from segrnn.datasets.statistics import read_statistics_of
    from segrnn.errors import ConfigError

    threshold = data["repeat_threshold"]
    if not data["stats"]:
        if threshold:
            raise ConfigError("data.repeat_threshold needs data.stats=<file>: python -m segrnn.prepare stats writes it")
        return None
    statistics = read_statistics_of(train_set, data["stats"])  # a loss, too, may take its weights from this file
    return statistics.repeats(threshold) if threshold else None


def _build_module(config: dict[str, Any], labels: "LabelSpace", allow: Sequence[str]) -> "SegmentationModule":
    from segrnn.config.build import build
    from segrnn.config.model import KEY, build_preprocessing, build_segmenter, load_pretrained, to_checkpoint
    from segrnn.training import SegmentationModule

    segmenter = build_segmenter(config, labels.num_classes, allow)
    load_pretrained(segmenter, config, allow)
    preprocessing = build_preprocessing(config)
    return SegmentationModule(
        segmenter,
        build(config["loss"], "loss", allow),
        build(config["optimizer"], "optimizer", allow),
        build(config["schedule"], "schedule", allow),
        labels.class_names,
        preprocessing,
        checkpoint_info={KEY: to_checkpoint(config, labels, preprocessing)},
    )


def _report(result: TrainResult, module: "SegmentationModule", data: "DataModule", title: str) -> None:
    from segrnn.reports import print_scores, write_panels, write_scores

    panels = result.run_dir / "panels.png"
    print_scores(result.scores, title)
    write_scores(result.scores, result.run_dir)
    write_panels(module.model, module.preprocessing, data.val, panels)
    print(f"best checkpoint           {result.best}")
    print(f"last checkpoint           {result.last}")
    print(f"scores                    {result.run_dir / 'metrics.json'}")
    print(f"image, truth, prediction  {panels}")


def main() -> None:
    """The command."""
    run_command(train, "train")


if __name__ == "__main__":
    main()
