"""Preparing a network for inference: a copy computes the same result in fewer passes over memory."""

import copy
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights
from torch.nn.utils.parametrize import is_parametrized

from segrnn.inference.fused import FusedConvolution, fits
from segrnn.models import Segmenter
from segrnn.models.modes import evaluating
from segrnn.models.trial import black_images

_TOLERANCE = 1e-3
"""The largest difference allowed, as a share of the largest logit. Rounding stays far below it; a wrong fusion is far
above it."""


@dataclass(frozen=True)
class Fusions:
    """The layers of a network that can be computed together, by the names of its modules.

    Args:
        norms: for each batch norm, the convolution that it is folded into.
        convolutions: for each convolution that oneDNN computes, the activation that oneDNN also applies. An empty name
            means that no activation follows.
    """

    norms: Mapping[str, str] = field(default_factory=dict)
    convolutions: Mapping[str, str] = field(default_factory=dict)


def prepare(model: Segmenter, fusions: Fusions) -> Segmenter:
    """Copy a network for inference on a CPU, with channels_last maps and fewer passes over them.

    Batch norms are folded into convolutions, and oneDNN applies biases and activations. The copy gives the same logits
    as the network, except for rounding.

    Args:
        model: the network. It is not changed.
        fusions: the fusions that `find_fusions` found in the network.

    Example:
        >>> from segrnn.models import FCN
        >>> model = Segmenter(FCN("resnet18", classes=4, width=16))
        >>> prepared = prepare(model, find_fusions(model))
        >>> any(isinstance(part, nn.BatchNorm2d) for part in prepared.modules())
        False
    """
    prepared = copy.deepcopy(model).eval().requires_grad_(False)
    for norm_name, conv_name in fusions.norms.items():
        conv, norm = prepared.get_submodule(conv_name), prepared.get_submodule(norm_name)
        assert isinstance(conv, nn.Conv2d)
        assert isinstance(norm, nn.BatchNorm2d)
        assert norm.running_mean is not None
        assert norm.running_var is not None
        conv.weight, conv.bias = fuse_conv_bn_weights(
            conv.weight, conv.bias, norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias
        )
        # batch norms of timm hold the activation after them
        _replace(prepared, norm_name, getattr(norm, "act", nn.Identity()))
    for conv_name, activation_name in fusions.convolutions.items():
        conv = prepared.get_submodule(conv_name)
        assert isinstance(conv, nn.Conv2d)
        if not fits(conv):  # the network has another precision than when the fusions were found
            continue
        activation = prepared.get_submodule(activation_name) if activation_name else None
        _replace(prepared, conv_name, FusedConvolution(conv, activation))
        if activation_name:
            _replace(prepared, activation_name, nn.Identity())
    return prepared.to(memory_format=torch.channels_last)


def _replace(model: nn.Module, name: str, module: nn.Module) -> None:
    parent, _, own = name.rpartition(".")
    setattr(model.get_submodule(parent), own, module)


def find_fusions(model: Segmenter) -> Fusions:
    """Find the layers that `prepare` can fuse.

    A batch norm or an activation can be fused with a convolution if it alone reads the convolution's output. As a
    check, a small image is sent through the network and through the fused copy.

    Args:
        model: the network. It is not changed.

    Returns:
        The fusions. There are none if the network can't process the small image, if the fused copy gives other logits
        because the network reads a convolution's output in a way that can't be seen, or if torch lacks a function.
    """
    with torch.inference_mode(False), torch.no_grad(), evaluating(model):  # inference tensors have no `_version`
        black = black_images(model.encoder, 1, 64, 64)
        image = torch.rand(black.shape, generator=torch.Generator().manual_seed(0)).to(black)
        try:
            norms, expected = _watch(model, image, _is_batch_norm)
            folded = prepare(model, Fusions(norms))
            activations, _ = _watch(folded, image, fits)
            found = Fusions(norms, _fused(folded, activations))
            logits = prepare(model, found).coarse_logits(image)
        except Exception:  # e.g. the network takes images of one size only: a real image will show what is wrong
            return Fusions()
        largest = expected.abs().max().clamp(min=torch.finfo(expected.dtype).tiny)
        difference = (logits - expected).abs().max() / largest
    return found if difference < _TOLERANCE else Fusions()


def _fused(folded: Segmenter, activations: Mapping[str, str]) -> dict[str, str]:
    """Return the convolutions that oneDNN will compute, each with its activation."""
    if not torch.backends.mkldnn.is_available():
        return {}
    names = {conv: activation for activation, conv in activations.items()}
    plain = (n for n, m in folded.named_modules() if isinstance(m, nn.Conv2d) and fits(m) and not is_parametrized(m))
    return {name: names.get(name, "") for name in plain}


def _watch(model: Segmenter, image: Tensor, reads: Callable[[nn.Module], bool]) -> tuple[dict[str, str], Tensor]:
    """Run a network once, and return for each reader the convolution that it alone reads, and the logits.

    A reader is a module for which `reads` is true. All modules are given by name.
    """
    names = {module: name for name, module in model.named_modules()}
    outputs: list[Tensor] = []  # kept alive, because a later tensor could otherwise get the id of an earlier one
    # the convolution behind each tensor, by the tensor's id and the count of its changes in place
    makers: dict[tuple[int, int], nn.Module] = {}
    calls: Counter[nn.Module] = Counter()
    pairs: list[tuple[nn.Module, nn.Module]] = []

    def made(conv: nn.Module, _: tuple[Tensor, ...], output: Tensor) -> None:
        calls[conv] += 1
        outputs.append(output)
        makers[id(output), output._version] = conv

    # a hook before the module, because an activation may change its input in place
    def read(reader: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        calls[reader] += 1
        if maker := makers.get((id(inputs[0]), inputs[0]._version)):
            pairs.append((maker, reader))

    hooks = [
        module.register_forward_hook(made) if isinstance(module, nn.Conv2d) else module.register_forward_pre_hook(read)
        for module in names
        if isinstance(module, nn.Conv2d) or reads(module)
    ]
    try:
        logits = model.coarse_logits(image)
    finally:
        for hook in hooks:
            hook.remove()
    readers = Counter(conv for conv, _ in pairs)
    return {
        names[reader]: names[conv]
        for conv, reader in pairs
        if calls[conv] == calls[reader] == readers[conv] == 1 and not is_parametrized(conv)
    }, logits


def _is_batch_norm(module: nn.Module) -> bool:
    return isinstance(module, nn.BatchNorm2d) and module.running_mean is not None
