"""Score trained networks, or masks that lie in a folder: ``python -m segrnn.evaluate``."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from rich.progress import track

from segrnn.config.allow_list import ALLOW_LIST
from segrnn.config.data import build_chosen, build_scored
from segrnn.config.data_knobs import Data
from segrnn.config.describe import describe_members, describe_views
from segrnn.config.examples import choose_examples
from segrnn.config.parsing import plain
from segrnn.config.predictor_builder import build_predictor
from segrnn.config.schema import Evaluate
from segrnn.datasets import Sample, SegmentationDataset, sample_loader
from segrnn.errors import CheckpointError, ConfigError
from segrnn.images.storage import source_of
from segrnn.inference import GivenMasks, Notices, locate
from segrnn.instantiate import call, instantiate
from segrnn.metrics import MergeableMetric, Metric, Scores
from segrnn.process_group import ProcessGroup, process_group
from segrnn.processes import loading_processes
from segrnn.reports import (
    Gallery,
    Report,
    describe_machine,
    draw_calibration,
    print_figures,
    print_scores,
    write_examples,
    write_image_scores,
    write_panels,
    write_report,
    write_scores,
)
from segrnn.tasks.dashboards import on_dashboard
from segrnn.tasks.tally import Prediction, Tally, name_figures
from segrnn.text import tell
from segrnn.versions import list_versions

_LONGEST = 1024
"""Pixels of an example's longest side. A screen can't show more."""


class _Entry(NamedTuple):
    """What is scored: the data, a function that gives a mask for each sample, and facts about the masks' origin."""

    dataset: SegmentationDataset
    data: Data
    predict: Callable[[Sample], Prediction]
    facts: dict[str, str]


def evaluate(config: Evaluate, run_dir: Path) -> Scores | None:
    """Score trained networks, or masks that lie in a folder, on a dataset. Every label is scored at its own size.

    If torchrun or srun has started several processes, they share the images, and the first one adds up their counts and
    writes all files. The scores don't depend on the number of processes.

    Args:
        config: the configuration of ``conf/evaluate.yaml``.
        run_dir: the folder for ``metrics.json``, ``per_class.csv``, ``per_image.csv``, ``confusion.npz``,
            ``confusion.png``, ``calibration.png`` (of a network only), ``panels.png``, ``examples.zip`` and
            ``report.html``, a page that shows all scores and pictures.

    Returns:
        The scores, or None in another process than the first.

    Raises:
        SegrnnError: the checkpoint, the masks, the data or the configuration is at fault, or another process has ended.
    """
    with process_group() as group:
        group.first(lambda: [locate(source) for source in config.ckpt or ()])  # one process downloads for all
        paths = [locate(source) for source in config.ckpt or ()]
        if not group.is_first:
            _count(config, paths, group)
            return None
        with on_dashboard("evaluate", plain(config), run_dir, paths) as numbers:
            scores, figures = _evaluate(config, paths, run_dir, group)
            numbers |= figures
    return scores


def _count(config: Evaluate, paths: Sequence[str], group: ProcessGroup) -> tuple[_Entry, Tally | None]:
    """Score this process's share of the images. Return the counts of all processes in the first one, else None."""
    entry = _enter_networks(config, paths, group) if paths else _enter_masks(config, group)
    dataset, labels = entry.dataset, entry.dataset.labels
    gallery = Gallery(choose_examples(config.examples, dataset), config.examples.extremes, _LONGEST)
    own = _build_metrics(config, labels.num_classes, group)
    tally = Tally(labels, gallery, own, void_column=config.masks is not None)
    indices = group.share(range(len(dataset)))
    workers = loading_processes(entry.data.workers, group.local_size)
    loader = sample_loader(dataset, entry.data.eval_batch_size, workers, indices)
    samples = (sample for batch in loader for sample in batch)
    shown = track(samples, description="evaluate", total=len(indices), disable=not group.is_first)
    start = time.monotonic()
    for index, sample in zip(indices, shown, strict=True):
        tally.update(sample, entry.predict(sample), dataset.read_instances(index))
    shares = group.gather(tally)
    seconds = time.monotonic() - start
    rate = len(dataset) / seconds
    group.tell(f"{rate:.2f} images per second" + (f", in {group.size} processes" if group.size > 1 else ""))
    return entry, Tally.merge(shares) if shares else None


