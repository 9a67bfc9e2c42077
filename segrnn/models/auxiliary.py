"""A second classifier in the middle of the encoder, for training only."""

import torch.nn.functional as F
from torch import Tensor, nn

from segrnn.context.arguments import positive
from segrnn.models.encoders import Level


class Auxiliary(nn.Module):
    """A small head on one of the encoder's maps. Its loss is added to the network's loss.

    The head gives the deep stages of the encoder a shorter way to the loss, and is not computed in inference (Zhao et
    al. 2017, "Pyramid Scene Parsing Network", arXiv 1612.01105, section 4). Its layers are those of the usual recipes:
    a 3 x 3 convolution, a norm, ReLU, dropout and a classifier.

    Args:
        pyramid: the encoder's maps, as `segrnn.models.encoders.levels` gives them.
        classes: K, the number of classes.
        level: the index of the map in the pyramid. The default is the last map but one, stage 3 of a ResNet.
        hidden: the number of channels of the convolution.
        dropout: the share of channels that are dropped before the classifier, in training.
        weight: the weight of this head's loss; the network's own loss has the weight 1.

    Shapes:
        The encoder's maps of an image ``(B, 3, H, W)`` -> ``(B, K, H, W)``, H and W divisible by the encoder's stride.

    Raises:
        ValueError: the encoder has no map at that level, or a number is out of range.

    Example:
        >>> from segrnn.models import FCN
        >>> from segrnn.models.encoders import levels
        >>> encoder = FCN("resnet18", classes=4).encoder
        >>> auxiliary = Auxiliary(levels(encoder), classes=4, hidden=8)
        >>> auxiliary(encoder(torch.zeros(2, 3, 64, 96))).shape
        torch.Size([2, 4, 64, 96])
    """

    def __init__(
        self,
        pyramid: list[Level],
        classes: int,
        level: int = -2,
        hidden: int = 256,
        dropout: float = 0.1,
        weight: float = 0.4,
    ) -> None:
        super().__init__()
        index = level % len(pyramid) if -len(pyramid) <= level < len(pyramid) else 0
        # the first map is the image itself, and the map at stride 2 of a transformer is empty (0 channels)
        maps = [i for i, (channels, _) in enumerate(pyramid) if i > 0 and channels > 0]
        if index not in maps:
            last = -len(maps)
            raise ValueError(f"the encoder has no map at level {level}; it has {maps}, or {last} to -1 from the end")
        if weight < 0:
            raise ValueError(f"weight must be at least 0, got {weight}")
        self.level, self.weight = index, weight
        self.layers = nn.Sequential(
            nn.Conv2d(pyramid[index].channels, positive("hidden", hidden), kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(hidden),
            nn.ReLU(),
            nn.Dropout2d(dropout),
            nn.Conv2d(hidden, positive("classes", classes), kernel_size=1),
        )
        self.stride = pyramid[index].stride

    def forward(self, features: list[Tensor]) -> Tensor:
        """Classify one map of the encoder into logits ``(B, K, H, W)`` at the image's size."""
        return F.interpolate(self.layers(features[self.level]), scale_factor=self.stride, mode="bilinear")
