"""Folders of runs, written without a training."""

import csv
import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from segrnn.datasets import Sample
from segrnn.labels import Label, LabelSpace, hex_color
from segrnn.reports import Gallery, write_examples

EVIL = "</script><img src=x onerror=alert(1)>"
TOY = LabelSpace(
    "toy",
    [Label("road", 0, 0, (128, 64, 128)), Label(EVIL, 1, 1, (1, 2, 3)), Label("ghost", 2, 2, (250, 170, 30))],
)
BEGAN = datetime.fromisoformat("2026-11-29T12:00:00+00:00")


def write_run(
    folder: Path,
    labels: LabelSpace = TOY,
    steps: int = 100,
    planned: int = 100,
    seed: int = 0,
    settings: Mapping[str, Any] | None = None,
    images: Mapping[str, tuple[int, int]] | None = None,
    finished: bool = True,
) -> Path:
    """The folder of a training that validated every 20 steps: its record, its configuration, its curves, its images."""
    folder.mkdir(parents=True)
    classes = {label.name: hex_color(label.color) for label in labels.classes}
    end = (BEGAN + timedelta(minutes=seed + 1, seconds=5)).isoformat() if finished else None
    began = (BEGAN + timedelta(minutes=seed)).isoformat()
    counts = {"parameters": 1000, "context_parameters": 100}
    record = {"began": began, "finished": end, "steps": planned, "classes": classes, **counts}
    (folder / "run.json").write_text(json.dumps(record))
    context = {"_target_": "segrnn.context.ReNet", "_partial_": True, "hidden": 8, "cell": "gru"}
    model = {"_target_": "segrnn.models.FCN", "encoder_name": "lite0", "width": 16}
    config = {"model": model, "context": context, "seed": seed, "trainer": {"validate_every_n_steps": 20}}
    (folder / "config.yaml").write_text(yaml.safe_dump({**config, **(settings or {})}))
    write_curves(folder / "csv" / "metrics.csv", labels, range(0, steps, 10), seed)
    if images is not None:
        write_examples(gallery_of(labels, images, seed).chosen, labels, folder)
    return folder


def write_curves(path: Path, labels: LabelSpace, steps: range, seed: int = 0) -> None:
    """The rows that Lightning writes: rates, losses and validations in rows of their own, steps counted from 0."""
    path.parent.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    rows: list[dict[str, float]] = []
    for done in range(steps.start + 10, steps.stop + 10, 10):
        rows += [{"step": done - 1, "lr-AdamW/a": 0.1 / done, "lr-AdamW/b": 1 / done}]
        rows += [{"epoch": 0, "step": done - 1, "train/loss": 100 / done + rng.random()}]
        if done % 20 == 0:
            ious = {f"val/iou/{label.name}": rng.random() for label in labels.classes[:-1]}  # the last does not occur
            scores = {"val/miou": float(np.mean(list(ious.values()))), "val/loss": 50 / done, "val/pixel_accuracy": 0.9}
            rows += [{"epoch": 0, "step": done - 1, "val/mean_accuracy": 0.5, **scores, **ious}]
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, sorted({key for row in rows for key in row}))
        writer.writeheader()
        writer.writerows(rows)


def write_evaluation(
    folder: Path, labels: LabelSpace = TOY, images: Mapping[str, tuple[int, int]] | None = None
) -> Path:
    """The folder of an evaluation, as far as a comparison reads it."""
    folder.mkdir(parents=True)
    per_class = {name: {"iou": None if name == "ghost" else 0.25} for name in labels.class_names}
    scores = {"miou": 0.25, "mean_accuracy": 0.5, "pixel_accuracy": 0.75, "per_class": per_class}
    (folder / "metrics.json").write_text(json.dumps(scores))
    if images is not None:
        write_examples(gallery_of(labels, images, 9).chosen, labels, folder)
    return folder


def gallery_of(labels: LabelSpace, images: Mapping[str, tuple[int, int]], seed: int) -> Gallery:
    """Images with labels that depend on their names alone, and with masks that depend on the seed."""
    gallery = Gallery(list(images), extremes=0, longest=1024)
    rng = np.random.default_rng(seed)
    for name, size in images.items():
        own = np.random.default_rng(list(name.encode()))
        truth = own.integers(0, labels.num_classes, size).astype(np.uint8)
        truth[: size[0] // 4] = 255
        image = own.integers(0, 256, (*size, 3), np.uint8)
        mask = np.where(rng.random(size) < 0.7, truth % labels.num_classes, 0).astype(np.uint8)
        gallery.add(Sample(image, truth, name), mask, 0.1 * (seed + 1))
    return gallery