def _evaluate(
    config: Evaluate, paths: Sequence[str], run_dir: Path, group: ProcessGroup
) -> tuple[Scores, dict[str, float]]:
    (dataset, data, _, facts), tally = _count(config, paths, group)
    assert tally is not None  # this is the first process
    scores, details, gallery = tally.scores, tally.details(dataset), tally.gallery
    figures, title = name_figures(scores, details), f"{len(dataset)} images, {data.split} of {data.name}"
    print_scores(scores, dataset.labels, title)
    print_figures(figures)
    write_scores(scores, run_dir, details)
    write_image_scores(tally.images, run_dir / "per_image.csv")
    if config.ckpt:
        draw_calibration(tally.calibration, run_dir / "calibration.png")
    write_panels(gallery.chosen, dataset.labels, run_dir / "panels.png")
    write_examples(gallery.chosen, dataset.labels, run_dir)
    versions = ", ".join(f"{name} {version}" for name, version in list_versions().items())
    facts = {**facts, "data": data.source, "versions": versions}
    write_report(Report(title, figures, facts, scores, dataset.labels, gallery), run_dir / "report.html")
    tell(f"scores and pictures: {run_dir}, all on one page: {run_dir / 'report.html'}")
    return scores, figures


def _build_metrics(config: Evaluate, num_classes: int, group: ProcessGroup) -> dict[str, Metric]:
    """Build the user's metrics. Each has the name of its class, and a number if that name is taken."""
    built: dict[str, Metric] = {}
    for number, each in enumerate(config.metrics):
        path, target = f"metrics[{number}]", each.get("_target_")
        make = instantiate({**each, "_partial_": True}, path, (*ALLOW_LIST, *config.allow))
        metric = call(make, f"{path} ({target})", num_classes) if callable(make) else make
        if not isinstance(metric, Metric):
            raise ConfigError(
                f"{path}: {target} is not a metric: it needs update and to_dict, as segrnn.metrics.Metric"
            )
        if group.size > 1 and not isinstance(metric, MergeableMetric):
            raise ConfigError(
                f"{path}: {target} counts in one process only: give it a method merge(other) that adds the counts of "
                "another process, as segrnn.metrics.MergeableMetric, or start one process"
            )
        name = type(metric).__name__
        built[f"{name} {number + 1}" if name in built else name] = metric
    return built


def _enter_networks(config: Evaluate, paths: Sequence[str], group: ProcessGroup) -> _Entry:
    predictor = build_predictor(paths, config, group)
    info = predictor.info
    dataset, data = build_scored(config.data, info, config.allow)
    if dataset.labels.class_names != info.labels.class_names:
        raise CheckpointError(
            f"the classes of the checkpoint and of the data differ\n"
            f"  {paths[0]}: {', '.join(info.labels.class_names)}\n"
            f"  {data.name}: {', '.join(dataset.labels.class_names)}"
        )
    notices = Notices(predictor, tell)

    def predict(sample: Sample) -> Prediction:
        notices.note(sample.image, sample.name)
        predicted, confidence = predictor.mask_with_confidence(sample.image)
        mask = predicted.cpu().numpy()
        return Prediction(mask, dataset.labels.decode(mask), confidence.cpu().numpy())

    facts = {
        **describe_members(predictor.members),
        **describe_views(config),
        "measured on": describe_machine(predictor.device),
    }
    return _Entry(dataset, data, predict, facts)


def _enter_masks(config: Evaluate, group: ProcessGroup) -> _Entry:
    assert config.masks is not None  # the configuration has either a network or masks
    source = source_of(config.masks)
    if views := describe_views(config):
        raise ConfigError(f"masks={source}: {', '.join(views)} would change nothing, because no network runs")
    dataset, data = build_chosen(config.data, config.allow)
    masks = GivenMasks(source, dataset, group.tell)
    return _Entry(dataset, data, lambda sample: Prediction(*masks.read(sample), None), {"masks": str(source)})
