"""Reading checkpoints without running what they hold."""

import hashlib
import pickle
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from segrnn.errors import CheckpointError

WEIGHTS = "model.safetensors"
"""The tensors in a bundle."""


def read_checkpoint(path: str | Path, keys: Sequence[str]) -> dict[str, Any]:
    """A checkpoint of segrnn; its tensors stay on the disk until they are used.

    Args:
        path: the file.
        keys: what it must hold.

    Raises:
        CheckpointError: the file is missing, damaged, holds code, or was not written by segrnn.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"{path} does not exist; training writes <run>/checkpoints/best.ckpt and last.ckpt")
    file = f"{path} ({path.stat().st_size} bytes)"
    try:
        whole = zipfile.is_zipfile(path)  # the directory of a cut one is missing
        checkpoint = torch.load(path, map_location="cpu", weights_only=True, mmap=whole)
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{file} can't be loaded: it is damaged, or holds more than tensors and primitives, and so might run code"
        ) from error
    except Exception as error:  # a damaged file can fail anywhere on the way, with anything
        raise CheckpointError(f"{file} can't be loaded: damaged, or no checkpoint: {_first_line(error)}") from error
    lacking = [key for key in keys if not isinstance(checkpoint, dict) or key not in checkpoint]
    if lacking:
        raise CheckpointError(f"{file} can't be loaded: no checkpoint of segrnn, it lacks {', '.join(lacking)}")
    return checkpoint


def digest_weights(path: str | Path) -> str:
    """What tells the weights of a checkpoint, or of a bundle's folder, from all others: SHA-256 of their file."""
    path = Path(path)
    with (path / WEIGHTS if path.is_dir() else path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
