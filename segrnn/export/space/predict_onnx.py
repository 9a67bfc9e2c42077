"""Segment an image with an exported network: ``python predict_onnx.py model.onnx image.jpg mask.png``.

Needs onnxruntime and pillow, neither torch nor segrnn. The mask holds train ids; with --color, the classes' colours.

A network of one size is run on windows that lie side by side, the last flush with the border; where they overlap, the
sum of the probabilities decides, or the later window if the network gives labels. Images are resized by Pillow, whose
averages are not to the bit those that the network was trained with: where the scale is not 1, a few pixels can differ.
Scores are brought back to the image's size by linear interpolation, as segrnn does; labels by nearest neighbours.
"""

import argparse
import json
import sys

import numpy as np
import onnxruntime
from PIL import Image, ImageOps

FLOAT = np.float32


class Network:
    """An exported network and what its file says about it."""

    def __init__(self, path: str) -> None:
        self.session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        facts = self.session.get_modelmeta().custom_metadata_map
        self.classes, self.colors, self.mean, self.std, self.scale, self.base_size = (
            json.loads(facts[key]) for key in ("classes", "colors", "mean", "std", "scale", "base_size")
        )
        if len(self.mean) != 3 or json.loads(facts["white"]) != 255:
            sys.exit(f"{path} takes images of {len(self.mean)} channels, where {facts['white']} is white: not photos")
        self.takes_pixels = facts["input"] == "pixels"
        self.gives_labels = facts["output"] == "labels"
        self.size = None if facts["size"] == "dynamic" else json.loads(facts["size"])

    def label(self, image: Image.Image) -> np.ndarray:
        """Train ids ``(H, W)`` of an image, at its own size."""
        scale = self.scale
        if self.base_size:
            scale *= min(self.base_size[0] / min(image.size), self.base_size[1] / max(image.size))
        size = tuple(max(1, round(side * scale)) for side in image.size)
        method = Image.Resampling.BOX if scale < 1 else Image.Resampling.BILINEAR
        scores = self.run_windows(self.prepare(np.asarray(image if scale == 1 else image.resize(size, method))))
        if size == image.size:
            return scores if self.gives_labels else scores.argmax(axis=0).astype(np.uint8)
        if self.gives_labels:
            return np.asarray(Image.fromarray(scores).resize(image.size, Image.Resampling.NEAREST))
        grown = [np.asarray(Image.fromarray(score).resize(image.size, Image.Resampling.BILINEAR)) for score in scores]
        return np.stack(grown).argmax(axis=0).astype(np.uint8)

    def prepare(self, pixels: np.ndarray) -> np.ndarray:
        """An image ``(h, w, 3)`` of bytes as the graph's input ``(1, 3, h, w)``."""
        if not self.takes_pixels:
            pixels = (pixels - 255 * np.array(self.mean, FLOAT)) / (255 * np.array(self.std, FLOAT))
        return pixels.transpose(2, 0, 1)[None]

    def run(self, image: np.ndarray) -> np.ndarray:
        """The graph's output for one image, without the batch's axis."""
        return self.session.run(None, {"image": np.ascontiguousarray(image)})[0][0]

    def run_windows(self, image: np.ndarray) -> np.ndarray:
        """Labels ``(h, w)``, or scores ``(K, h, w)``, whose greatest is the class, of an image of any size."""
        if self.size is None:
            return self.run(image)
        (height, width), (side_y, side_x) = image.shape[2:], self.size
        if height < side_y or width < side_x:
            sys.exit(
                f"the network takes images of at least {side_x} x {side_y} pixels, not of {width} x {height} pixels"
            )
        out = (
            np.zeros((height, width), np.uint8)
            if self.gives_labels
            else np.zeros((len(self.colors), height, width), FLOAT)
        )
        for y in starts(height, side_y):
            for x in starts(width, side_x):
                part = self.run(image[..., y : y + side_y, x : x + side_x])
                window = out[..., y : y + side_y, x : x + side_x]
                window[...] = part if self.gives_labels else window + softmax(part)
        return out


def starts(length: int, side: int) -> list[int]:
    """Where windows of one side begin that cover a length."""
    return [*range(0, length - side, side), length - side]


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities of logits ``(K, h, w)``."""
    powers = np.exp(logits - logits.max(axis=0))
    return powers / powers.sum(axis=0)


def main() -> None:
    """Read the arguments, write the mask."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a file that segrnn exported to ONNX")
    parser.add_argument("image")
    parser.add_argument("mask", help="the PNG to write")
    parser.add_argument("--color", action="store_true", help="write the classes' colours instead of train ids")
    arguments = parser.parse_args()
    network = Network(arguments.model)
    mask = network.label(ImageOps.exif_transpose(Image.open(arguments.image)).convert("RGB"))
    pixels = np.array(network.colors, np.uint8)[mask] if arguments.color else mask
    Image.fromarray(pixels).save(arguments.mask, format="PNG")


if __name__ == "__main__":
    main()
