"""What one position sees."""

import torch
from torch import Tensor, nn


def effective_receptive_field(module: nn.Module, channels: int, size: tuple[int, int], samples: int = 8) -> Tensor:
    """How strongly the centre of the output depends on each position of the input.

    The absolute gradient of the centre's summed channels by the input map, summed over channels and averaged over
    random maps, divided by its maximum. Luo et al. 2016, "Understanding the effective receptive field in deep
    convolutional neural networks", arXiv 1701.04128, section 2.

    Args:
        module: ``(B, C, H, W) -> (B, C, H, W)``; put into evaluation mode.
        channels: C.
        size: H and W of the map.
        samples: random maps.

    Returns:
        ``(H, W)``, between 0 and 1; all 0 where nothing is seen.

    Example:
        >>> effective_receptive_field(nn.Conv2d(4, 4, kernel_size=3, padding=1), 4, (7, 9)).count_nonzero().item()
        9
    """
    device = next((parameter.device for parameter in module.parameters()), torch.device("cpu"))
    x = torch.randn(samples, channels, *size, device=device, requires_grad=True)
    y = module.eval()(x)
    # weights of either sign, or averages and norms could cancel
    centre = y[:, :, size[0] // 2, size[1] // 2] * torch.randn(channels, device=device)
    (gradient,) = torch.autograd.grad(centre.sum(), x)
    field = gradient.abs().sum(dim=1).mean(dim=0).cpu()
    return field / field.max().clamp(min=torch.finfo(field.dtype).tiny)
