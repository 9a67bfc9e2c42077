"""A trial of a run's first step, on a copy of the network and before any data is read."""

import copy
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from segrnn.errors import ConfigError
from segrnn.models import Segmenter
from segrnn.models.trial import black_images
from segrnn.text import counted
from segrnn.trouble import is_out_of_memory, reason_of


def try_step(model: Segmenter, crops: int, crop: Sequence[int]) -> None:
    """Check that a network can be trained on a number of crops of a size at a time.

    The network is tried on tensors without data, which takes no memory and always the same time. If that fails, it is
    tried with data, because some encoders need it. Few pixels are tried with data at once, because that is quicker.

    Args:
        model: the network, in training mode except for its frozen parts. It is not changed.
        crops: how many crops go through the network at a time, over all processes whose batch norms share statistics.
        crop: the height and width of a crop.

    Raises:
        ConfigError: a batch norm would see only one value of each channel, or the network can't take crops of this
            size.
    """
    try:
        few = crops * crop[0] * crop[1] <= _FEW
        _forward(model, torch.device("cpu" if few else "meta"), crops, crop)
    except Exception:
        _try_with_data(model, crops, crop)


_FEW = 2**14
"""The number of pixels up to which data are quicker than Python's functions for tensors without data."""


def takes(model: Segmenter, crops: int, crop: Sequence[int]) -> bool:
    """Return whether `try_step` raises no error.

    Args:
        model: the network, which is not changed.
        crops: how many crops go through the network at a time.
        crop: the height and width of a crop.
    """
    try:
        try_step(model, crops, crop)
    except ConfigError:
        return False
    return True


def _try_with_data(model: Segmenter, crops: int, crop: Sequence[int]) -> None:
    size = f"{counted(crops, 'crop')} of {crop[0]} x {crop[1]}"
    try:
        _forward(model, torch.device("cpu"), crops, crop)
    except _OneValueError as error:
        raise ConfigError(
            f"{error} can't be trained on {size} at a time: this batch norm would see one value of each channel. Take "
            "more crops at a time (data.batch_size, trainer.micro_batch_size), a larger data.crop, or another model "
            "or context, because some take means over the whole map"
        ) from error
    except (AssertionError, IndexError, RuntimeError, TypeError, ValueError) as error:
        if is_out_of_memory(error):
            return  # the first step of the run will explain what to do about it
        raise ConfigError(
            f"the network can't be trained on {size}: {reason_of(error)}. Try a larger data.crop with sides that are "
            f"multiples of {model.encoder.output_stride}, or the size that the encoder was made for"
        ) from error


class _OneValueError(ValueError):
    """A batch norm has seen only one value of each channel. The message is its name in the network."""


def _forward(model: Segmenter, device: torch.device, crops: int, crop: Sequence[int]) -> None:
    """Run the network's forward pass on a copy."""
    network = copy.deepcopy(model).to(device)
    for name, module in network.named_modules():
        if isinstance(module, _BatchNorm):
            module.register_forward_pre_hook(lambda _, inputs, name=name: _check(inputs[0], name))
    with torch.no_grad(), torch.random.fork_rng(devices=[]):  # dropout with data draws random numbers
        network.forward_with_auxiliary(black_images(network.encoder, crops, *crop))


def _check(x: Tensor, name: str) -> None:
    if x.numel() == x.shape[1]:
        raise _OneValueError(name)
