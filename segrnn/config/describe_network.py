"""The names of a configured network's parts. It needs no torch, so that listing runs takes no time."""

from collections.abc import Mapping
from typing import Any


def describe_network(config: Mapping[str, Any]) -> dict[str, str]:
    """Return the names of a configuration's model, encoder and context.

    The result is empty if the configuration does not name them, for example that of an ONNX file.

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


def _name(component: Mapping[str, Any]) -> str:
    return str(component["_target_"]).rpartition(".")[2]


def _arguments(component: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in component.items() if not key.startswith("_"))
