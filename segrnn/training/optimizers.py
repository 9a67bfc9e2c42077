"""Parameter groups and learning rate schedules."""

from collections.abc import Callable, Iterator
from typing import Any

from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, OneCycleLR, PolynomialLR

from segrnn.context.cells import GatedByInput, RecurrentOnly
from segrnn.models import Segmenter


def grouped_optimizer(
    model: Segmenter,
    optimizer: Callable[..., Optimizer],
    lr: float,
    encoder_lr: float,
    recurrent_lr: float,
    weight_decay: float,
) -> Optimizer:
    """An optimizer with its own learning rates for the encoder, the recurrent layers and the rest.

    Norms and biases, all one-dimensional parameters, are not decayed.

    Args:
        model: whose parameters are grouped.
        optimizer: e.g. `torch.optim.AdamW`, or a partial of it.
        lr: of what is neither encoder nor recurrent.
        encoder_lr: of the encoder.
        recurrent_lr: of the recurrent layers.
        weight_decay: of matrices and kernels.
    """
    rates = {"encoder": encoder_lr, "recurrent": recurrent_lr, "rest": lr}
    groups: dict[tuple[str, bool], list[nn.Parameter]] = {}
    for kind, parameter in _kinds(model):
        groups.setdefault((kind, parameter.ndim > 1), []).append(parameter)
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


def _kinds(model: Segmenter) -> Iterator[tuple[str, nn.Parameter]]:
    for name, module in model.named_modules():
        recurrent = isinstance(module, nn.RNNBase | GatedByInput | RecurrentOnly)
        for parameter in module.parameters(recurse=False):
            if parameter.requires_grad:
                yield "encoder" if name.startswith("encoder") else "recurrent" if recurrent else "rest", parameter


def one_cycle(optimizer: Optimizer, total_steps: int, warmup: float) -> LRScheduler:
    """Each group from a 25th of its learning rate up to it over a share of the steps, then down to nothing by a cosine.

    Smith and Topin 2018, "Super-convergence", arXiv 1708.07120.
    """
    return OneCycleLR(optimizer, [_lr(group) for group in optimizer.param_groups], total_steps, pct_start=warmup)


def poly(optimizer: Optimizer, total_steps: int, power: float) -> LRScheduler:
    """``lr * (1 - step / total_steps) ** power``; Chen et al. 2017, "DeepLab", arXiv 1606.00915, section 4.1."""
    return PolynomialLR(optimizer, total_steps, power)


def _lr(group: dict[str, Any]) -> float:
    return float(group["lr"])
