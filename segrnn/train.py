"""Train a segmentation network: ``python -m segrnn.train``."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from omegaconf import DictConfig, OmegaConf

from segrnn.config.command import run_command

if TYPE_CHECKING:
    from segrnn.metrics import Scores


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
    from segrnn.config.model import KEY, build_preprocessing, build_segmenter, load_pretrained, to_checkpoint
    from segrnn.config.schema import Train, check
    from segrnn.datasets import Augmentation
    from segrnn.errors import OutputError
    from segrnn.reports import print_scores, write_panels, write_scores
    from segrnn.training import DataModule, SegmentationModule, fit

    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)  # it also advertises
    config = check(cfg, Train)
    allow = (*TARGETS, *config["allow"])
    checkpoints = run_dir / "checkpoints"
    if checkpoints.exists():
        raise OutputError(f"{run_dir} holds a run already: choose another hydra.run.dir, or remove it")

    pl.seed_everything(config["seed"], workers=True, verbose=False)
    data = config["data"]
    make_dataset = build(data["dataset"], "data.dataset", allow)
    train_set = call(make_dataset, "data.dataset", root=data["root"], split="train")
    val_set = call(make_dataset, "data.dataset", root=data["root"], split=data["split"])
    labels = train_set.labels
    preprocessing = build_preprocessing(config)
    augmentation = call(
        Augmentation, "data", data["crop"], data["scale"], data["flip"], data["color"], config["seed"], preprocessing
    )

    segmenter = build_segmenter(config, labels.num_classes, allow)
    load_pretrained(segmenter, config, allow)
    module = SegmentationModule(
        segmenter,
        build(config["loss"], "loss", allow),
        build(config["optimizer"], "optimizer", allow),
        build(config["schedule"], "schedule", allow),
        labels.class_names,
        preprocessing,
        info_key=KEY,
        info=to_checkpoint(config, labels, preprocessing),
    )
    data_module = DataModule(
        train_set,
        val_set,
        augmentation,
        data["batch_size"],
        data["eval_batch_size"],
        data["workers"],
        config["seed"],
    )

    run_dir.mkdir(parents=True, exist_ok=True)
    OmegaConf.save(OmegaConf.create(config), run_dir / "config.yaml")
    parameters = sum(p.numel() for p in segmenter.parameters())
    in_context = sum(p.numel() for p in segmenter.context.parameters())
    print(
        f"{len(train_set)} training and {len(val_set)} validation images, {labels.num_classes} classes; "
        f"{parameters:,} parameters, of which {in_context:,} in the context\n"
        f"run directory: {run_dir}"
    )
    logger = call(build(config["logger"], "logger", allow), "logger", save_dir=str(run_dir))
    fit(module, data_module, logger, checkpoints, config["trainer"], config["checkpoint"]["every_n_steps"])

    assert module.scores is not None
    print_scores(module.scores, f"{len(val_set)} images, {data['split']} of {data['name']}")
    write_scores(module.scores, run_dir)
    write_panels(module.model, preprocessing, val_set, run_dir / "panels.png")
    result = TrainResult(module.scores, run_dir, checkpoints / "best.ckpt", checkpoints / "last.ckpt")
    for what, path in {
        "best checkpoint": result.best,
        "last checkpoint": result.last,
        "scores": run_dir / "metrics.json",
        "image, truth, prediction": run_dir / "panels.png",
    }.items():
        print(f"{what:<26}{path}")
    return result


def main() -> None:
    """The command."""

    def task(cfg: DictConfig) -> None:
        from hydra.core.hydra_config import HydraConfig

        train(cfg, Path(HydraConfig.get().runtime.output_dir))

    run_command(task, "train")


if __name__ == "__main__":
    main()
