"""Modules with random parameters in double precision, for comparisons with slow twins."""

from torch import nn


def randomized(module: nn.Module, std: float = 0.5) -> nn.Module:
    """Give all parameters random values, also biases and those that start at zero."""
    for parameter in module.double().parameters():
        nn.init.normal_(parameter, std=std)
    return module
