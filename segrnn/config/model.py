"""Trained networks, from a configuration, a checkpoint or a bundle."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from segrnn import __version__
from segrnn.components import build, call
from segrnn.config.targets import TARGETS
from segrnn.datasets import Preprocessing
from segrnn.errors import CheckpointError
from segrnn.guard import no_side_effects
from segrnn.labels import Label, LabelSpace
from segrnn.models import ModelInfo, Segmenter, bundle, load_weights
from segrnn.models.architecture import build_segmenter
from segrnn.models.reading import read_checkpoint

KEY = "segrnn"
"""Where, in a Lightning checkpoint, stands what is needed to rebuild the model."""


def build_preprocessing(config: Mapping[str, Any]) -> Preprocessing:
    """Normalisation comes with the encoder, size with the data."""
    encoder, data = config["encoder"], config["data"]
    base_size = data["base_size"] and tuple(data["base_size"])
    return Preprocessing(tuple(encoder["mean"]), tuple(encoder["std"]), data["eval_scale"], base_size)


def build_model(config: Mapping[str, Any], labels: LabelSpace, allow: Sequence[str]) -> Segmenter:
    """Build the network of a training configuration, which knows its classes and its preprocessing; without weights.

    Args:
        config: of `segrnn.train`.
        labels: the classes.
        allow: import paths of the caller's own code that may be named.

    Raises:
        ConfigError: a component that does not exist, or that does not fit the others.
    """
    return _with_info(build_segmenter(config, labels.num_classes, allow), config, labels, build_preprocessing(config))


def build_untrained(config: Mapping[str, Any], classes: int, allow: Sequence[str] = ()) -> Segmenter:
    """Build a network without weights for so many nameless classes, to measure it.

    Args:
        config: with the groups ``model``, ``context`` and ``encoder``.
        classes: how many.
        allow: import paths of the caller's own code that may be named.

    Raises:
        ConfigError: a component that does not exist, or that does not fit the others.
    """
    labels = LabelSpace("untrained", [Label(f"class {i}", i, i, (i, i, i)) for i in range(classes)])
    encoder = config["encoder"]
    preprocessing = Preprocessing(tuple(encoder["mean"]), tuple(encoder["std"]))
    return _with_info(build_segmenter(config, classes, allow), config, labels, preprocessing)


def load_pretrained(segmenter: Segmenter, config: Mapping[str, Any], allow: Sequence[str]) -> None:
    """Fill the encoder with the weights that ``encoder.weights`` names; nothing where it is null."""
    encoder = config["encoder"]
    if encoder["weights"]:
        load = build(encoder["weights"], "encoder.weights", (*TARGETS, *allow))
        call(load, "encoder.weights", segmenter.encoder, encoder["name"])


def to_checkpoint(info: ModelInfo) -> dict[str, Any]:
    """What a checkpoint holds beside the tensors; primitives only."""
    return {
        "version": __version__,
        "config": info.provenance["config"],
        "labels": info.labels.to_dict(),
        "preprocessing": info.preprocessing.to_dict(),
    }


def load_trained(path: str | Path, allow: Sequence[str] = ()) -> Segmenter:
    """Load a trained network in evaluation mode, from a checkpoint or from the folder of a bundle.

    Never downloads, and runs no code that the file chooses.

    Args:
        path: a checkpoint, or the folder of a bundle.
        allow: import paths of the caller's own code that the file may name.

    Raises:
        CheckpointError: the file is missing, damaged, was not written by segrnn, or asks for more than a network.
    """
    return Segmenter.load(path, allow) if Path(path).is_dir() else load_checkpoint(path, allow)


def load_checkpoint(path: str | Path, allow: Sequence[str] = ()) -> Segmenter:
    """Rebuild a trained network from a checkpoint, in evaluation mode.

    Args:
        path: a checkpoint.
        allow: import paths of the caller's own code that the file may name.

    Raises:
        CheckpointError: the file is missing, damaged, was not written by segrnn, or asks for more than a network.
    """
    checkpoint = read_checkpoint(path, (KEY, "state_dict", "global_step"))
    try:
        kept = checkpoint[KEY]
        labels, preprocessing = LabelSpace.from_dict(kept["labels"]), Preprocessing.from_dict(kept["preprocessing"])
        with no_side_effects("building its network"):
            segmenter = build_segmenter(kept["config"], labels.num_classes, allow)
        load_weights(segmenter, weights_of(checkpoint))
        validations = checkpoint.get("callbacks", {}).get("Checkpoints", {}).get("validations", [])
        scores = {f"mIoU on {kept['config']['data']['split']}": validations[-1][1]} if validations else {}
        provenance = {"version": kept["version"], "step": checkpoint["global_step"]}
        return _with_info(segmenter, kept["config"], labels, preprocessing, scores, provenance).eval()
    except Exception as error:  # a damaged file can fail anywhere on the way, with anything
        raise CheckpointError(f"{path} can't be loaded: {error}") from error


def read_weights(path: str | Path) -> tuple[dict[str, Tensor], LabelSpace]:
    """The weights of a checkpoint or a bundle, and the classes that they are for.

    Raises:
        CheckpointError: the file is missing, damaged, or was not written by segrnn.
    """
    if Path(path).is_dir():
        return bundle.read_weights(Path(path))
    checkpoint = read_checkpoint(path, (KEY, "state_dict"))
    try:
        return weights_of(checkpoint), LabelSpace.from_dict(checkpoint[KEY]["labels"])
    except Exception as error:
        raise CheckpointError(f"{path} can't be loaded: {error}") from error


def weights_of(checkpoint: Mapping[str, Any]) -> dict[str, Tensor]:
    """The network's state dict, from one of the training module; the averaged one, where there is an average."""
    state: Mapping[str, Tensor] = checkpoint["state_dict"]
    return {name.removeprefix("model."): tensor for name, tensor in state.items() if name.startswith("model.")}


def _with_info(
    segmenter: Segmenter,
    config: Mapping[str, Any],
    labels: LabelSpace,
    preprocessing: Preprocessing,
    scores: Mapping[str, float] | None = None,
    provenance: Mapping[str, Any] | None = None,
) -> Segmenter:
    architecture = {part: config[part] for part in ("model", "context")}
    told = {**(provenance or {}), "config": dict(config)}
    segmenter.info = ModelInfo(architecture, labels, preprocessing, scores or {}, told)
    return segmenter
