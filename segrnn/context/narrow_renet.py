"""A ReNet on few channels, cheap enough for fine maps."""

from torch import Tensor, nn

from segrnn.context.arguments import check_map, positive
from segrnn.context.renet import Order, ReNet


class NarrowReNet(nn.Module):
    """A 1 x 1 convolution to few channels, a `ReNet` on them, and a 1 x 1 convolution back.

    A sweep costs as much as its input has channels, for each of its two products. So this context also fits maps of
    stride 4, where the details of documents are. The layout network of kraken (``blla``, Kiessling 2020) sweeps 32
    channels in the same way. Deviation: kraken has group norms between the layers.

    Args:
        channels: C, the number of channels of the map.
        width: the number of channels that the sweeps read.
        hidden: D, the state size of each direction.
        cell: the recurrent cell, as in `segrnn.context.Sweep`.
        order: ``rows_columns`` or ``columns_rows``, the order of the sweeps in a layer.
        depth: the number of layers. Each layer has two sweeps.

    Raises:
        ValueError: the cell or the order is unknown, or a number is below 1. When called: the map has another number of
            channels.

    Example:
        >>> NarrowReNet(channels=24, width=8, hidden=4)(torch.zeros(2, 24, 5, 7)).shape
        torch.Size([2, 24, 5, 7])
    """

    def __init__(
        self,
        channels: int,
        width: int = 32,
        hidden: int = 32,
        cell: str = "lstm",
        order: Order = "rows_columns",
        depth: int = 1,
    ) -> None:
        super().__init__()
        self.channels = positive("channels", channels)
        self.reduce = nn.Conv2d(channels, positive("width", width), kernel_size=1)
        self.renet = ReNet(width, hidden, cell, order, depth)
        self.project = nn.Conv2d(width, channels, kernel_size=1, bias=False)  # a norm follows

    def forward(self, x: Tensor) -> Tensor:
        """Apply the context to a map ``(B, C, H, W)``. Its shape stays the same."""
        check_map(x, self.channels)
        return self.project(self.renet(self.reduce(x)))
