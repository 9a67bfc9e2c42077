"""A configured network in words."""

from collections.abc import Mapping
from typing import Any


def describe_network(config: Mapping[str, Any]) -> dict[str, str]:
    """What model, encoder and context of a configuration are.

    Example:
        >>> model, context = {"_target_": "segrnn.models.FCN"}, {"_target_": "segrnn.context.ReNet", "hidden": 64}
        >>> describe_network({"model": model, "encoder": {"name": "resnet18"}, "context": {**context, "stride": 8}})
        {'model': 'FCN', 'encoder': 'resnet18', 'context': 'ReNet (hidden 64, stride 8)'}
    """
    context = config["context"]
    return {
        "model": _name(config["model"]),
        "encoder": str(config["encoder"]["name"]),
        "context": f"{_name(context)} ({_arguments(context)})" if context["_target_"] else "none",
    }


def _name(component: Mapping[str, Any]) -> str:
    return str(component["_target_"]).rpartition(".")[2]


def _arguments(component: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in component.items() if not key.startswith("_"))
