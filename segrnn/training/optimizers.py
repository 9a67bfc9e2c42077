"""Optimizers with groups of parameters."""

from collections.abc import Callable, Iterator

from torch import nn
from torch.optim import Optimizer

from segrnn.context.cells import GatedByInput, RecurrentOnly
from segrnn.errors import ConfigError
from segrnn.models import Segmenter
from segrnn.training.layer_decay import ordered_blocks

_POSITIONS = ("pos_embed", "rel_pos", "relative_position")
"""Parts of the names of position embeddings and of tables of relative positions."""


def grouped_optimizer(
    model: Segmenter,
    optimizer: Callable[..., Optimizer],
    lr: float,
    encoder_lr: float,
    recurrent_lr: float,
    weight_decay: float,
    encoder_layer_decay: float = 1.0,
) -> Optimizer:
    """Make an optimizer with separate learning rates for the encoder, the recurrent layers and the rest.

    Weight decay leaves out all one-dimensional parameters (norms and biases) and position embeddings, as in the
    recipes of transformers.

    Args:
        model: the network. Its trained parameters are grouped.
        optimizer: the optimizer's class, e.g. `torch.optim.AdamW`, or a partial of it.
        lr: the learning rate of all layers that are neither in the encoder nor recurrent.
        encoder_lr: the learning rate of the encoder. With `encoder_layer_decay` below 1, it is that of the encoder's
            deepest block.
        recurrent_lr: the learning rate of the recurrent layers.
        weight_decay: the weight decay of matrices and kernels.
        encoder_layer_decay: the learning rate of a block of the encoder divided by that of the next deeper block, above
            0 and at most 1. Below 1, each block is a group of its own, named after the block. Bao et al. 2021, "BEiT",
            arXiv 2106.08254, and Liu et al. 2022, "A ConvNet for the 2020s", arXiv 2201.03545, fine-tune with it.

    Raises:
        ConfigError: `encoder_layer_decay` is out of range, or the optimizer refuses its arguments.
    """
    if not 0 < encoder_layer_decay <= 1:
        raise ConfigError(f"optimizer.encoder_layer_decay={encoder_layer_decay} must be above 0 and at most 1")
    rates = {"encoder": encoder_lr, "recurrent": recurrent_lr, "rest": lr}
    block_of: dict[nn.Parameter, str] = {}
    if encoder_layer_decay < 1:
        for depth, (name, parameters) in enumerate(reversed(ordered_blocks(model.encoder))):
            rates[f"encoder.{name}"] = encoder_lr * encoder_layer_decay**depth
            block_of |= dict.fromkeys(parameters, f"encoder.{name}")
    groups: dict[tuple[str, bool], list[nn.Parameter]] = {}
    for kind, name, parameter in _kinds(model):
        decayed = parameter.ndim > 1 and not any(position in name for position in _POSITIONS)
        groups.setdefault((block_of.get(parameter, kind), decayed), []).append(parameter)
    try:
        return optimizer(
            [
                {
                    "params": parameters,
                    "name": kind if decayed else f"{kind}, not decayed",
                    "lr": rates[kind],
                    "weight_decay": weight_decay if decayed else 0.0,
                }
                for (kind, decayed), parameters in groups.items()
            ]
        )
    except (TypeError, ValueError) as error:
        raise ConfigError(f"optimizer.optimizer: {error}") from error


def _kinds(model: Segmenter) -> Iterator[tuple[str, str, nn.Parameter]]:
    """Yield each trained parameter with its kind and its name in its own module."""
    for path, module in model.named_modules():
        recurrent = isinstance(module, nn.RNNBase | GatedByInput | RecurrentOnly)
        kind = "encoder" if path.startswith("encoder") else "recurrent" if recurrent else "rest"
        for name, parameter in module.named_parameters(recurse=False):
            if parameter.requires_grad:
                yield kind, name, parameter
