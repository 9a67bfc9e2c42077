"""Recurrences run in at least single precision, whatever the layers around them run in.

Backends without a half precision recurrence fail (cuDNN before 9.13 has none in bfloat16), and rounding adds up over
the steps.
"""

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor


def without_autocast(x: Tensor) -> AbstractContextManager[object]:
    """A block in which operations on x's device keep their dtypes."""
    device = x.device.type
    autocast = torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device)
    return torch.autocast(device, enabled=False) if autocast else nullcontext()


def single(x: Tensor) -> Tensor:
    """Half precision as single; anything else as it is.

    Example:
        >>> single(torch.zeros(1, dtype=torch.bfloat16)).dtype, single(torch.zeros(1, dtype=torch.float64)).dtype
        (torch.float32, torch.float64)
    """
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
