"""The blocks of an encoder, from its image to its deepest features."""

from collections.abc import Iterator

import torch
from torch import nn

from segrnn.errors import ConfigError
from segrnn.models.encoders import small_image
from segrnn.models.modes import evaluating

Parts = list[tuple[str, nn.Module]]


def ordered_blocks(encoder: nn.Module) -> list[tuple[str, list[nn.Parameter]]]:
    """Name and trained parameters of each block of an encoder, in the order in which an image passes them.

    A block is what is repeated inside a stage (a residual block, a transformer layer), or a layer outside of stages;
    norms belong to the block before them. A parameter of none of them, such as the position embedding of a whole
    transformer, belongs to the first block. A small black image tells the order, in which branches side by side
    (HRNet's, Inception's) follow one another; running statistics and modes stay as they are.

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
    """The parts of a module down to blocks, in the order in which they were defined."""
    for name, child in module.named_children():
        part = f"{path}.{name}" if path else name
        if any(_is_stage(inner) for inner in child.modules()) or _is_plain_chain(child):
            yield from _split(child, part)
        else:
            yield part, child


def _is_stage(module: nn.Module) -> bool:
    """Whether all children are modules of several layers, in a container or of one class: then they are repeated."""
    children = list(module.children())
    if not children or not all(any(True for _ in child.children()) for child in children):
        return False
    container = isinstance(module, nn.Sequential | nn.ModuleList | nn.ModuleDict)
    return container or (len(children) > 1 and len({type(child) for child in children}) == 1)


def _is_plain_chain(module: nn.Module) -> bool:
    """Whether it is nothing but several layers in a row, as VGG's features, not one layer with its norm."""
    layers = [child for child in module.children() if any(p.ndim > 1 for p in child.parameters())]
    return isinstance(module, nn.Sequential) and len(layers) > 1


def _in_order(encoder: nn.Module, blocks: Parts) -> Parts:
    """The blocks that a small image passes, in the order in which it first meets a layer of each."""
    met: dict[int, None] = {}
    hooks = [
        module.register_forward_pre_hook(lambda *_, block=i: met.setdefault(block))
        for i, (_, block) in enumerate(blocks)
        for module in block.modules()
    ]
    try:
        with torch.no_grad(), evaluating(encoder):
            encoder(small_image(encoder, 128))
    except (AssertionError, RuntimeError, ValueError) as error:
        raise ConfigError(
            f"optimizer.encoder_layer_decay: the encoder's blocks have no order that a small image tells, so it must "
            f"be 1: {error}"
        ) from error
    finally:
        for hook in hooks:
            hook.remove()
    return [blocks[i] for i in met]
