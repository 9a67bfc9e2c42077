"""A network's modes: looked at in evaluation mode, and then as it was."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Put a module into evaluation mode, and afterwards each of its parts into the mode that this one was in.

    Batch norms neither need a batch nor change their statistics meanwhile. A part may have a mode of its own: a frozen
    encoder stays in evaluation mode while the rest is trained.

    Args:
        module: changed in place.

    Example:
        >>> network = nn.Sequential(nn.Dropout(), nn.Dropout().eval())
        >>> with evaluating(network):
        ...     [layer.training for layer in network]
        [False, False]
        >>> [layer.training for layer in network]
        [True, False]
    """
    modes = {part: part.training for part in module.modules()}
    module.eval()
    try:
        yield
    finally:
        for part, mode in modes.items():
            part.training = mode
