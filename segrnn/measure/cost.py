"""Cost of modules that keep the shape of their map: parameters, multiply-accumulates, time and memory."""

import copy
import statistics
import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode


@dataclass(frozen=True)
class Cost:
    """The cost of one module on one size of map."""

    name: str
    height: int
    width: int
    parameters: int
    macs: int
    """The multiply-accumulates of matrix products, convolutions and attention. Elementwise work is not counted."""
    forward_ms: float
    """The median time of a forward pass without gradients."""
    training_ms: float
    """The median time of a forward and a backward pass, to the input and to all parameters."""
    peak_mib: float
    """The most memory that tensors held at once during both passes, without the input and the parameters."""


def measure_costs(
    modules: Mapping[str, nn.Module], x: Tensor, repeats: int, step: Callable[[], None] = lambda: None
) -> Iterator[Cost]:
    """Measure several modules on one map ``(B, C, H, W)``, side by side.

    Every round times each module once. So a machine that slows down slows all modules. The first round only warms up;
    the medians are over the others.

    Args:
        modules: the modules by name, on the device of x.
        x: the map.
        repeats: the number of rounds that count.
        step: a function that is called after each module in each round, `repeats` + 1 times for each module.
    """
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in modules}
    for _ in range(repeats + 1):
        for name, module in modules.items():
            forward_seconds = seconds(partial(run_forward, module, x), x.device)
            times[name].append((forward_seconds, seconds(partial(run_training, module, x), x.device)))
            step()
    for name, module in modules.items():
        forward, training = zip(*times[name][1:], strict=True)
        yield Cost(
            name,
            height=x.shape[2],
            width=x.shape[3],
            parameters=count_parameters(module),
            macs=count_macs(module, x.shape),
            forward_ms=1000 * statistics.median(forward),
            training_ms=1000 * statistics.median(training),
            peak_mib=peak_memory(partial(run_training, module, x), x.device) / 2**20,
        )


def run_forward(module: nn.Module, x: Tensor) -> None:
    """Run one pass without gradients over an input of any shape, for example ``(B, C, H, W)`` or ``(T, N, C)``."""
    with torch.no_grad():
        module(x)


def run_training(module: nn.Module, x: Tensor) -> None:
    """Run a forward pass, and a backward pass to all parameters and to x.

    x may have any shape, for example ``(B, C, H, W)`` or ``(T, N, C)``.
    """
    x = x.detach().requires_grad_()
    y = module(x)
    torch.autograd.grad(y, [x, *module.parameters()], torch.ones_like(y))


def seconds(work: Callable[[], Any], device: torch.device) -> float:
    """Return the seconds that one run takes until the device has completed it."""
    _synchronize(device)
    start = time.perf_counter()
    work()
    _synchronize(device)
    return time.perf_counter() - start


def count_parameters(module: nn.Module) -> int:
    """Return the number of values in a module's parameters."""
    return sum(parameter.numel() for parameter in module.parameters())


def count_macs(module: nn.Module, shape: torch.Size) -> int:
    """Count the multiply-accumulates of one forward pass, on tensors without data.

    Example:
        >>> count_macs(nn.Conv2d(4, 5, kernel_size=3, padding=1), torch.Size([1, 4, 6, 7]))
        7560
    """
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        copy.deepcopy(module).to("meta").eval()(
            torch.empty(shape, device="meta")
        )  # batch norms can't train on one value
    return counter.get_total_flops() // 2


def peak_memory(work: Callable[[], Any], device: torch.device) -> int:
    """Return the largest number of bytes that tensors made by `work` held at once.

    On a CUDA device, this is the allocator's figure. Elsewhere, it is counted.

    Example:
        >>> peak_memory(lambda: torch.zeros(1000) + torch.zeros(1000), torch.device("cpu"))
        12000
    """
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        work()
        torch.cuda.synchronize(device)
        return torch.cuda.max_memory_allocated(device) - before
    with _MemoryCounter() as counter:
        work()
    return counter.peak


class _MemoryCounter(TorchDispatchMode):
    """A mode that adds up the sizes of the storages that operations return, and subtracts those that are freed.

    The process's size would not show this, because the allocator keeps freed memory. Memory that a kernel takes and
    frees before it returns is not counted.
    """

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = 0
        self._seen: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        for tensor in tree_leaves((args, kwargs)):
            if isinstance(tensor, Tensor):
                self._seen.add(tensor.untyped_storage()._cdata)  # tensors from outside are not counted
        out = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(out):
            if isinstance(tensor, Tensor):
                self._add(tensor.untyped_storage())
        return out

    def _add(self, storage: torch.UntypedStorage) -> None:
        key, size = storage._cdata, storage.nbytes()
        if key not in self._seen:
            self._seen.add(key)
            self.now += size
            self.peak = max(self.peak, self.now)
            weakref.finalize(storage, self._free, key, size)

    def _free(self, key: int, size: int) -> None:
        self._seen.discard(key)
        self.now -= size


def _synchronize(device: torch.device) -> None:
    if device.type != "cpu":
        torch.accelerator.synchronize(device)
