"""Where to compute."""

import torch

from segrnn.errors import ConfigError


def choose_device(name: str) -> torch.device:
    """The device of that name; ``auto`` is the machine's accelerator, or its CPU.

    Raises:
        ConfigError: there is no such device here.
    """
    if name == "auto":
        return torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except Exception as error:  # each backend has its own way of not being there
        raise ConfigError(f"device={name} can't be used: {str(error).splitlines()[0]}") from error
    return device
