"""What ``export format=web`` and ``demo`` share: making a site, with the runtime that it needs."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from segrnn.dataset_tools.download import WebFile, download_files
from segrnn.datasets.demo_scenes import draw_scene
from segrnn.errors import DownloadError
from segrnn.export import ExamplePicture, as_example, read_example, write_site
from segrnn.export.web_runtime import SHA512, TARBALL, URL
from segrnn.inference import Predictor
from segrnn.labels import DEMO

_SCENES = 3


def make_site(predictor: Predictor, folder: Path, examples: Sequence[str], package: str | None) -> float:
    """Write a site into an empty folder.

    Args:
        predictor: the network.
        folder: the folder.
        examples: the paths of the pictures that the page offers. Without any, a network of the demo gets drawn scenes.
        package: the npm package of onnxruntime-web, or None to download it, unless it is in the cache.

    Returns:
        The largest difference of the exported network's logits.

    Raises:
        SegrnnError: a picture can't be read, the package can't be had, or the network can't be exported.
    """
    pictures = [read_example(Path(path)) for path in examples]
    if not pictures and predictor.info.labels.to_dict() == DEMO.to_dict():
        pictures = _draw_scenes()
    return write_site(predictor, folder, Path(package) if package else fetch_runtime(), pictures)


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
