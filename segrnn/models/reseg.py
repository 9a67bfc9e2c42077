"""ReSeg, the first network that segmented with ReNet layers."""

from torch import Tensor, nn

from segrnn.context import Sweep
from segrnn.context.arguments import choose, positive
from segrnn.context.renet import AXES, Order
from segrnn.models.encoders import Level, make_encoder


class ReSeg(nn.Module):
    """VGG-16 up to conv3_3, then two ReNet layers, then two transposed convolutions back to the image's size.

    The network is that of Visin et al. 2016, "ReSeg: A recurrent neural network-based model for semantic segmentation",
    arXiv 1511.07053, in the authors' public configuration for CamVid. Published results: 58.8 % mIoU and 88.7 %
    accuracy on CamVid's test split.

    Where the paper and the public code differ, this class follows the code. The code sweeps the rows before the
    columns; the paper, and the code's own docstring, begin with the columns. `order` offers both.

    Deviations from the code:

    - Void pixels are ignored. The code trains void as a twelfth class.
    - Images are normalised for the encoder's weights (torchvision's ImageNet weights). The code takes Caffe's weights
      and BGR means.
    - torch keeps two biases for each gate, and Lasagne one. A GRU's update gate is z in torch and 1 - z in Lasagne.
      Neither changes which functions can be learned.
    - Recurrent weights start as `Sweep` starts them.

    ``experiment=reseg_camvid`` has the training recipe: Adadelta, batches of 5 whole images, no augmentation, no weight
    decay and no clipping. The encoder is frozen.

    Args:
        encoder_name: the encoder; vgg16 in the paper. Only the stages up to stride 4 are used.
        classes: K, the number of classes.
        hidden: the number of hidden units of each direction.
        filters: the number of filters of each transposed convolution.
        order: ``rows_columns`` or ``columns_rows``.
        in_channels: C, the number of channels of an image.

    Shapes:
        ``(B, C, H, W) -> (B, K, H, W)``, H and W divisible by 4; `Segmenter` takes any size.

    Raises:
        ValueError: a number is below 1, or the order is unknown.

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
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        axes = AXES[choose("order", order, AXES)]  # mistakes first: an encoder takes seconds to make
        for name, number in {"hidden": hidden, "filters": filters, "classes": classes}.items():
            positive(name, number)
        self.encoder = make_encoder(encoder_name, depth=2, in_channels=in_channels)  # vgg16 then ends with conv3_3
        self.encoder.requires_grad_(False)
        self.neck = _ReNetLayers(self.encoder.out_channels[-1], hidden, axes)
        self.decoder = _Upsampling(2 * hidden, filters)
        self.segmentation_head = nn.Conv2d(filters, classes, kernel_size=1)

    def forward(self, image: Tensor) -> Tensor:
        """Segment ``(B, C, H, W)`` into logits ``(B, K, H, W)``."""
        return self.segmentation_head(self.decoder(self.neck(self.encoder(image))))


class _ReNetLayers(nn.Module):
    """Two layers of two sweeps each. They are the only path from encoder to decoder, not a residual branch."""

    def __init__(self, channels: int, hidden: int, axes: tuple[int, int]) -> None:
        super().__init__()
        inputs = (channels, 2 * hidden, 2 * hidden, 2 * hidden)
        self.layers = nn.Sequential(*(Sweep(c, hidden, axis) for c, axis in zip(inputs, axes * 2, strict=True)))
        self.levels = [Level(2 * hidden, stride=4)]

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        return [self.layers(features[-1])]


class _Upsampling(nn.Module):
    """Two transposed convolutions. Each doubles the size of the map."""

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
                nn.init.xavier_uniform_(layer.weight)  # the authors' code initialises with Glorot's rule, too

    def forward(self, features: list[Tensor]) -> Tensor:
        return self.layers(features[-1])
