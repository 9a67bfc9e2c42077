"""Less memory for more time: the encoder's inner activations are computed again when the gradient needs them."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

from segrnn.models.encoders import small_image
from segrnn.models.modes import evaluating
from segrnn.models.segmenter import Segmenter


def checkpoint_activations(segmenter: Segmenter) -> None:
    """Keep only what goes from one stage of the encoder to the next, and compute the rest again in the backward pass.

    Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost", arXiv 1604.06174. Losses, gradients and the
    running statistics of batch norms are the same to the bit, and so are the names in the state dict; a training step
    takes one more forward pass of the encoder. An encoder that calls no blocks (VGG) is recomputed as a whole.
    `torch.compile` leaves these stages eager.

    Args:
        segmenter: changed in place; call this once.

    Example:
        >>> from segrnn.models import FCN
        >>> model = Segmenter(FCN("resnet18", classes=4, width=16))
        >>> checkpoint_activations(model)
        >>> model(torch.zeros(2, 3, 64, 64)).sum().backward()
    """
    for stage in stages(segmenter.encoder):
        # on the instance: a wrapping module would rename everything below it
        stage.forward = partial(_recomputed, stage, stage.forward)


def stages(encoder: nn.Module) -> list[nn.Module]:
    """What an encoder calls one after the other, of what consists of layers itself; or else the encoder.

    Found by trying: a container whose parts are called one by one is no stage, its parts are.
    """
    called = _called(encoder)
    found = _nearest(encoder, called)
    while len(found) == 1:  # a shell around a model
        inner = _nearest(found[0], called)
        if not inner:
            break
        found = inner
    return found or [encoder]


def _nearest(module: nn.Module, called: set[nn.Module]) -> list[nn.Module]:
    """The outermost modules inside that are called and consist of others."""
    found = []
    for child in module.children():
        if child not in called:
            found += _nearest(child, called)
        elif next(child.children(), None) is not None and next(child.parameters(), None) is not None:
            found.append(child)
    return found


def _called(encoder: nn.Module) -> set[nn.Module]:
    called: set[nn.Module] = set()
    hooks = [module.register_forward_pre_hook(lambda module, _: called.add(module)) for module in encoder.modules()]
    with torch.no_grad(), evaluating(encoder):
        encoder(small_image(encoder, 64))
    for hook in hooks:
        hook.remove()
    return called


@torch.compiler.disable  # compiled, the second pass can't keep the statistics as they are
def _recomputed(stage: nn.Module, forward: Callable[..., Any], *inputs: Any) -> Any:
    return checkpoint(forward, *inputs, use_reentrant=False, context_fn=partial(_contexts, stage))


def _contexts(stage: nn.Module) -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
    """For the first pass and for the second."""
    return nullcontext(), _statistics_stay(stage)


@contextmanager
def _statistics_stay(stage: nn.Module) -> Iterator[None]:
    """Batch norms have counted this batch already: what they add to their statistics goes into copies.

    Not tracking them is no way: a batch norm without running statistics leaves fewer tensors to the backward pass, and
    the second pass must leave the same ones as the first.
    """
    norms = [module for module in stage.modules() if isinstance(module, _BatchNorm) and module.training]
    kept = {norm: dict(norm.named_buffers(recurse=False)) for norm in norms}
    for norm, buffers in kept.items():
        for name, buffer in buffers.items():
            setattr(norm, name, buffer.clone())
    try:
        yield
    finally:
        for norm, buffers in kept.items():
            for name, buffer in buffers.items():
                setattr(norm, name, buffer)
