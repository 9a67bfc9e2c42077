"""Loading trained networks from either kind of file, a checkpoint or a bundle."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from torch import Tensor

from segrnn.errors import CheckpointError
from segrnn.inference.bundle import CONFIG, load_bundle, read_bundle_weights
from segrnn.inference.checkpoint import KEY, WEIGHTS, load_checkpoint, read_checkpoint, read_tensors, weights_of
from segrnn.inference.foreign import HubModel, recognise
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
    if not Path(path).is_dir():
        return load_checkpoint(path, allow)
    if read_hub_model(Path(path)):
        raise CheckpointError(
            f"{path} can't be loaded: it holds a model of segmentation_models_pytorch, which does not say what its "
            "classes are and how its images are normalised: train it with python -m segrnn.train weights=..., or use "
            "segrnn.models.add_context in Python"
        )
    return load_bundle(Path(path), allow)


class StartWeights(NamedTuple):
    """The weights that a training can start from."""

    weights: dict[str, Tensor]
    """The tensors, as a `Segmenter` names them."""
    labels: LabelSpace | None = None
    """The classes that they are for. None if another library wrote the file, which then has no context, either."""
    hub: HubModel | None = None
    """The description of a model of segmentation_models_pytorch, if it comes with the weights."""


def read_weights(path: str | Path) -> StartWeights:
    """Read the weights of a checkpoint or a bundle, or those that segmentation_models_pytorch has saved.

    The latter may be a folder of ``save_pretrained``, which is also what ``hf://smp-hub/...`` downloads, a file of
    safetensors, a state dict, or a training script's checkpoint with a state dict inside.

    Raises:
        CheckpointError: the file is missing, damaged, or of another library. The message says what it is.
    """
    if Path(path).is_dir():
        hub = read_hub_model(Path(path))
        if hub is None:
            return StartWeights(*read_bundle_weights(Path(path)))
        return StartWeights(recognise(read_tensors(Path(path, WEIGHTS))).weights, hub=hub)
    content = read_tensors(path)
    if isinstance(content, dict) and KEY in content:
        checkpoint = read_checkpoint(path, (KEY, "state_dict"))
        try:
            return StartWeights(weights_of(checkpoint), LabelSpace.from_dict(checkpoint[KEY]["labels"]))
        except Exception as error:
            raise CheckpointError(f"{path} can't be loaded: {error}") from error
    found = recognise(content)
    if not found.weights:
        raise CheckpointError(f"{path} can't be loaded: it is {found.kind}")
    return StartWeights(found.weights)


def read_hub_model(folder: Path) -> HubModel | None:
    """Read the description of a model of segmentation_models_pytorch. Return None if the folder holds something else.

    Raises:
        CheckpointError: segrnn does not have the model.
    """
    try:
        content = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None  # the reader of bundles says what is wrong
    try:
        return HubModel.read(content) if isinstance(content, dict) else None
    except CheckpointError as error:
        raise CheckpointError(f"{folder} can't be loaded: {error}") from error
