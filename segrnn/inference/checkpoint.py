"""Checkpoints of a training: reading them, and rebuilding a network from them, without running code from the file."""

import hashlib
import pickle
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from segrnn import __version__
from segrnn.errors import CheckpointError
from segrnn.guard import no_side_effects
from segrnn.images import Preprocessing
from segrnn.inference.foreign import recognise
from segrnn.inference.info import ModelInfo
from segrnn.labels import LabelSpace
from segrnn.models import Segmenter, load_weights
from segrnn.models.architecture import build_segmenter

KEY = "segrnn"
"""The checkpoint's key for everything that is needed to rebuild the network."""

SAFETENSORS = ".safetensors"
WEIGHTS = f"model{SAFETENSORS}"
"""The name of the file with the tensors in a bundle."""


def read_checkpoint(path: str | Path, keys: Sequence[str]) -> dict[str, Any]:
    """Read a checkpoint of segrnn. Its tensors stay on the disk until they are used.

    Args:
        path: the file.
        keys: the keys that the checkpoint must hold.

    Raises:
        CheckpointError: the file is missing, is damaged, holds code, or was not written by segrnn.
    """
    checkpoint = read_tensors(path)
    lacking = [key for key in keys if not isinstance(checkpoint, dict) or key not in checkpoint]
    if lacking and isinstance(checkpoint, dict) and KEY in checkpoint:
        raise CheckpointError(f"{path} can't be loaded: it is damaged, because it lacks {', '.join(lacking)}")
    if lacking:
        found = recognise(checkpoint)
        advice = f". weights={path} starts a training from them" if found.weights else ""
        raise CheckpointError(f"{path} can't be loaded: it is not a checkpoint of segrnn, but {found.kind}{advice}")
    return checkpoint


def read_tensors(path: str | Path) -> Any:
    """Read a file of tensors and primitives, written by `torch.save` or, with the suffix, by safetensors.

    Raises:
        CheckpointError: the file is missing, is damaged, or holds code.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"{path} does not exist; training writes <run>/checkpoints/best.ckpt and last.ckpt")
    file = f"{path} ({path.stat().st_size} bytes)"
    with path.open("rb") as opened:
        if opened.read(64).lstrip().startswith(b"<"):
            raise CheckpointError(f"{file} is a web page in place of weights: the server may ask for a login")
    try:
        if path.suffix == SAFETENSORS:
            return load_file(path)
        whole = zipfile.is_zipfile(path)  # a file that was cut short lacks the zip directory at its end
        return torch.load(path, map_location="cpu", weights_only=True, mmap=whole)
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{file} can't be loaded: it is damaged, or it holds more than tensors and primitives, which might run code"
        ) from error
    except Exception as error:  # a damaged file can fail at any step, with any exception
        raise CheckpointError(
            f"{file} can't be loaded: it is damaged, or it is not a checkpoint: {_first_line(error)}"
        ) from error


def digest_weights(path: str | Path) -> str:
    """Return the SHA-256 of a checkpoint, or of the weights' file in a bundle's folder. It identifies the weights."""
    path = Path(path)
    with (path / WEIGHTS if path.is_dir() else path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]


def to_checkpoint(info: ModelInfo) -> dict[str, Any]:
    """Return everything that a checkpoint holds besides the tensors, as primitives."""
    return {
        "version": __version__,
        "config": info.provenance["config"],
        "labels": info.labels.to_dict(),
        "preprocessing": info.preprocessing.to_dict(),
    }


def _name_score(data: Mapping[str, Any]) -> str:
    """Return the name of a training's score. It says so if the images were trained on, because they measure nothing.

    Example:
        >>> _name_score({"split": "val", "train_split": "train+val"})
        'mIoU on val, which was trained on'
    """
    seen = set(data["split"].split("+")) & set(data["train_split"].split("+"))
    return f"mIoU on {data['split']}" + (", which was trained on" if seen else "")


def load_checkpoint(path: str | Path, allow: Sequence[str] = ()) -> tuple[Segmenter, ModelInfo]:
    """Rebuild a trained network from a checkpoint, in evaluation mode, together with its `ModelInfo`.

    Args:
        path: the checkpoint.
        allow: import paths of the caller's own code that the file may name.

    Raises:
        CheckpointError: the file is missing, is damaged, was not written by segrnn, or asks for more than a network.
    """
    checkpoint = read_checkpoint(path, (KEY, "state_dict", "global_step"))
    try:
        kept = checkpoint[KEY]
        labels, preprocessing = LabelSpace.from_dict(kept["labels"]), Preprocessing.from_dict(kept["preprocessing"])
        with no_side_effects("building its network"):
            segmenter = build_segmenter(kept["config"], labels.num_classes, allow, preprocessing.channels)
        load_weights(segmenter, weights_of(checkpoint))
        validations = checkpoint.get("callbacks", {}).get("Checkpoints", {}).get("validations", [])
        scores = {_name_score(kept["config"]["data"]): validations[-1][1]} if validations else {}
        provenance = {"version": kept["version"], "step": checkpoint["global_step"]}
        architecture = {part: kept["config"][part] for part in ("model", "context")}
        info = ModelInfo(architecture, labels, preprocessing, scores, {**provenance, "config": dict(kept["config"])})
        return segmenter.eval(), info
    except Exception as error:  # a damaged file can fail at any step, with any exception
        raise CheckpointError(f"{path} can't be loaded: {error}") from error


def weights_of(checkpoint: Mapping[str, Any]) -> dict[str, Tensor]:
    """Return the network's state dict from a training checkpoint: the averaged weights, if weights were averaged."""
    state: Mapping[str, Tensor] = checkpoint["state_dict"]
    return {name.removeprefix("model."): tensor for name, tensor in state.items() if name.startswith("model.")}
