"""A plain vision transformer as an encoder, with a pyramid of maps made from its last one."""

from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segrnn.compat import LayerNorm2d, timm

TOKEN = 16
"""The height and width of the part of an image that each token stands for, in pixels."""


class PlainTransformer(nn.Module):
    """A transformer of timm whose maps all have one size (ViT, DeiT, DINOv2, DINOv3, EVA, SigLIP), and a pyramid.

    The pyramid is the simple one of Li et al. 2022, arXiv 2203.16527: the last map at stride 16, two learned
    enlargements of it (stride 8 and 4), and its maxima (stride 32). Deviations: no convolutions follow, because the
    decoder has its own. Images are first resized if a patch has another size than 16 pixels (14 in DINOv2), so that
    each token stands for 16 x 16 pixels. Position embeddings are resized to the grid of each image, as timm does.

    Args:
        name: the model's name in timm.
        depth: the number of stages, as for other encoders. 5 gives maps down to stride 32, 4 down to stride 16.
        in_channels: C, the number of channels of an image.
        finest: the stride of the finest map, 4, 8 or 16. Finer maps have no channels.

    Shapes:
        ``(B, C, H, W)`` -> the image, and a map for each stride from 2 on. H and W are divisible by 32.

    Raises:
        ValueError: there is no such stage or stride, or the model takes images of one size only.

    Example:
        >>> [tuple(x.shape[1:]) for x in PlainTransformer("test_vit", depth=4)(torch.zeros(1, 3, 64, 96))]
        [(3, 64, 96), (0, 32, 48), (16, 16, 24), (32, 8, 12), (64, 4, 6)]
    """

    def __init__(self, name: str, depth: int = 5, in_channels: int = 3, finest: int = 4) -> None:
        super().__init__()
        if finest not in (4, 8, 16):
            raise ValueError(f"the finest map of a plain transformer has stride 4, 8 or 16, got {finest!r}")
        if depth not in range(first := finest.bit_length() - 1, 6):
            raise ValueError(f"depth must be {first} to 5 for maps from stride {finest} on, got {depth!r}")
        self.trunk = make_trunk(name, in_channels)
        width, self.patch = self.trunk.feature_info.channels()[-1], self.trunk.feature_info.reduction()[-1]
        finer = nn.Sequential(_enlarge(width, width // 2), _enlarge(width // 2, width // 4))
        resize = [finer, _enlarge(width, width // 2), nn.Identity(), nn.MaxPool2d(2)]  # to the strides from 4 on
        self.pyramid = nn.ModuleList(resize[first - 2 : depth - 1])
        widths = [width // 4, width // 2, width, width]
        self.out_channels = [in_channels, *[0] * (first - 1), *widths[first - 2 : depth - 1]]
        self.output_stride = 32
        self._in_channels = in_channels

    def forward(self, image: Tensor) -> list[Tensor]:
        """Make the maps of a batch of images, from the finest to the coarsest."""
        count, _, height, width = image.shape
        seen = image
        if self.patch != TOKEN:
            size = (height * self.patch // TOKEN, width * self.patch // TOKEN)
            seen = F.interpolate(image, size, mode="bilinear", antialias=True)
        tokens = self.trunk(seen)[-1]
        finer = range(1, len(self.out_channels) - len(self.pyramid))
        without = (image.new_empty(count, 0, height >> level, width >> level) for level in finer)
        return [image, *without, *(resize(tokens) for resize in self.pyramid)]


def _enlarge(channels: int, narrower: int) -> nn.Module:
    """Double the sides of a map."""
    return nn.Sequential(nn.ConvTranspose2d(channels, narrower, 2, stride=2), LayerNorm2d(narrower), nn.GELU())


def make_trunk(name: str, in_channels: int = 3, pretrained: bool = False, file: str | None = None) -> Any:
    """Make the transformer itself, which returns a list with its last map.

    Args:
        name: the model's name in timm; weights have their name behind a dot.
        in_channels: the number of channels of an image.
        pretrained: whether the published weights are loaded, from a hub if they are not in the cache.
        file: the file of the published weights, so that no hub is asked.

    Raises:
        ValueError: the model takes images of one size only.
    """
    try:
        return timm.create_model(
            name,
            pretrained=pretrained,
            in_chans=in_channels,
            features_only=True,
            out_indices=(-1,),
            dynamic_img_size=True,
            pretrained_cfg_overlay={"file": file} if file else None,
        )
    except TypeError as error:  # the model does not know dynamic_img_size
        raise ValueError(
            f"tu-{name} takes images of one size only: choose a ViT, DeiT, DINOv2, DINOv3 or EVA"
        ) from error


@cache
def is_plain(encoder_name: str) -> bool:
    """Return whether all maps of an encoder have one size. It is asked without weights, and computes nothing.

    Example:
        >>> [is_plain(name) for name in ("tu-test_vit", "tu-test_resnet", "resnet18")]
        [True, False, False]
    """
    if not encoder_name.startswith("tu-"):
        return False
    with torch.device("meta"):
        model: Any = timm.create_model(encoder_name.removeprefix("tu-"), features_only=True)
    strides = model.feature_info.reduction()
    return len(strides) > 1 and len(set(strides)) == 1
