"""Memory and time of labelling a large image with many classes, against enlarging all logits and taking the argmax."""

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from publish import publish, table
from torch import Tensor

from segrnn.compat import smp
from segrnn.images import Preprocessing
from segrnn.inference import ModelInfo, Predictor
from segrnn.labels import ADE20K
from segrnn.measure import peak_memory
from segrnn.models import FCN, Segmenter
from segrnn.models.segmenter import Network, pad
from segrnn.reports import describe_machine

CLASSES = ADE20K.num_classes
NETWORKS: dict[str, Callable[[], Network]] = {
    "PSPNet, ResNet-18": lambda: smp.PSPNet("resnet18", encoder_weights=None, classes=CLASSES),
    "DeepLabV3+, ResNet-18": lambda: smp.DeepLabV3Plus("resnet18", encoder_weights=None, classes=CLASSES),
    "FPN, EfficientNet-Lite0": lambda: smp.FPN("tu-tf_efficientnet_lite0", encoder_weights=None, classes=CLASSES),
    "FCN, EfficientNet-Lite0": lambda: FCN("tu-tf_efficientnet_lite0", classes=CLASSES),
}


def main() -> None:
    """Measure in turn, write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--size", type=int, nargs=2, default=[1200, 1600], help="height and width of the image")
    parser.add_argument(
        "--repeats", type=int, default=5, help="the number of rounds; the table shows medians over them"
    )
    parser.add_argument("--results", type=Path, default=Path("benchmarks/results"), help="the folder for the table")
    arguments = parser.parse_args()
    torch.manual_seed(0)
    image = np.random.default_rng(0).integers(0, 256, (*arguments.size, 3), np.uint8)
    rows = [measure(name, make(), image, arguments.repeats) for name, make in NETWORKS.items()]
    height, width = arguments.size
    lines = [
        f"Labelling an image of {width} x {height} with {CLASSES} classes: as `Predictor` does it, and plainly,",
        "where all logits are enlarged before the argmax is taken. MiB is the most that tensors held at once, with the",
        f"network's own maps; logits of full size alone are {4 * CLASSES * height * width / 2**20:.0f} MiB. Times are",
        f"medians of {arguments.repeats} rounds that take turns; pixels are those whose labels differ.",
        "",
        f"{describe_machine(torch.device('cpu'))}.",
        "",
        *table(rows),
    ]
    publish("inference_memory", lines, arguments.results)


def measure(name: str, network: Network, image: np.ndarray, repeats: int) -> dict[str, str]:
    """One line of the table."""
    model = Segmenter(network.eval()).eval()
    predictor = Predictor(model, ModelInfo({}, ADE20K, Preprocessing((0.5,) * 3, (0.25,) * 3)))
    height, width = image.shape[:2]

    @torch.inference_mode()
    def plain() -> Tensor:
        pixels = pad(predictor.preprocessing(image)[None], model.encoder.output_stride)
        return network(pixels)[0, :, :height, :width].argmax(dim=0)

    ways = {"plain": plain, "segrnn": lambda: predictor.mask(image)}
    peaks = {way: peak_memory(work, torch.device("cpu")) / 2**20 for way, work in ways.items()}
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(repeats):
        for way, work in ways.items():
            start = time.perf_counter()
            work()
            seconds[way].append(time.perf_counter() - start)
    medians = {way: statistics.median(own) for way, own in seconds.items()}
    return {
        "network": name,
        "plain MiB": f"{peaks['plain']:.0f}",
        "segrnn MiB": f"{peaks['segrnn']:.0f}",
        "share": f"{peaks['segrnn'] / peaks['plain']:.2f}",
        "plain s": f"{medians['plain']:.2f}",
        "segrnn s": f"{medians['segrnn']:.2f}",
        "time": f"{medians['segrnn'] / medians['plain']:.2f}",
        "pixels": f"{int((plain().byte() != predictor.mask(image)).sum())}",
    }


if __name__ == "__main__":
    main()
