"""ReSeg, the first network that segmented with ReNet layers."""

from torch import Tensor, nn

from segrnn.context import Sweep
from segrnn.context.arguments import choose, positive
from segrnn.context.renet import AXES, Order
from segrnn.models.encoders import Level, make_encoder


class ReSeg(nn.Module):
    """VGG-16 to conv3_3, two ReNet layers, and two transposed convolutions back to the image's size.

    Visin et al. 2016, "ReSeg: A recurrent neural network-based model for semantic segmentation", arXiv 1511.07053, as
    its public configuration for CamVid has it. Published: 58.8 % mIoU and 88.7 % accuracy on CamVid's test split.

    Where paper and public code differ, the code is followed: it sweeps the rows before the columns, where the paper
    (and the code's own docstring) begin with the columns; `order` has both.

    Deviations from the code: void pixels are ignored, where the code trains void as a twelfth class; images are
    normalised as the encoder's weights want it (torchvision's ImageNet weights), where the code takes Caffe's weights
    and BGR means; torch keeps two biases for each gate, where Lasagne has one, and a GRU's update gate as z where
    Lasagne has 1 - z, which changes no function that can be learned; recurrent weights start as `Sweep` starts them.
    ``experiment=reseg_camvid`` has the training recipe: Adadelta, batches of 5 whole images, no augmentation, weight
    decay or clipping. The encoder is frozen.

    Args:
        encoder_name: vgg16 in the paper; of any other encoder, the first stages to stride 4.
        classes: K, the number of classes.
        hidden: units of each direction.
        filters: of the transposed convolutions.
        order: ``rows_columns`` or ``columns_rows``.

    Shapes:
        ``(B, 3, H, W) -> (B, K, H, W)``, H and W divisible by 4; `Segmenter` takes any size.

    Raises:
        ValueError: a number below 1, or an unknown order.

    Example:
        >>> ReSeg(classes=11)(torch.zeros(1, 3, 8, 12)).shape
        torch.Size([1, 11, 8, 12])
    """

    def __init__(
        self,
        encoder_name: str = "vgg16",
        *,
        classes: int,
        hidden: int = 100,
        filters: int = 50,
        order: Order = "rows_columns",
    ) -> None:
        super().__init__()
        self.encoder = make_encoder(encoder_name, depth=2)  # of vgg16, to conv3_3
        self.encoder.requires_grad_(False)
        axes = AXES[choose("order", order, AXES)]
        self.neck = _ReNetLayers(self.encoder.out_channels[-1], positive("hidden", hidden), axes)
        self.decoder = _Upsampling(2 * hidden, positive("filters", filters))
        self.segmentation_head = nn.Conv2d(filters, positive("classes", classes), kernel_size=1)

    def forward(self, image: Tensor) -> Tensor:
        """Segment ``(B, 3, H, W)`` into logits ``(B, K, H, W)``."""
        return self.segmentation_head(self.decoder(self.neck(self.encoder(image))))


class _ReNetLayers(nn.Module):
    """Two layers of two sweeps each: the only path from encoder to decoder, not a residual branch."""

    def __init__(self, channels: int, hidden: int, axes: tuple[int, int]) -> None:
        super().__init__()
        inputs = (channels, 2 * hidden, 2 * hidden, 2 * hidden)
        self.layers = nn.Sequential(*(Sweep(c, hidden, axis) for c, axis in zip(inputs, axes * 2, strict=True)))
        self.levels = [Level(2 * hidden, stride=4)]

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        return [self.layers(features[-1])]


class _Upsampling(nn.Module):
    """Two learned doublings of the size."""

    def __init__(self, channels: int, filters: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.ConvTranspose2d(channels, filters, kernel_size=2, stride=2),
            nn.ReLU(),
            nn.ConvTranspose2d(filters, filters, kernel_size=2, stride=2),
            nn.ReLU(),
        )
        for layer in self.layers:
            if isinstance(layer, nn.ConvTranspose2d):
                nn.init.xavier_uniform_(layer.weight)  # Glorot, as the authors' code

    def forward(self, features: list[Tensor]) -> Tensor:
        return self.layers(features[-1])
