"""Describing the networks of a prediction, and how they see images, in words."""

from collections.abc import Sequence

from segrnn.config.describe_network import describe_network
from segrnn.config.schema import Inference
from segrnn.inference import Member, ModelInfo


def describe_members(members: Sequence[Member]) -> dict[str, str]:
    """Describe where the networks of a prediction come from, and what they are.

    A single network has an entry for each fact, and each of several networks has one entry.
    """
    origins = [f"{member.name}, {_describe_origin(member.info)}" for member in members]
    networks = [describe_network(member.info.architecture) for member in members]
    if len(members) == 1:
        return {"checkpoint": origins[0], **networks[0]}
    entries = {
        f"network {number}": ", ".join([origin, *(f"{part} {name}" for part, name in network.items())])
        for number, (origin, network) in enumerate(zip(origins, networks, strict=True), start=1)
    }
    return {"ensemble": f"the probabilities of {len(members)} networks are averaged", **entries}


def _describe_origin(info: ModelInfo) -> str:
    average = info.provenance.get("average")
    if isinstance(average, Sequence):
        return f"mean of the weights of {len(average)} networks"
    return f"step {info.provenance.get('step', 'unknown')}"


def describe_views(config: Inference) -> dict[str, str]:
    """Describe the settings of an inference that differ from the usual ones.

    Example:
        >>> from segrnn.config.schema import Windows
        >>> windows = Windows(size=[512, 1024])
        >>> describe_views(Inference(runtime="onnx", flip=True, windows=windows))
        {'runtime': 'onnx', 'flip': 'yes', 'windows': '512 x 1024, gaussian'}
    """
    views, windows = {}, config.windows
    if config.runtime != "torch":
        views["runtime"] = config.runtime
    if config.precision != "32-true":
        views["precision"] = config.precision
    if config.scales != [1.0]:
        views["scales"] = ", ".join(map(str, config.scales))
    if config.flip:
        views["flip"] = "yes"
    if windows.size:
        sides, weights = " x ".join(map(str, windows.size)), "gaussian" if windows.gaussian else "uniform"
        stride = f" every {' x '.join(map(str, windows.stride))}" if windows.stride else ""
        views["windows"] = f"{sides}{stride}, {weights}"
    return views
