"""Building a predictor from a command's configuration."""

from pathlib import Path

from segrnn.config.schema import Inference
from segrnn.errors import ConfigError
from segrnn.export import as_onnx, load_onnx
from segrnn.inference import ModelInfo, Network, Predictor, Windows, choose_device, find_fusions, load_trained, prepare
from segrnn.instantiate import call
from segrnn.text import tell
from segrnn.threads import share_cores


def build_predictor(ckpt: str, config: Inference) -> Predictor:
    """Build a predictor with a trained network on its device, and with ``scales``, ``flip`` and ``windows``.

    Args:
        ckpt: the path of a checkpoint, a bundle or an ONNX file.
        config: the device, and how the network sees images.

    Raises:
        CheckpointError: the checkpoint or bundle is missing or damaged.
        ConfigError: the device does not exist, or the windows leave gaps.
        ExportError: ONNX Runtime can't run the network, or is missing.
    """
    chosen = config.windows
    windows = None
    if chosen.size:
        windows = call(Windows, "windows", chosen.size, chosen.stride, chosen.gaussian)
    network, info = _load(Path(ckpt), config)
    return Predictor(network, info, config.scales, config.flip, windows)


def _load(path: Path, config: Inference) -> tuple[Network, ModelInfo]:
    """Load the network, prepared for its device, and its description."""
    device = config.device
    runs_onnx = path.suffix == ".onnx" or config.runtime == "onnx"
    if runs_onnx and device not in ("auto", "cpu"):
        raise ConfigError(f"device={device}: ONNX Runtime runs on the CPU only: choose device=cpu, or runtime=torch")
    place = choose_device("cpu" if runs_onnx else device)
    if place.type == "cpu":
        tell(share_cores(processes=1))
    if path.suffix == ".onnx":
        return load_onnx(path)
    segmenter, info = load_trained(path, config.allow)
    if runs_onnx:
        return as_onnx(segmenter, info.preprocessing, path, tell), info
    if place.type != "cpu":
        return segmenter.to(place), info
    return prepare(segmenter, find_fusions(segmenter)), info  # only on the CPU: elsewhere it has not been measured
