"""Activation checkpointing saves memory for time: the backward pass computes the encoder's activations again."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

from segrnn.models.segmenter import Segmenter
from segrnn.models.trial import try_encoder


def checkpoint_activations(segmenter: Segmenter) -> None:
    """Keep only the maps between the encoder's stages, and compute all other activations again in the backward pass.

    The method is that of Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost", arXiv 1604.06174. Losses,
    gradients, the running statistics of batch norms and the names in the state dict stay exactly the same. A training
    step takes one more forward pass of the encoder. An encoder that calls no blocks (VGG) is recomputed as a whole.
    `torch.compile` leaves these stages eager.

    Args:
        segmenter: the network. It is changed in place; call this function only once for it.

    Example:
        >>> from segrnn.models import FCN
        >>> model = Segmenter(FCN("resnet18", classes=4, width=16))
        >>> checkpoint_activations(model)
        >>> model(torch.zeros(2, 3, 64, 64)).sum().backward()
    """
    for stage in stages(segmenter.encoder):
        # set on the instance, because a wrapping module would rename everything below it
        stage.forward = partial(_recomputed, stage, stage.forward)


def stages(encoder: nn.Module) -> list[nn.Module]:
    """Return the blocks of layers that an encoder calls one after the other, or the encoder itself if it has none.

    The function runs the encoder once to find them. If a container's parts are called one by one, then the parts are
    the stages, not the container.
    """
    called = _called(encoder)
    found = _nearest(encoder, called)
    while len(found) == 1:  # this one only wraps the whole model
        inner = _nearest(found[0], called)
        if not inner:
            break
        found = inner
    return found or [encoder]


def _nearest(module: nn.Module, called: set[nn.Module]) -> list[nn.Module]:
    """Return the outermost modules inside a module that are in `called` and have both submodules and parameters."""
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
    with torch.no_grad():
        try_encoder(encoder, 64)
    for hook in hooks:
        hook.remove()
    return called


@torch.compiler.disable  # in a compiled stage, the second pass would change the statistics again
def _recomputed(stage: nn.Module, forward: Callable[..., Any], *inputs: Any) -> Any:
    return checkpoint(forward, *inputs, use_reentrant=False, context_fn=partial(_contexts, stage))


def _contexts(stage: nn.Module) -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
    """Return the context managers for the first pass and for the second pass."""
    return nullcontext(), _statistics_stay(stage)


@contextmanager
def _statistics_stay(stage: nn.Module) -> Iterator[None]:
    """Keep the statistics of batch norms as they are: inside, batch norms update copies of them.

    The first pass has counted this batch already. Switching the tracking off does not work: a batch norm without
    running statistics saves fewer tensors for the backward pass, and the second pass must save the same tensors as the
    first.
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
