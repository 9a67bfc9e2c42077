"""Sliding windows over images that are too large for the memory, or larger than the images of the training."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from segrnn.inference.views import Part


@dataclass(frozen=True)
class Windows:
    """Windows of one size that cover an image. The last window of each row and column ends at the border.

    Args:
        size: height and width. A side that is longer than the image's becomes as long as the image's.
        stride: the numbers of rows and columns from one window to the next. None means half the size, rounded up.
        gaussian: whether a pixel's weight falls with its distance from the window's centre, as a Gaussian with a
            deviation of an eighth of the size (Isensee et al. 2021, nnU-Net). If not, all pixels have the same weight.

    Raises:
        ValueError: a number is below 1, or the stride would leave gaps.

    Example:
        >>> rows, columns = Windows((4, 6), stride=(4, 3)).places(height=10, width=9)
        >>> [(place.start, place.stop) for place in rows], [(place.start, place.stop) for place in columns]
        ([(0, 4), (4, 8), (6, 10)], [(0, 6), (3, 9)])
    """

    size: Sequence[int]
    stride: Sequence[int] | None = None
    gaussian: bool = True

    def __post_init__(self) -> None:
        for name, pair in {"size": self.size, "stride": self.stride or (1, 1)}.items():
            if len(pair) != 2 or min(pair) < 1:
                raise ValueError(f"{name} must be two numbers of at least 1, got {list(pair)}")
        if self.stride and any(step > side for step, side in zip(self.stride, self.size, strict=True)):
            raise ValueError(f"stride {list(self.stride)} must not exceed size {list(self.size)}: it would leave gaps")

    def places(self, height: int, width: int) -> tuple[list[slice], list[slice]]:
        """Return the rows and the columns of an image's windows, as slices."""
        steps = self.stride or [-(-side // 2) for side in self.size]
        rows, columns = (
            _places(length, min(side, length), step)
            for length, side, step in zip((height, width), self.size, steps, strict=True)
        )
        return rows, columns

    def weights(self, height: int, width: int) -> Tensor:
        """Return the weight of each pixel of a window, ``(height, width)``, at most 1 and above 0."""
        if not self.gaussian:
            return torch.ones(height, width)
        rows, columns = (
            torch.exp(-0.5 * ((torch.arange(side) - (side - 1) / 2) / (side / 8)) ** 2) for side in (height, width)
        )
        return rows[:, None] * columns


def _places(length: int, side: int, step: int) -> list[slice]:
    starts = [*range(0, length - side, step), length - side]
    return [slice(start, start + side) for start in starts]


def blend(
    windows: Windows,
    shape: tuple[int, int, int],
    device: torch.device,
    predict: Callable[[slice, slice], Iterator[Part]],
) -> Iterator[Part]:
    """Yield the weighted mean of the windows' predictions, one row of windows after the other.

    Only those rows of the image that a later window can still change are in memory. Each value moves the mean by a
    share of its difference from the mean, so that the mean is exactly the windows' value wherever all windows agree.

    Args:
        windows: the places of the windows and the weights of their pixels.
        shape: ``(K, H, W)``: the number of classes, and the image's size.
        device: the device of the parts.
        predict: a function that gives the parts of the window at the given rows and columns.
    """
    classes, height, width = shape
    rows, columns = windows.places(height, width)
    weights = windows.weights(rows[0].stop, columns[0].stop).to(device)
    total = torch.zeros(len(weights), width, device=device)
    mean = torch.zeros(classes, *total.shape, device=device)
    for i, ys in enumerate(rows):
        for xs in columns:
            total[:, xs] += weights
            share = weights / total[:, xs]
            for part in predict(ys, xs):
                place = mean[part.first_class : part.first_class + len(part.values), :, xs]
                place += (part.values - place) * share
        done = (rows[i + 1].start if i + 1 < len(rows) else height) - ys.start
        yield Part(0, ys.start, mean[:, :done])
        for plane in (*mean, total):
            plane[:-done] = plane[done:].clone()
            plane[-done:] = 0
