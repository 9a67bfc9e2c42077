"""Build a network from a description that consists of primitives.

The description may come from a stranger's file. So a target must be a class that builds a network, and its arguments
must be names, sizes and strides. No argument may name weights, an address, a path, a cache or a hub.
"""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from segrnn.errors import ConfigError
from segrnn.instantiate import call, check_plain, find, instantiate, matches
from segrnn.models.encoders import check_encoder_name, check_pyramid, levels
from segrnn.models.insertion import add_context
from segrnn.models.segmenter import Segmenter

MODEL_TARGETS = (
    "segrnn.models.Auxiliary",
    "segrnn.models.BLLA",
    "segrnn.models.FCN",
    "segrnn.models.ReSeg",
    "segrnn.context.",
    "segmentation_models_pytorch.DeepLabV3",
    "segmentation_models_pytorch.DeepLabV3Plus",
    "segmentation_models_pytorch.FPN",
    "segmentation_models_pytorch.Linknet",
    "segmentation_models_pytorch.MAnet",
    "segmentation_models_pytorch.PAN",
    "segmentation_models_pytorch.PSPNet",
    "segmentation_models_pytorch.Segformer",
    "segmentation_models_pytorch.UPerNet",
    "segmentation_models_pytorch.Unet",
    "segmentation_models_pytorch.UnetPlusPlus",
)
"""The import paths that an architecture may name, besides those that the caller allows."""

STRUCTURAL = frozenset(
    {
        "decoder_aspp_dropout",
        "decoder_aspp_separable",
        "decoder_atrous_rates",
        "decoder_attention_type",
        "decoder_channels",
        "decoder_dropout",
        "decoder_interpolation",
        "decoder_merge_policy",
        "decoder_pab_channels",
        "decoder_pyramid_channels",
        "decoder_segmentation_channels",
        "decoder_use_norm",
        "drop_path_rate",
        "encoder_depth",
        "encoder_name",
        "encoder_output_stride",
        "in_channels",
        "output_stride",
        "psp_dropout",
        "psp_out_channels",
        "upsampling",
    }
)
"""The arguments of models of segmentation_models_pytorch that an architecture may hold."""

_PASSED_ON = {"drop_path_rate", "output_stride"}
"""The structural arguments that these models don't declare. The models pass them on to their encoder."""


def build_segmenter(
    architecture: Mapping[str, Any], num_classes: int, allow: Sequence[str] = (), channels: int = 3
) -> Segmenter:
    """Build the network with its context and its auxiliary head, without pretrained weights.

    Args:
        architecture: the components ``model``, ``context`` and, optionally, ``auxiliary``, in the form that
            `instantiate` takes. The context also has a ``stride``. Its ``_target_`` is None for no context.
        num_classes: the number of classes of the network.
        allow: import paths of the caller's own code that may be named besides `MODEL_TARGETS`.
        channels: the number of channels of an image. If it is not 3, the model gets it as ``in_channels``.

    Raises:
        ConfigError: a component does not exist or does not fit the others, or an argument is not structural.

    Example:
        >>> fcn = {"_target_": "segrnn.models.FCN", "_partial_": True, "encoder_name": "resnet18", "width": 8}
        >>> gru = {"_target_": "segrnn.context.ReNet", "_partial_": True, "cell": "gru", "hidden": 4, "stride": 8}
        >>> type(build_segmenter({"model": fcn, "context": gru}, num_classes=3)).__name__
        'Segmenter'
    """
    context, auxiliary = dict(architecture["context"]), architecture.get("auxiliary") or {"_target_": None}
    stride = context.pop("stride")
    make_network = build_part(architecture["model"], "model", allow)
    make_context = build_part(context, "context", allow) if context["_target_"] else None
    make_auxiliary = build_part(auxiliary, "auxiliary", allow) if auxiliary["_target_"] else None

    in_channels = {} if channels == 3 else {"in_channels": channels}  # a user's own model may lack this argument
    network = call(make_network, "model", classes=num_classes, **in_channels)
    segmenter: Segmenter
    if make_context is None:
        segmenter = call(Segmenter, "model", network)
    else:
        segmenter = call(add_context, "context", network, make_context, stride)
    if make_auxiliary is not None:
        segmenter.auxiliary = call(make_auxiliary, "auxiliary", levels(segmenter.encoder), num_classes)
    return segmenter


def build_part(config: Mapping[str, Any], path: str, allow: Sequence[str] = ()) -> Any:
    """Return a function that makes a model, a context or an auxiliary head from the arguments that are still missing.

    Args:
        config: the component, with ``_target_``.
        path: the component's place in the whole configuration, for error messages.
        allow: import paths of the caller's own code. The arguments of such code are not checked.

    Raises:
        ConfigError: the target is not allowed or is not a module, or an argument is not structural.

    Example:
        >>> type(build_part({"_target_": "segrnn.context.ReNet", "hidden": 4}, "context")(16)).__name__
        'ReNet'
    """
    target = find(config["_target_"], path, (*MODEL_TARGETS, *allow))
    arguments = {key: value for key, value in config.items() if key not in ("_target_", "_partial_")}
    if not matches(config["_target_"], allow):
        arguments = _structural(target, arguments, path)
    return instantiate({"_target_": config["_target_"], "_partial_": True, **arguments}, path, (*MODEL_TARGETS, *allow))


def _structural(target: Any, arguments: Mapping[str, Any], path: str) -> dict[str, Any]:
    """Return the structural arguments. Other arguments are refused, or left out if they are declared and null."""
    if not (isinstance(target, type) and issubclass(target, nn.Module)):
        raise ConfigError(f"{path}._target_ must name a class of networks, not {target!r}")
    ours = target.__module__.startswith("segrnn.")  # every argument of these classes is a name, a size or a stride
    parameters = inspect.signature(target).parameters
    declared = {name for name, parameter in parameters.items() if parameter.kind is not parameter.VAR_KEYWORD}
    structural = declared if ours else (declared | _PASSED_ON) & STRUCTURAL
    kept = {name: value for name, value in arguments.items() if name in structural}
    for name, value in arguments.items():
        if name not in structural and (value is not None or name not in declared):
            hint = "; pretrained weights come from encoder.weights" if "weights" in name else ""
            raise ConfigError(
                f"{path}.{name}={value!r} is not an argument of the architecture{hint}. {target.__name__} takes "
                f"{', '.join(sorted(structural - {'classes', 'channels', 'pyramid'}))}"
            )
        check_plain(value, f"{path}.{name}")
    if "encoder_name" in kept:
        call(check_encoder_name, f"{path}.encoder_name", kept["encoder_name"])
        if not ours:
            call(check_pyramid, f"{path}.encoder_name", target.__name__, kept["encoder_name"])
    if "encoder_weights" in declared:
        kept["encoder_weights"] = None  # by default, the class would download weights
    return kept
