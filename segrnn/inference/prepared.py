"""A copy of a network that computes the same in fewer passes over memory."""

import copy
from collections import Counter
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights
from torch.nn.utils.parametrize import is_parametrized

from segrnn.models import Segmenter
from segrnn.models.encoders import small_image
from segrnn.models.modes import evaluating

_TOLERANCE = 1e-3
"""Of the largest logit. Rounding stays far below it; a fold that should not have been is far above it."""


def prepare(model: Segmenter, pairs: Mapping[str, str]) -> Segmenter:
    """Copy a network for inference on a CPU: batch norms are folded into convolutions, and its maps are channels_last.

    The copy gives the logits of the network but for rounding.

    Args:
        model: is not changed.
        pairs: what `find_pairs` found in it.

    Example:
        >>> from segrnn.models import FCN
        >>> model = Segmenter(FCN("resnet18", classes=4, width=16))
        >>> prepared = prepare(model, find_pairs(model))
        >>> any(isinstance(part, nn.BatchNorm2d) for part in prepared.modules())
        False
    """
    prepared = copy.deepcopy(model).eval().requires_grad_(False)
    for norm_name, conv_name in pairs.items():
        conv, norm = prepared.get_submodule(conv_name), prepared.get_submodule(norm_name)
        assert isinstance(conv, nn.Conv2d)
        assert isinstance(norm, nn.BatchNorm2d)
        assert norm.running_mean is not None
        assert norm.running_var is not None
        conv.weight, conv.bias = fuse_conv_bn_weights(
            conv.weight, conv.bias, norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias
        )
        parent, _, name = norm_name.rpartition(".")
        # batch norms of timm hold the activation after them
        setattr(prepared.get_submodule(parent), name, getattr(norm, "act", nn.Identity()))
    return prepared.to(memory_format=torch.channels_last)


def find_pairs(model: Segmenter) -> dict[str, str]:
    """Find the batch norms that can be folded: each reads what one convolution makes, and nothing else reads that.

    A small image goes through the network, and through the network with all of them folded, to be sure.

    Args:
        model: is not changed.

    Returns:
        The names of the convolutions, by the names of the batch norms after them; none where the small image doesn't go
        through, or where the network reads a convolution's output in a way that can't be seen.
    """
    with torch.inference_mode(False), torch.no_grad(), evaluating(model):  # tensors of inference count no changes
        black = small_image(model.encoder, 64)
        image = torch.rand(black.shape, generator=torch.Generator().manual_seed(0)).to(black)
        try:
            pairs, expected = _watch(model, image)
        except Exception:  # it takes images of one size only, say: what is wrong is told when a real image comes
            return {}
        largest = expected.abs().max().clamp(min=torch.finfo(expected.dtype).tiny)
        difference = (prepare(model, pairs).coarse_logits(image) - expected).abs().max() / largest
    return pairs if difference < _TOLERANCE else {}


def _watch(model: Segmenter, image: Tensor) -> tuple[dict[str, str], Tensor]:
    """Run a network once, and see which batch norm reads what a convolution has made; and the logits."""
    names = {module: name for name, module in model.named_modules()}
    outputs: list[Tensor] = []  # kept, or a later tensor could get the identity of an earlier one
    makers: dict[tuple[int, int], nn.Module] = {}  # by the tensor and how often it was changed in place
    calls: Counter[nn.Module] = Counter()
    pairs: list[tuple[nn.Module, nn.Module]] = []

    def note(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        calls[module] += 1
        if isinstance(module, nn.Conv2d):
            outputs.append(output)
            makers[id(output), output._version] = module
        elif maker := makers.get((id(inputs[0]), inputs[0]._version)):
            pairs.append((maker, module))

    watched = [module for module in names if isinstance(module, nn.Conv2d) or _is_batch_norm(module)]
    hooks = [module.register_forward_hook(note) for module in watched]
    try:
        logits = model.coarse_logits(image)
    finally:
        for hook in hooks:
            hook.remove()
    readers = Counter(conv for conv, _ in pairs)
    return {
        names[norm]: names[conv]
        for conv, norm in pairs
        if calls[conv] == calls[norm] == readers[conv] == 1 and not is_parametrized(conv)
    }, logits


def _is_batch_norm(module: nn.Module) -> bool:
    return isinstance(module, nn.BatchNorm2d) and module.running_mean is not None
