"""Measure how fast one process loads training samples, beside plain decoding: ``python benchmarks/input_path.py``.

The images are drawn, as large as those of the datasets in pixels and in bytes: smooth pictures with the grain of a
camera.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

os.environ["OMP_NUM_THREADS"] = "1"
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})  # one core, for OpenCV's threads too

import numpy as np
import torch
from PIL import Image
from publish import publish, table

from segrnn.config.augment import build_augmentation
from segrnn.config.composition import compose
from segrnn.config.schema import Train
from segrnn.dataset_tools.packing import Pack, new_pack
from segrnn.datasets import ADE20K, Augmented, Cityscapes, Folder, SegmentationDataset
from segrnn.images import read_image
from segrnn.reports import describe_machine

if TYPE_CHECKING:
    from collections.abc import Callable

# height, width and the mean size of an image file in megabytes: Cityscapes' leftImg8bit, and ADE20K's training images
KINDS = {"cityscapes": (Cityscapes, (1024, 2048), 2.3), "ade20k": (ADE20K, (512, 683), 0.045)}


def main() -> None:
    """Draw, measure, write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--images", type=int, default=8, help="the number of images of each kind")
    parser.add_argument(
        "--rounds",
        type=int,
        default=9,
        help="the number of rounds over all images; the table shows the median over them",
    )
    parser.add_argument("--results", type=Path, default=Path("benchmarks/results"), help="the folder for the table")
    arguments = parser.parse_args()
    rows = []
    for name, (make, size, megabytes) in KINDS.items():
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder, "published")
            draw(root, name, size, arguments.images, megabytes)
            rows.append(measure(name, make(str(root), "train"), Path(folder, "packed"), arguments.rounds))
    lines = [
        "Training samples a second of one process on one core, the median of rounds that take every way in turn.",
        "`decode` reads image and label as arrays and does nothing else. `pipeline` is all that training does:",
        "decoding, mapping the ids, the recipe's crop, scale, flip and colours (`conf/data/`). `eight more` adds the",
        "eight transforms of `augment=documents`, with their own probabilities. `packed` is the pipeline on a copy by",
        "`prepare pack`, with its files in the system's cache.",
        "",
        f"{arguments.rounds} rounds of {arguments.images} drawn images. {describe_machine(torch.device('cpu'))}.",
        "",
        *table(rows),
    ]
    publish("input_path", lines, arguments.results)


def measure(name: str, dataset: SegmentationDataset, packed: Path, rounds: int) -> dict[str, str]:
    """One line of the table."""
    with new_pack([dataset], packed) as draft:
        for index in range(len(dataset)):
            Pack(draft)(dataset, index)
    usual, more = (
        build_augmentation(
            compose(Train, [f"data={name}", f"augment={augment}"]).data, dataset.labels.num_classes, seed=0
        )
        for augment in ("default", "documents")
    )
    assert len(more.transforms) == 8
    of_files, with_more = Augmented(dataset, usual), Augmented(dataset, more)
    of_arrays = Augmented(Folder(str(packed), "train"), usual)
    counter = iter(range(10**9))

    def decode(index: int) -> None:
        pair = dataset.pairs[index]
        read_image(pair.image)
        dataset.read_ids(pair.label)

    ways: dict[str, Callable[[int], object]] = {
        "decode": decode,
        "pipeline": lambda index: of_files[next(counter), index],
        "eight more": lambda index: with_more[next(counter), index],
        "packed": lambda index: of_arrays[next(counter), index],
    }
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(rounds + 1):
        for way, load in ways.items():
            start = time.perf_counter()
            for index in range(len(dataset)):
                load(index)
            seconds[way].append((time.perf_counter() - start) / len(dataset))
    median = {way: statistics.median(own[1:]) for way, own in seconds.items()}  # the first one warms up
    megabytes = statistics.mean(len(pair.image.read_bytes()) for pair in dataset.pairs) / 1e6
    height, width = dataset[0].mask.shape
    return {
        "files": f"{name}, {width} x {height}, {megabytes:.2f} MB",
        "decode": f"{1 / median['decode']:.1f}",
        "pipeline": f"{1 / median['pipeline']:.1f}",
        "pipeline / decode": f"{100 * median['decode'] / median['pipeline']:.0f} %",
        "eight more": f"{1 / median['eight more']:.1f}",
        "eight more / decode": f"{100 * median['decode'] / median['eight more']:.0f} %",
        "packed": f"{1 / median['packed']:.1f}",
        "packed / pipeline": f"{median['pipeline'] / median['packed']:.1f} x",
    }


def draw(root: Path, name: str, size: tuple[int, int], count: int, megabytes: float) -> None:
    """Images and labels in the layout of a dataset."""
    rng = np.random.default_rng(0)
    for number in range(count):
        if name == "cityscapes":
            stem = f"aachen_{number:06d}_000019"
            image = root / f"leftImg8bit/train/aachen/{stem}_leftImg8bit.png"
            label = root / f"gtFine/train/aachen/{stem}_gtFine_labelIds.png"
            ids = 34
        else:
            image = root / f"images/training/ADE_train_{number:08d}.jpg"
            label = root / f"annotations/training/ADE_train_{number:08d}.png"
            ids = 151
        for path in (image, label):
            path.parent.mkdir(parents=True, exist_ok=True)
        coarse = Image.fromarray(rng.integers(0, 255, (9, 16, 3), dtype=np.uint8))
        smooth = np.asarray(coarse.resize(size[::-1], Image.Resampling.BICUBIC), np.float64)
        grain = rng.normal(size=(*size, 3))
        # as much grain as makes the file as large as a photograph's
        weak, strong = 0.0, 8.0
        for _ in range(7):
            middle = (weak + strong) / 2
            Image.fromarray((smooth + middle * grain).clip(0, 255).astype(np.uint8)).save(image)
            weak, strong = (middle, strong) if image.stat().st_size < 1e6 * megabytes else (weak, middle)
        areas = Image.fromarray(rng.integers(0, ids, (12, 20), dtype=np.uint8))
        # outlines as ragged as those of objects
        areas.resize(size[::-1], Image.Resampling.NEAREST).effect_spread(4).save(label)


if __name__ == "__main__":
    sys.exit(main())
