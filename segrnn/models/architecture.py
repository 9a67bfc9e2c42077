"""A network from primitives that say how it is made."""

from collections.abc import Mapping, Sequence
from typing import Any

from segrnn.components import build, call
from segrnn.models.encoders import levels
from segrnn.models.insertion import add_context
from segrnn.models.segmenter import Segmenter

MODEL_TARGETS = (
    "segrnn.models.",
    "segrnn.context.",
    "segmentation_models_pytorch.DeepLabV3Plus",
    "segmentation_models_pytorch.FPN",
    "segmentation_models_pytorch.PSPNet",
    "segmentation_models_pytorch.Segformer",
    "segmentation_models_pytorch.UPerNet",
    "segmentation_models_pytorch.Unet",
)
"""All that a trained network's architecture may name: a file from elsewhere must not choose what code runs."""


def build_segmenter(
    architecture: Mapping[str, Any], num_classes: int, allow: Sequence[str] = MODEL_TARGETS
) -> Segmenter:
    """The network with its context and its auxiliary head, without pretrained weights.

    Args:
        architecture: ``model``, ``context`` and, where there is one, ``auxiliary``; each a component as `build` wants
            it, the context with its ``stride``, or without a ``_target_`` where there is none.
        num_classes: of the network.
        allow: import paths that may be named.

    Raises:
        ConfigError: a component that does not exist, or that does not fit the others.

    Example:
        >>> fcn = {"_target_": "segrnn.models.FCN", "_partial_": True, "encoder_name": "resnet18", "width": 8}
        >>> gru = {"_target_": "segrnn.context.ReNet", "_partial_": True, "cell": "gru", "hidden": 4, "stride": 8}
        >>> type(build_segmenter({"model": fcn, "context": gru}, num_classes=3)).__name__
        'Segmenter'
    """
    network = call(build(architecture["model"], "model", allow), "model", classes=num_classes)
    context = dict(architecture["context"])
    stride = context.pop("stride")
    if context["_target_"]:
        segmenter: Segmenter = call(add_context, "context", network, build(context, "context", allow), stride)
    else:
        segmenter = call(Segmenter, "model", network)
    auxiliary = architecture.get("auxiliary")
    if auxiliary and auxiliary["_target_"]:
        make = build(auxiliary, "auxiliary", allow)
        segmenter.auxiliary = call(make, "auxiliary", levels(segmenter.encoder), num_classes)
    return segmenter
