"""Training and evaluation modes of a network: use it in evaluation mode, then restore its modes."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Put a module into evaluation mode, and put each of its parts back into its former mode afterwards.

    In evaluation mode, batch norms need no batch and don't change their statistics. Parts may have different modes
    before: for example, a frozen encoder stays in evaluation mode while the rest is trained.

    Args:
        module: the module. It is changed in place.

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
