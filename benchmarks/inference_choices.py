"""mIoU and time of one trained network that looks at images in several ways."""

import argparse
import time
from pathlib import Path

import torch
from publish import publish
from rich.progress import track

from segrnn.config.data import build_scored
from segrnn.config.describe_network import describe_network
from segrnn.inference import Predictor, Windows, load_trained
from segrnn.metrics import ConfusionMatrix, Scores
from segrnn.reports import describe_machine


def main() -> None:
    """Score each way, write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--ckpt", required=True, help="a checkpoint, or the folder of a bundle")
    parser.add_argument(
        "--images", type=int, default=None, help="the number of images of the validation split; all by default"
    )
    parser.add_argument("--windows", type=int, nargs=2, default=[224, 320], help="height and width of the windows")
    parser.add_argument("--results", type=Path, default=Path("benchmarks/results"), help="the folder for the table")
    arguments = parser.parse_args()
    model, info = load_trained(arguments.ckpt)
    split, data = build_scored({}, info)
    dataset = split.first(arguments.images)
    size = arguments.windows
    sides = f"{size[0]} x {size[1]}"
    ways = {
        "whole image": Predictor(model, info),
        f"windows of {sides}, Gaussian weights": Predictor(model, info, windows=Windows(size)),
        f"windows of {sides}, uniform weights": Predictor(model, info, windows=Windows(size, gaussian=False)),
        "whole image, flip": Predictor(model, info, flip=True),
        "whole image, scales 0.75, 1, 1.25": Predictor(model, info, scales=[0.75, 1.0, 1.25]),
        "whole image, scales and flip": Predictor(model, info, scales=[0.75, 1.0, 1.25], flip=True),
    }
    counted = {name: ConfusionMatrix(info.labels.num_classes) for name in ways}
    seconds = dict.fromkeys(ways, 0.0)
    for index in track(range(len(dataset)), description="score"):
        sample = dataset[index]
        for name, predictor in ways.items():
            start = time.perf_counter()
            mask = predictor.mask(sample.image)
            seconds[name] += time.perf_counter() - start
            counted[name].update(mask, torch.from_numpy(sample.mask))
    rows = []
    for name in ways:
        scores = Scores(counted[name].counts.numpy(), info.labels.class_names)
        rows.append(f"| {name} | {100 * scores.miou:.2f} | {1000 * seconds[name] / len(dataset):.0f} |")
    lines = [
        f"{', '.join(describe_network(info.architecture).values())}, {info.provenance.get('step')} steps;",
        f"{len(dataset)} images, {data.split} of {data.name}.",
        f"{describe_machine(torch.device('cpu'))}.",
        "",
        "| | mIoU % | ms an image |",
        "|---|---:|---:|",
        *rows,
    ]
    publish("inference_choices", lines, arguments.results)


if __name__ == "__main__":
    main()
