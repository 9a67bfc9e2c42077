"""Load a file's tensors into a network, with an error that says where the two differ."""

from collections.abc import Mapping, Sequence

from torch import Tensor

from segrnn.errors import CheckpointError
from segrnn.models.segmenter import Segmenter

ROOMS = ("encoder", "neck", "context", "decoder", "head", "auxiliary")
"""The parts of a `Segmenter`. The name of each of its tensors begins with one of them."""


def load_weights(segmenter: Segmenter, weights: Mapping[str, Tensor], skip: Sequence[str] = ()) -> None:
    """Copy a whole state dict into a network, or raise an error and copy nothing.

    Args:
        segmenter: the network. It is changed in place.
        weights: the state dict of a network with the same architecture.
        skip: the parts from `ROOMS` that stay as they are, whatever the state dict has for them.

    Raises:
        CheckpointError: names or shapes differ. The message lists the differences part by part.
        ValueError: `skip` names an unknown part.

    Example:
        >>> from segrnn.models import FCN
        >>> trained, other = (Segmenter(FCN("resnet18", classes=classes, width=8)) for classes in (4, 5))
        >>> load_weights(other, trained.state_dict(), skip=["head"])
        >>> load_weights(other, trained.state_dict())
        Traceback (most recent call last):
        segrnn.errors.CheckpointError: the checkpoint belongs to another model:
          head: 2 with another shape (e.g. 0.weight is (4, 8, 1, 1) in the file and (5, 8, 1, 1) in the model)
    """
    if unknown := set(skip) - set(ROOMS):
        raise ValueError(
            f"skip={list(skip)}: there is no part {', '.join(sorted(unknown))}; the parts are {', '.join(ROOMS)}"
        )
    wanted = {name: tensor for name, tensor in segmenter.state_dict().items() if _room(name) not in skip}
    given = {name: tensor for name, tensor in weights.items() if _room(name) not in skip}
    differences = {room: _differences(room, given, wanted) for room in dict.fromkeys(map(_room, [*wanted, *given]))}
    lines = [f"  {room}: {', '.join(found)}" for room, found in differences.items() if found]
    if lines:
        raise CheckpointError("\n".join(["the checkpoint belongs to another model:", *lines]))
    segmenter.load_state_dict(given, strict=False)  # only the tensors of skipped parts can be missing


def _room(name: str) -> str:
    return name.partition(".")[0]


def _differences(room: str, given: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> list[str]:
    missing = [name for name in wanted if _room(name) == room and name not in given]
    unexpected = [name for name in given if _room(name) == room and name not in wanted]
    reshaped = [
        f"{name} is {tuple(given[name].shape)} in the file and {tuple(tensor.shape)} in the model"
        for name, tensor in wanted.items()
        if _room(name) == room and name in given and given[name].shape != tensor.shape
    ]
    kinds = {"missing": missing, "unexpected": unexpected, "with another shape": reshaped}
    return [f"{len(found)} {kind} (e.g. {found[0].removeprefix(f'{room}.')})" for kind, found in kinds.items() if found]
