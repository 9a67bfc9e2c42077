"""Building a predictor from a command's configuration."""

from collections.abc import Sequence
from pathlib import Path

import torch

from segrnn.config.schema import Inference
from segrnn.errors import ConfigError
from segrnn.export import as_onnx, load_onnx
from segrnn.inference import (
    SINGLE,
    Ensemble,
    Member,
    ModelInfo,
    Network,
    Windows,
    choose_device,
    find_fusions,
    load_trained,
    prepare,
)
from segrnn.instantiate import call
from segrnn.process_group import ProcessGroup
from segrnn.text import tell
from segrnn.threads import share_cores


def build_predictor(paths: Sequence[str], config: Inference, group: ProcessGroup) -> Ensemble:
    """Build a predictor with trained networks on their device, and with ``scales``, ``flip`` and ``windows``.

    Args:
        paths: the paths of checkpoints, bundles or ONNX files. The probabilities of several networks are averaged. If
            ONNX Runtime computes one of them, all are computed on the CPU.
        config: the device, and how the networks see images.
        group: the processes that share the images.

    Raises:
        CheckpointError: a checkpoint or bundle is missing or damaged, or two networks have other classes or another
            preprocessing.
        ConfigError: the device does not exist, or the windows leave gaps.
        ExportError: ONNX Runtime can't run a network, or is missing.
    """
    place = choose_device("cpu" if stays_on_cpu(paths, config) else config.device)
    if place.type == "cpu":
        group.tell(share_cores(group.local_size))
    return assemble_predictor(paths, config, place)


def assemble_predictor(paths: Sequence[str], config: Inference, place: torch.device) -> Ensemble:
    """Build a predictor as `build_predictor` does, on a device that is given.

    Raises:
        CheckpointError: a checkpoint or bundle is missing or damaged, or two networks have other classes or another
            preprocessing.
        ConfigError: the windows leave gaps.
        ExportError: ONNX Runtime can't run a network, or is missing.
    """
    chosen = config.windows
    windows = None
    if chosen.size:
        windows = call(Windows, "windows", chosen.size, chosen.stride, chosen.gaussian)
    if config.precision == "16-mixed" and place.type == "cpu":
        raise ConfigError("precision=16-mixed needs a GPU: choose precision=bf16-mixed, or 32-true")
    members = [Member(path, *_load(Path(path), config, place)) for path in paths]
    return Ensemble(members, config.scales, config.flip, windows, config.precision)


def stays_on_cpu(paths: Sequence[str], config: Inference) -> bool:
    """Tell whether the networks run on the CPU on any machine.

    Raises:
        ConfigError: another device or half precision is chosen, and ONNX Runtime computes a network.
    """
    device = config.device
    runs_onnx = config.runtime == "onnx" or any(_is_onnx(Path(path)) for path in paths)
    if runs_onnx and device not in ("auto", "cpu"):
        raise ConfigError(f"device={device}: ONNX Runtime runs on the CPU only: choose device=cpu, or runtime=torch")
    if runs_onnx and config.precision != SINGLE:
        raise ConfigError(
            f"precision={config.precision}: ONNX Runtime computes in the precision of its file: choose {SINGLE}, or a "
            "checkpoint with runtime=torch"
        )
    return runs_onnx or device == "cpu"


def _is_onnx(path: Path) -> bool:
    return path.suffix == ".onnx"


def _load(path: Path, config: Inference, place: torch.device) -> tuple[Network, ModelInfo]:
    """Load the network, prepared for its device, and its description."""
    if _is_onnx(path):
        return load_onnx(path)
    segmenter, info = load_trained(path, config.allow)
    if config.runtime == "onnx":
        return as_onnx(segmenter, info.preprocessing, path, tell), info
    if place.type != "cpu" or config.precision != SINGLE:  # fused layers compute in single precision only
        return segmenter.to(place), info
    return prepare(segmenter, find_fusions(segmenter)), info  # only on the CPU: elsewhere it has not been measured
