"""Score trained networks, or masks that lie in a folder: ``python -m segrnn.evaluate``."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from rich.progress import track

from segrnn.config.data import build_chosen, build_scored
from segrnn.config.data_knobs import Data
from segrnn.config.describe import describe_members, describe_views
from segrnn.config.examples import choose_examples
from segrnn.config.predictor_builder import build_predictor
from segrnn.config.schema import Evaluate
from segrnn.datasets import Sample, SegmentationDataset, sample_loader
from segrnn.errors import CheckpointError, ConfigError, DataError
from segrnn.inference import GivenMasks, LargeImages, locate
from segrnn.labels.space import ByteArray
from segrnn.metrics import BoundaryIoU, Calibration, ConfusionMatrix, InstanceHits, Scores
from segrnn.processes import loading_processes
from segrnn.reports import (
    Gallery,
    Report,
    describe_machine,
    draw_calibration,
    name_official,
    print_official,
    print_scores,
    write_panels,
    write_report,
    write_scores,
)
from segrnn.text import tell
from segrnn.versions import list_versions

_LONGEST = 1024
"""Pixels of an example's longest side. A screen can't show more."""


class _Prediction(NamedTuple):
    """The mask of a sample: its train ids, its ids of labels and, from a network, its confidence, all ``(H, W)``."""

    mask: ByteArray
    ids: ByteArray
    confidence: npt.NDArray[np.float32] | None


class _Entry(NamedTuple):
    """What is scored: the data, a function that gives a mask for each sample, and facts about the masks' origin."""

    dataset: SegmentationDataset
    data: Data
    predict: Callable[[Sample], _Prediction]
    facts: dict[str, str]


def evaluate(config: Evaluate, run_dir: Path) -> Scores:
    """Score trained networks, or masks that lie in a folder, on a dataset. Every label is scored at its own size.

    Args:
        config: the configuration of ``conf/evaluate.yaml``.
        run_dir: the folder for ``metrics.json``, ``per_class.csv``, ``confusion.npz``, ``confusion.png``,
            ``calibration.png`` (of a network only), ``panels.png`` and ``report.html``, a page that shows all scores
            and pictures.

    Raises:
        SegrnnError: the checkpoint, the masks, the data or the configuration is at fault.
    """
    entry = _enter_networks(config, [locate(source) for source in config.ckpt]) if config.ckpt else _enter_masks(config)
    dataset, data, predict, facts = entry
    classes = dataset.labels.class_names
    confusion = ConfusionMatrix(len(classes), void_column=config.masks is not None)
    boundary, calibration = BoundaryIoU(len(classes)), Calibration()
    instances: InstanceHits | None = InstanceHits(dataset.labels)
    examples = config.examples
    gallery = Gallery(choose_examples(examples, dataset), examples.extremes, _LONGEST)
    loader = sample_loader(dataset, data.eval_batch_size, loading_processes(data.workers))
    samples = (sample for batch in loader for sample in batch)
    for index, sample in enumerate(track(samples, description="evaluate", total=len(dataset))):
        mask, ids, confidence = predict(sample)
        miou = Scores(confusion.update(torch.from_numpy(mask), torch.from_numpy(sample.mask)).numpy(), classes).miou
        if gallery.wants(sample.name, miou):
            gallery.add(sample, mask, miou)
        boundary.update(mask, sample.mask)
        if confidence is not None:
            calibration.update(confidence, mask, sample.mask)
        instance_ids = dataset.read_instances(index)
        if instance_ids is None:
            instances = None
        elif instances is not None:
            try:
                instances.update(ids, instance_ids)
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
    if config.ckpt:
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
    versions = ", ".join(f"{name} {version}" for name, version in list_versions().items())
    facts = {**facts, "data": data.root, "versions": versions}
    write_report(Report(title, figures, facts, scores, dataset.labels, gallery), run_dir / "report.html")
    tell(f"scores and pictures: {run_dir}, all on one page: {run_dir / 'report.html'}")
    return scores


def _enter_networks(config: Evaluate, paths: Sequence[str]) -> _Entry:
    predictor = build_predictor(paths, config)
    info = predictor.info
    dataset, data = build_scored(config.data, info, config.allow)
    if dataset.labels.class_names != info.labels.class_names:
        raise CheckpointError(
            f"the classes of the checkpoint and of the data differ\n"
            f"  {paths[0]}: {', '.join(info.labels.class_names)}\n"
            f"  {data.name}: {', '.join(dataset.labels.class_names)}"
        )
    large = LargeImages(predictor, tell)

    def predict(sample: Sample) -> _Prediction:
        large.note(sample.image, sample.name)
        predicted, confidence = predictor.mask_with_confidence(sample.image)
        mask = predicted.cpu().numpy()
        return _Prediction(mask, dataset.labels.decode(mask), confidence.cpu().numpy())

    facts = {
        **describe_members(predictor.members),
        **describe_views(config),
        "measured on": describe_machine(predictor.device),
    }
    return _Entry(dataset, data, predict, facts)


def _enter_masks(config: Evaluate) -> _Entry:
    assert config.masks is not None  # the configuration has either a network or masks
    source = Path(config.masks)
    if views := describe_views(config):
        raise ConfigError(f"masks={source}: {', '.join(views)} would change nothing, because no network runs")
    dataset, data = build_chosen(config.data, config.allow)
    masks = GivenMasks(source, dataset, tell)
    return _Entry(dataset, data, lambda sample: _Prediction(*masks.read(sample), None), {"masks": str(source)})
