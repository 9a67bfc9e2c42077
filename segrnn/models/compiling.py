"""Whether networks can be compiled here."""

import torch

from segrnn.errors import ConfigError
from segrnn.trouble import COMPILER, reason_of


def check_compiler(device: torch.device) -> None:
    """Compile a sum, so that a missing compiler is noticed before anything else is done.

    Raises:
        ConfigError: the sum can't be compiled.
    """
    compiled = torch.compile(lambda x: x + 1)
    try:
        compiled(torch.zeros(2, device=device))
    except Exception as error:  # a compiler, or the search for one, can raise anything
        raise ConfigError(f"networks can't be compiled here ({reason_of(error)}). {COMPILER}") from error
