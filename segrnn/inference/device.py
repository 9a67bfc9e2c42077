"""The choice of a device."""

import torch

from segrnn.errors import ConfigError


def choose_device(name: str) -> torch.device:
    """Return the device of a name. ``auto`` is the machine's accelerator if it has one, otherwise its CPU.

    Raises:
        ConfigError: there is no such device here.
    """
    if name == "auto":
        return torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except Exception as error:  # each backend reports in its own way that it is missing
        raise ConfigError(f"device={name} can't be used: {str(error).splitlines()[0]}") from error
    return device
