"""Loading trained networks from either kind of file, a checkpoint or a bundle."""

from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from segrnn.errors import CheckpointError
from segrnn.inference.bundle import load_bundle, read_bundle_weights
from segrnn.inference.checkpoint import KEY, load_checkpoint, read_checkpoint, weights_of
from segrnn.inference.info import ModelInfo
from segrnn.labels import LabelSpace
from segrnn.models import Segmenter


def load_trained(path: str | Path, allow: Sequence[str] = ()) -> tuple[Segmenter, ModelInfo]:
    """Load a trained network in evaluation mode on the CPU, together with its `ModelInfo`.

    Nothing is downloaded, and no code of the file is run.

    Args:
        path: a checkpoint, or the folder of a bundle.
        allow: import paths of the caller's own code that the file may name.

    Raises:
        CheckpointError: the file is missing or damaged, was not written by segrnn, or asks for more than a network.
    """
    return load_bundle(Path(path), allow) if Path(path).is_dir() else load_checkpoint(path, allow)


def read_weights(path: str | Path) -> tuple[dict[str, Tensor], LabelSpace]:
    """Read the weights of a checkpoint or a bundle, and the classes that they are for.

    Raises:
        CheckpointError: the file is missing, damaged, or was not written by segrnn.
    """
    if Path(path).is_dir():
        return read_bundle_weights(Path(path))
    checkpoint = read_checkpoint(path, (KEY, "state_dict"))
    try:
        return weights_of(checkpoint), LabelSpace.from_dict(checkpoint[KEY]["labels"])
    except Exception as error:
        raise CheckpointError(f"{path} can't be loaded: {error}") from error
