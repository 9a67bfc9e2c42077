"""Score a checkpoint: ``python -m segrnn.evaluate ckpt=...``."""

from pathlib import Path

import torch
from rich.progress import track

from segrnn.config.data import build_scored
from segrnn.config.describe import describe_network, describe_views
from segrnn.config.examples import choose_examples
from segrnn.config.predictor_builder import build_predictor
from segrnn.config.schema import Evaluate
from segrnn.datasets import sample_loader
from segrnn.errors import CheckpointError, DataError
from segrnn.inference import LargeImages
from segrnn.metrics import BoundaryIoU, Calibration, ConfusionMatrix, InstanceHits, Scores
from segrnn.reports import (
    Gallery,
    Report,
    describe_machine,
    draw_calibration,
    list_versions,
    name_official,
    print_official,
    print_scores,
    write_panels,
    write_report,
    write_scores,
)
from segrnn.text import tell

_LONGEST = 1024
"""Pixels of an example's longest side. A screen can't show more."""


def evaluate(config: Evaluate, run_dir: Path) -> Scores:
    """Score a checkpoint on a dataset, every label at its own size.

    Args:
        config: the configuration of ``conf/evaluate.yaml``.
        run_dir: the folder for ``metrics.json``, ``per_class.csv``, ``confusion.npz``, ``confusion.png``,
            ``calibration.png``, ``panels.png`` and ``report.html``, a page that shows all scores and pictures.

    Raises:
        SegrnnError: the checkpoint, the data or the configuration is at fault.
    """
    predictor = build_predictor(config)
    info = predictor.info
    dataset, data = build_scored(config.data, info, config.allow)
    classes = dataset.labels.class_names
    if classes != info.labels.class_names:
        raise CheckpointError(
            f"the classes of the checkpoint and of the data differ\n"
            f"  {config.ckpt}: {', '.join(info.labels.class_names)}\n"
            f"  {data.name}: {', '.join(classes)}"
        )

    confusion, boundary, calibration = ConfusionMatrix(len(classes)), BoundaryIoU(len(classes)), Calibration()
    instances: InstanceHits | None = InstanceHits(dataset.labels)
    examples = config.examples
    gallery = Gallery(choose_examples(examples, dataset), examples.extremes, _LONGEST)
    loader = sample_loader(dataset, data.eval_batch_size, data.workers)
    large = LargeImages(predictor, tell)
    samples = (sample for batch in loader for sample in batch)
    for index, sample in enumerate(track(samples, description="evaluate", total=len(dataset))):
        large.note(sample.image, sample.name)
        predicted, confidence = predictor.mask_with_confidence(sample.image)
        mask = predicted.cpu().numpy()
        miou = Scores(confusion.update(torch.from_numpy(mask), torch.from_numpy(sample.mask)).numpy(), classes).miou
        if gallery.wants(sample.name, miou):
            gallery.add(sample, mask, miou)
        boundary.update(mask, sample.mask)
        calibration.update(confidence.cpu().numpy(), mask, sample.mask)
        ids = dataset.read_instances(index)
        if ids is None:
            instances = None
        elif instances is not None:
            try:
                instances.update(mask, ids)
            except ValueError as error:
                raise DataError(f"the instance ids of {sample.name} can't be used: {error}") from error
    counts = confusion.counts.numpy()
    scores = Scores(counts, classes)
    official = dataset.official_scores(counts, instances)

    title = f"{len(dataset)} images, {data.split} of {data.name}"
    print_scores(scores, dataset.labels, title)
    print_official(official, boundary, calibration)
    details = {"boundary": boundary.to_dict(classes), "calibration": calibration.to_dict(), "official": official}
    write_scores(scores, run_dir, details)
    draw_calibration(calibration, run_dir / "calibration.png")
    write_panels(gallery.chosen, dataset.labels, run_dir / "panels.png")
    figures = {
        "mIoU": scores.miou,
        "pixel accuracy": scores.pixel_accuracy,
        "mean accuracy": scores.mean_accuracy,
        "boundary IoU": boundary.miou,
        "expected calibration error": calibration.error,
        **name_official(official),
    }
    facts = {
        "checkpoint": f"{config.ckpt}, step {info.provenance.get('step', 'unknown')}",
        **describe_network(info.architecture),
        **describe_views(config),
        "data": data.root,
        "measured on": describe_machine(predictor.device),
        "versions": ", ".join(f"{name} {version}" for name, version in list_versions().items()),
    }
    write_report(Report(title, figures, facts, scores, dataset.labels, gallery), run_dir / "report.html")
    tell(f"scores and pictures: {run_dir}, all on one page: {run_dir / 'report.html'}")
    return scores
