"""How a context joins a network."""

from torch import Tensor, nn


class Residual(nn.Module):
    """A context as a residual branch that starts at zero: ``x + project(norm(context(x)))``.

    The projection begins as zeros, so the network with the context starts out exactly as the network without it, and
    a trained model can be given one (the L-RNN of Xie, Noble and Zisserman 2016 starts its recurrence at zero for the
    same reason).

    Args:
        context: maps ``(B, C, H, W)`` to ``(B, C, H, W)``.
        channels: C.

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
        """Add to ``(B, C, H, W)`` what the context saw; same shape out."""
        return x + self.project(self.norm(self.context(x)))
