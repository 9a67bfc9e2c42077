"""What ``export format=web`` and ``demo`` share: making a site, with the runtime that it needs."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from segrnn.config.describe_network import describe_network
from segrnn.dataset_tools.download import WebFile, download_files
from segrnn.datasets.demo_scenes import draw_scene
from segrnn.errors import DownloadError
from segrnn.export import ExamplePicture, as_example, read_example, write_site
from segrnn.export.web_runtime import SHA512, TARBALL, URL
from segrnn.inference import Predictor, load_trained, locate
from segrnn.labels import DEMO

_SCENES = 3


def make_site(
    predictors: Sequence[tuple[str, Predictor]],
    folder: Path,
    examples: Sequence[str],
    package: str | None,
    int8: bool = False,
) -> float:
    """Write a site into an empty folder.

    Args:
        predictors: one network, or two to compare, each with the path or the address of its checkpoint.
        folder: the folder.
        examples: the paths of the pictures that the page offers. Without any, a network of the demo gets drawn scenes.
        package: the npm package of onnxruntime-web, or None to download it, unless it is in the cache.
        int8: whether the networks get 8-bit weights.

    Returns:
        The largest difference of the exported networks' logits.

    Raises:
        SegrnnError: a picture can't be read, the package can't be had, or a network can't be exported.
    """
    pictures = read_examples(predictors[0][1], examples)
    networks = dict(zip(name_networks(predictors), (predictor for _, predictor in predictors), strict=True))
    return write_site(networks, folder, Path(package) if package else fetch_runtime(), pictures, int8)


def read_examples(predictor: Predictor, paths: Sequence[str]) -> list[ExamplePicture]:
    """Read the pictures that a page offers. Without paths, a network of the demo gets drawn scenes.

    Raises:
        DataError: a picture can't be read.
    """
    if not paths and predictor.info.labels.to_dict() == DEMO.to_dict():
        return _draw_scenes()
    return [read_example(Path(path)) for path in paths]


def load_named(sources: Sequence[str], allow: Sequence[str]) -> list[tuple[str, Predictor]]:
    """Load networks, each with the path or the address of its checkpoint.

    Raises:
        SegrnnError: a checkpoint is at fault.
    """
    return [(source, Predictor(*load_trained(locate(source), allow))) for source in sources]


def name_networks(predictors: Sequence[tuple[str, Predictor]]) -> list[str]:
    """Name networks by the parts in which they differ, for example their contexts, else by their checkpoints.

    Contexts of two kinds are named without their arguments.
    """
    described = [describe_network(predictor.info.architecture) for _, predictor in predictors]
    short = [{part: value.partition(" (")[0] for part, value in each.items()} for each in described]
    for texts in (short, described):
        parts = [part for part in texts[0] if len({each.get(part) for each in texts}) == len(texts) > 1]
        if parts:
            return [", ".join(_name_part(part, each[part]) for part in parts) for each in texts]
    return [f"{number}: {source}" for number, (source, _) in enumerate(predictors, 1)]


def _name_part(part: str, value: str) -> str:
    return f"without {part}" if value == "none" else f"{part} {value}"


def fetch_runtime() -> Path:
    """Return the npm package of onnxruntime-web. It is downloaded once, and stays in a cache.

    Raises:
        DownloadError: the package can't be downloaded, or is not the expected one.
    """
    folder = Path(torch.hub.get_dir(), "segrnn")
    fix = f"onnxruntime_web=<path of {TARBALL}> takes the package from a file"
    try:
        return download_files(folder, {"onnxruntime_web": WebFile(TARBALL, URL, f"sha512:{SHA512}", fix)})[0]
    except DownloadError as error:
        raise error if fix in str(error) else DownloadError(f"{error}\n{fix}") from error


def _draw_scenes() -> list[ExamplePicture]:
    scenes = [draw_scene(np.random.default_rng([number, _SCENES])) for number in range(_SCENES)]
    return [as_example(f"street {number}", scene.image) for number, scene in enumerate(scenes, 1)]
