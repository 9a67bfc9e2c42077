"""Helpers that run recurrences in at least single precision, whatever precision the layers around them use.

Some backends have no recurrence in half precision and fail (cuDNN before 9.13 has none in bfloat16). Besides, rounding
errors add up over the steps.
"""

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor


def without_autocast(x: Tensor) -> AbstractContextManager[object]:
    """Return a context manager in which operations on x's device keep their dtypes."""
    device = x.device.type
    autocast = torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device)
    return torch.autocast(device, enabled=False) if autocast else nullcontext()


def single(x: Tensor) -> Tensor:
    """Return a tensor in half precision as single precision, and any other tensor unchanged.

    Example:
        >>> single(torch.zeros(1, dtype=torch.bfloat16)).dtype, single(torch.zeros(1, dtype=torch.float64)).dtype
        (torch.float32, torch.float64)
    """
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
