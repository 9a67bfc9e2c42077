"""The effective receptive field: the positions that influence one position of the output."""

import torch
from torch import Tensor, nn


def effective_receptive_field(module: nn.Module, channels: int, size: tuple[int, int], samples: int = 8) -> Tensor:
    """Measure how strongly the centre of the output depends on each position of the input.

    The result is the absolute gradient of the centre's channels, summed with random weights, by the input map. It is
    summed over channels, averaged over random maps and divided by its maximum. See Luo et al. 2016, "Understanding the
    effective receptive field in deep convolutional neural networks", arXiv 1701.04128, section 2.

    Args:
        module: a module ``(B, C, H, W) -> (B, C, H, W)``. It is put into evaluation mode.
        channels: C, the number of channels.
        size: H and W, the size of the map.
        samples: the number of random maps.

    Returns:
        The field ``(H, W)``, between 0 and 1. It is 0 everywhere if the centre depends on nothing.

    Example:
        >>> effective_receptive_field(nn.Conv2d(4, 4, kernel_size=3, padding=1), 4, (7, 9)).count_nonzero().item()
        9
    """
    device = next((parameter.device for parameter in module.parameters()), torch.device("cpu"))
    x = torch.randn(samples, channels, *size, device=device, requires_grad=True)
    y = module.eval()(x)
    # weights of both signs, because plain sums over channels could cancel in averages and norms
    centre = y[:, :, size[0] // 2, size[1] // 2] * torch.randn(channels, device=device)
    (gradient,) = torch.autograd.grad(centre.sum(), x)
    field = gradient.abs().sum(dim=1).mean(dim=0).cpu()
    return field / field.max().clamp(min=torch.finfo(field.dtype).tiny)
