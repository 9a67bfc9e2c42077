"""A configured network in words."""

from collections.abc import Mapping
from typing import Any


def describe_network(config: Mapping[str, Any]) -> dict[str, str]:
    """What model, encoder and context of a configuration are; nothing of one that doesn't know, as of an ONNX file.

    Example:
        >>> model = {"_target_": "segrnn.models.FCN", "encoder_name": "resnet18"}
        >>> context = {"_target_": "segrnn.context.ReNet", "hidden": 64}
        >>> describe_network({"model": model, "context": {**context, "stride": 8}})
        {'model': 'FCN', 'encoder': 'resnet18', 'context': 'ReNet (hidden 64, stride 8)'}
    """
    if "model" not in config:
        return {}
    context = config["context"]
    return {
        "model": _name(config["model"]),
        "encoder": str(config["model"].get("encoder_name", "none")),
        "context": f"{_name(context)} ({_arguments(context)})" if context["_target_"] else "none",
    }


def describe_looks(config: Mapping[str, Any]) -> dict[str, str]:
    """What of the inference is not as usual, in words.

    Example:
        >>> windows = {"size": [512, 1024], "stride": None, "gaussian": True}
        >>> describe_looks({"runtime": "onnx", "scales": [1.0], "flip": True, "windows": windows})
        {'runtime': 'onnx', 'flip': 'yes', 'windows': '512 x 1024, gaussian'}
    """
    looks, windows = {}, config["windows"]
    if config["runtime"] != "torch":
        looks["runtime"] = config["runtime"]
    if config["scales"] != [1.0]:
        looks["scales"] = ", ".join(map(str, config["scales"]))
    if config["flip"]:
        looks["flip"] = "yes"
    if windows["size"]:
        sides, weights = " x ".join(map(str, windows["size"])), "gaussian" if windows["gaussian"] else "uniform"
        stride = f" every {' x '.join(map(str, windows['stride']))}" if windows["stride"] else ""
        looks["windows"] = f"{sides}{stride}, {weights}"
    return looks


def _name(component: Mapping[str, Any]) -> str:
    return str(component["_target_"]).rpartition(".")[2]


def _arguments(component: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in component.items() if not key.startswith("_"))
