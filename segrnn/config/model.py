"""The network and its preprocessing, from a configuration or from a checkpoint."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from segrnn import __version__
from segrnn.config.build import MODEL_TARGETS, TARGETS, build, call
from segrnn.datasets import Preprocessing
from segrnn.errors import CheckpointError
from segrnn.labels import LabelSpace
from segrnn.models import Segmenter, add_context, load_weights
from segrnn.models.encoders import levels
from segrnn.models.reading import read_checkpoint

KEY = "segrnn"
"""Where, in a Lightning checkpoint, stands what is needed to rebuild the model."""


@dataclass(frozen=True)
class Trained:
    """A trained network with all that is needed to use it."""

    model: Segmenter
    labels: LabelSpace
    preprocessing: Preprocessing
    config: dict[str, Any]
    step: int


def build_preprocessing(config: Mapping[str, Any]) -> Preprocessing:
    """Normalisation comes with the encoder, size with the data."""
    encoder, data = config["encoder"], config["data"]
    base_size = data["base_size"] and tuple(data["base_size"])
    return Preprocessing(tuple(encoder["mean"]), tuple(encoder["std"]), data["eval_scale"], base_size)


def build_segmenter(config: Mapping[str, Any], num_classes: int, allow: Sequence[str] = TARGETS) -> Segmenter:
    """The network with its context and its auxiliary head, without pretrained weights.

    Raises:
        ConfigError: a component that does not exist, or that does not fit the others.
    """
    network = call(build(config["model"], "model", allow), "model", classes=num_classes)
    context = dict(config["context"])
    stride = context.pop("stride")
    if context["_target_"]:
        segmenter = call(add_context, "context", network, build(context, "context", allow), stride)
    else:
        segmenter = Segmenter(network)
    auxiliary = config.get("auxiliary")  # checkpoints of earlier versions have none
    if auxiliary and auxiliary["_target_"]:
        make = build(auxiliary, "auxiliary", allow)
        segmenter.auxiliary = call(make, "auxiliary", levels(segmenter.encoder), num_classes)
    return segmenter


def load_pretrained(segmenter: Segmenter, config: Mapping[str, Any], allow: Sequence[str] = TARGETS) -> None:
    """Fill the encoder with the weights that ``encoder.weights`` names; nothing where it is null."""
    encoder = config["encoder"]
    if encoder["weights"]:
        load = build(encoder["weights"], "encoder.weights", allow)
        call(load, "encoder.weights", segmenter.encoder, encoder["name"])


def to_checkpoint(config: Mapping[str, Any], labels: LabelSpace, preprocessing: Preprocessing) -> dict[str, Any]:
    """What a checkpoint holds beside the tensors; primitives only."""
    return {
        "version": __version__,
        "config": dict(config),
        "labels": labels.to_dict(),
        "preprocessing": preprocessing.to_dict(),
    }


def load_checkpoint(path: str | Path) -> Trained:
    """Rebuild a trained network. Never downloads, and runs no code that the file chooses.

    Raises:
        CheckpointError: the file is missing, damaged, or was not written by segrnn.
    """
    checkpoint = read_checkpoint(path, (KEY, "state_dict", "global_step"))
    try:
        info = checkpoint[KEY]
        labels, preprocessing = LabelSpace.from_dict(info["labels"]), Preprocessing.from_dict(info["preprocessing"])
        model = build_segmenter(info["config"], labels.num_classes, MODEL_TARGETS)
        load_weights(model, weights_of(checkpoint))
        return Trained(model.eval(), labels, preprocessing, info["config"], checkpoint["global_step"])
    except Exception as error:  # a damaged file can fail anywhere on the way, with anything
        raise CheckpointError(f"{path} can't be loaded: {error}") from error


def read_weights(path: str | Path) -> tuple[dict[str, Tensor], LabelSpace]:
    """The weights of a checkpoint and the classes that they are for.

    Raises:
        CheckpointError: the file is missing, damaged, or was not written by segrnn.
    """
    checkpoint = read_checkpoint(path, (KEY, "state_dict"))
    try:
        return weights_of(checkpoint), LabelSpace.from_dict(checkpoint[KEY]["labels"])
    except Exception as error:
        raise CheckpointError(f"{path} can't be loaded: {error}") from error


def weights_of(checkpoint: Mapping[str, Any]) -> dict[str, Tensor]:
    """The network's state dict, from one of the training module; the averaged one, where there is an average."""
    state: Mapping[str, Tensor] = checkpoint["state_dict"]
    return {name.removeprefix("model."): tensor for name, tensor in state.items() if name.startswith("model.")}
