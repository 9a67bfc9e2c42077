"""Score a checkpoint: ``python -m segrnn.evaluate ckpt=...``."""

from pathlib import Path
from typing import TYPE_CHECKING

from omegaconf import DictConfig, OmegaConf

from segrnn.config.command import run_command

if TYPE_CHECKING:
    from segrnn.metrics import Scores


def evaluate(cfg: DictConfig, run_dir: Path) -> "Scores":
    """Score a checkpoint on a dataset, every label at its own size.

    Args:
        cfg: composed from ``conf/evaluate.yaml``.
        run_dir: the folder for ``metrics.json``, ``per_class.csv``, ``confusion.npz``, ``confusion.png`` and
            ``panels.png``.

    Raises:
        SegrnnError: the checkpoint, the data or the configuration is at fault.
    """
    import torch
    from rich.progress import track

    from segrnn.config.data import build_dataset
    from segrnn.config.model import load_checkpoint
    from segrnn.config.schema import Evaluate, Scored, check
    from segrnn.datasets import sample_loader
    from segrnn.errors import CheckpointError
    from segrnn.inference import choose_device, predict_mask
    from segrnn.metrics import ConfusionMatrix, Scores
    from segrnn.reports import print_scores, write_panels, write_scores

    config = check(cfg, Evaluate)
    device = choose_device(config["device"])
    trained = load_checkpoint(config["ckpt"])
    # what the user chose is laid over the data of the checkpoint
    chosen = {key: value for key, value in config["data"].items() if value is not None}
    data = check(OmegaConf.create({"data": {**trained.config["data"], **chosen}}), Scored)["data"]
    dataset = build_dataset(data, data["split"])
    if dataset.labels.class_names != trained.labels.class_names:
        raise CheckpointError(
            f"the classes of the checkpoint and of the data differ\n"
            f"  {config['ckpt']}: {', '.join(trained.labels.class_names)}\n"
            f"  {data['name']}: {', '.join(dataset.labels.class_names)}"
        )

    model = trained.model.to(device)
    confusion = ConfusionMatrix(dataset.labels.num_classes)
    loader = sample_loader(dataset, data["eval_batch_size"], data["workers"])
    for samples in track(loader, description="evaluate"):
        for sample in samples:
            mask = predict_mask(model, trained.preprocessing, sample.image, device)
            confusion.update(mask.cpu(), torch.from_numpy(sample.mask))
    scores = Scores(confusion.counts.numpy(), dataset.labels.class_names)

    print_scores(scores, f"{len(dataset)} images, {data['split']} of {data['name']}")
    write_scores(scores, run_dir)
    write_panels(model, trained.preprocessing, dataset, run_dir / "panels.png")
    print(f"scores and pictures: {run_dir}")
    return scores


def main() -> None:
    """The command."""
    run_command(evaluate, "evaluate")


if __name__ == "__main__":
    main()
