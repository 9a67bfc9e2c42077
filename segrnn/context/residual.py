"""The residual branch that joins a context to a network."""

from torch import Tensor, nn


class Residual(nn.Module):
    """A context as a residual branch that starts at zero: ``x + project(norm(context(x)))``.

    The projection starts at zero. So a network with the context first computes exactly the same as without it, and a
    context can be added to a trained model. (The L-RNN of Xie, Noble and Zisserman 2016 starts its recurrence at zero
    for the same reason.)

    Args:
        context: a module that maps ``(B, C, H, W)`` to ``(B, C, H, W)``.
        channels: C, the number of channels.

    Example:
        >>> x = torch.rand(2, 8, 5, 7)
        >>> torch.equal(Residual(nn.Conv2d(8, 8, 3, padding=1), channels=8)(x), x)
        True
    """

    def __init__(self, context: nn.Module, channels: int) -> None:
        super().__init__()
        self.context = context
        self.norm = nn.BatchNorm2d(channels)
        self.project = nn.Conv2d(channels, channels, kernel_size=1)
        for parameter in self.project.parameters():
            nn.init.zeros_(parameter)

    def forward(self, x: Tensor) -> Tensor:
        """Add the context's projected output to a map ``(B, C, H, W)``. Its shape stays the same."""
        return x + self.project(self.norm(self.context(x)))
