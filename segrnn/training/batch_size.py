"""The most crops of a step that fit into memory."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import psutil
import torch
from pytorch_lightning.plugins.precision import DoublePrecision

from segrnn.measure import count_parameters, peak_memory
from segrnn.training.module import SegmentationModule
from segrnn.trouble import is_out_of_memory

_FEW, _MORE = 2, 4
"""The numbers of crops that are measured. One crop may be too few for a batch norm."""

_ON_GPU, _ON_CPU = 0.9, 0.7
"""The share of the free memory that a step may take. On a CPU, the kernels' own memory is not measured."""

_LIMIT, _USED = Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")
"""The files in which Linux gives a container's memory, in bytes."""


def find_batch_size(
    module: SegmentationModule, crop: Sequence[int], channels: int, precision: str, most: int, device: torch.device
) -> int:
    """Return the most crops whose step fits into the free memory.

    The memory of a step grows in proportion to its crops. It is measured for two small numbers of crops, and the number
    that fits is computed. On a GPU, that number is then tried, and lowered as long as it does not fit.

    Args:
        module: the module to train. It is moved to the device, and its running statistics change.
        crop: the height and width of a crop.
        channels: C, the number of channels of an image.
        precision: the precision of the training, as Lightning names it.
        most: the largest number to return, usually the number of training images.
        device: the device to train on.

    Returns:
        The number of crops, at least 1.
    """
    module.to(device, torch.float64 if precision == "64-true" else None)

    def measure(crops: int) -> int:
        return _measure_step(module, (crops, channels, *crop), precision, device)

    few, more = measure(_FEW), measure(_MORE)
    of_a_crop = max(1, (more - few) / (_MORE - _FEW))
    # an optimizer keeps two values for each parameter, and a moving average of the weights keeps one
    rest = few - _FEW * of_a_crop + 3 * 4 * count_parameters(module.model)
    size = max(1, min(most, int((_free_memory(device) - rest) / of_a_crop)))
    while device.type == "cuda" and size > _MORE:
        try:
            measure(size)
            break
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            torch.cuda.empty_cache()
            size = int(0.9 * size)
    return size


def _measure_step(module: SegmentationModule, shape: tuple[int, ...], precision: str, device: torch.device) -> int:
    """Return the most bytes that a forward and a backward pass hold at once, with the gradients."""
    images = torch.zeros(shape, dtype=torch.uint8, device=device)
    masks = torch.zeros(shape[0], *shape[2:], dtype=torch.uint8, device=device)

    def step() -> None:
        with _with_precision(precision, device):
            loss = module.losses_of(images, masks)[0]
        loss.backward()

    try:
        return peak_memory(step, device)
    finally:
        module.zero_grad()


def _with_precision(precision: str, device: torch.device) -> AbstractContextManager[object]:
    """Return the context in which Lightning runs a step."""
    if precision == "64-true":
        return DoublePrecision().forward_context()
    dtypes = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}
    return torch.autocast(device.type, dtypes[precision]) if precision in dtypes else nullcontext()


def _free_memory(device: torch.device) -> float:
    """Return the bytes that a step may take, with a margin."""
    if device.type == "cuda":
        return _ON_GPU * torch.cuda.mem_get_info(device)[0]
    free = psutil.virtual_memory().available
    if _LIMIT.exists() and (limit := _LIMIT.read_text().strip()).isdigit():
        free = min(free, int(limit) - int(_USED.read_text()))
    return _ON_CPU * free
