"""The blocks of an encoder in order, from the image to the deepest features."""

from collections.abc import Iterator

import torch
from torch import nn

from segrnn.errors import ConfigError
from segrnn.models.trial import try_encoder

Parts = list[tuple[str, nn.Module]]


def ordered_blocks(encoder: nn.Module) -> list[tuple[str, list[nn.Parameter]]]:
    """Return the name and the trained parameters of each block of an encoder, in the order of the forward pass.

    A block is a repeated part of a stage (a residual block, a transformer layer), or a layer outside of stages. A norm
    belongs to the block before it. A parameter outside all blocks belongs to the first block, for example the position
    embedding of a whole transformer. The order is found by passing a small black image through the encoder. Parallel
    branches (in HRNet, Inception) come one after the other. Running statistics and modes are not changed.

    Raises:
        ConfigError: the encoder can't take a small image.

    Example:
        >>> from segrnn.compat import smp
        >>> [name for name, _ in ordered_blocks(smp.encoders.get_encoder("resnet18", depth=3, weights=None))][:4]
        ['conv1', 'layer1.0', 'layer1.1', 'layer2.0']
    """
    blocks: list[tuple[str, list[nn.Parameter]]] = []
    seen: set[nn.Parameter] = set()
    for name, block in _in_order(encoder, list(_split(encoder, ""))):
        parameters = [p for p in block.parameters() if p.requires_grad and p not in seen]
        seen.update(parameters)
        if blocks and all(p.ndim <= 1 for p in parameters):
            blocks[-1][1].extend(parameters)
        elif parameters:
            blocks.append((name, parameters))
    if blocks:
        blocks[0][1].extend(p for p in encoder.parameters() if p.requires_grad and p not in seen)
    return blocks


def _split(module: nn.Module, path: str) -> Iterator[tuple[str, nn.Module]]:
    """Yield the blocks of a module, in the order in which they were defined."""
    for name, child in module.named_children():
        part = f"{path}.{name}" if path else name
        if any(_is_stage(inner) for inner in child.modules()) or _is_plain_chain(child):
            yield from _split(child, part)
        else:
            yield part, child


def _is_stage(module: nn.Module) -> bool:
    """Return whether a module repeats its children.

    It does if all children have layers of their own, and are in a container or of one class.
    """
    children = list(module.children())
    if not children or not all(any(True for _ in child.children()) for child in children):
        return False
    container = isinstance(module, nn.Sequential | nn.ModuleList | nn.ModuleDict)
    return container or (len(children) > 1 and len({type(child) for child in children}) == 1)


def _is_plain_chain(module: nn.Module) -> bool:
    """Return whether a module is a plain row of several layers, as VGG's features are.

    One layer with its norm does not count.
    """
    layers = [child for child in module.children() if any(p.ndim > 1 for p in child.parameters())]
    return isinstance(module, nn.Sequential) and len(layers) > 1


def _in_order(encoder: nn.Module, blocks: Parts) -> Parts:
    """Return the blocks that a small image passes, in the order in which it first reaches a layer of each."""
    met: dict[int, None] = {}
    hooks = [
        module.register_forward_pre_hook(lambda *_, block=i: met.setdefault(block))
        for i, (_, block) in enumerate(blocks)
        for module in block.modules()
    ]
    try:
        with torch.no_grad():
            try_encoder(encoder, 128)
    except (AssertionError, RuntimeError, ValueError) as error:
        raise ConfigError(
            "optimizer.encoder_layer_decay: it must be 1, because a run on a small image did not show the order of "
            f"the encoder's blocks: {error}"
        ) from error
    finally:
        for hook in hooks:
            hook.remove()
    return [blocks[i] for i in met]
