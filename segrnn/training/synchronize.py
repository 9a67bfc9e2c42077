"""Batch statistics over all processes."""

from typing import Any

import torch
from torch import Tensor, nn

from segrnn.compat import timm


def synchronize_batch_norm(module: nn.Module, on_gpu: bool) -> nn.Module:
    """Make every batch norm take its statistics over the batches of all processes.

    Lightning uses torch's own conversion, which loses the activation inside timm's batch norms. timm's conversion keeps
    it. Both need a GPU.

    Args:
        module: the network. Its batch norms are replaced.
        on_gpu: whether the network runs on a GPU. If not, `CPUSyncBatchNorm` replaces the batch norms.

    Returns:
        The network with other batch norms.
    """
    return timm.layers.norm_act.convert_sync_batchnorm(module) if on_gpu else _convert(module)


class CPUSyncBatchNorm(nn.BatchNorm2d):
    """A batch norm like `torch.nn.SyncBatchNorm` for the CPU, where torch has none. It is slower, and exact.

    Each process must have the same number of images.

    Args:
        norm: the batch norm to replace. Its parameters are taken over, and its activation if it is one of timm's.
    """

    def __init__(self, norm: nn.BatchNorm2d) -> None:
        super().__init__(norm.num_features, norm.eps, norm.momentum, norm.affine, norm.track_running_stats)
        self._parameters, self._buffers, self.training = norm._parameters, norm._buffers, norm.training
        self.drop, self.act = getattr(norm, "drop", nn.Identity()), getattr(norm, "act", nn.Identity())

    def forward(self, x: Tensor) -> Tensor:
        """Normalise ``(B, C, H, W)``."""
        return self.act(self.drop(self._synchronized(x) if self.training else super().forward(x)))

    def _synchronized(self, x: Tensor) -> Tensor:
        processes = torch.distributed.get_world_size()
        mean = _SumOverProcesses.apply(x.mean((0, 2, 3))) / processes
        centred = x - mean[:, None, None]
        variance = _SumOverProcesses.apply(centred.square().mean((0, 2, 3))) / processes
        if self.track_running_stats:
            with torch.no_grad():
                self._update(mean, variance, count=processes * x.numel() // x.shape[1])
        normal = centred * (variance + self.eps).rsqrt()[:, None, None]
        return normal * self.weight[:, None, None] + self.bias[:, None, None] if self.affine else normal

    def _update(self, mean: Tensor, variance: Tensor, count: int) -> None:
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        self.num_batches_tracked += 1
        weight = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean, weight)
        self.running_var.lerp_(variance * count / (count - 1), weight)


class _SumOverProcesses(torch.autograd.Function):
    """Sums a value over all processes. Each value affects the sum in all processes, so gradients are summed as well."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        total = x.clone()
        torch.distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return _SumOverProcesses.forward(ctx, gradients[0])


def _convert(module: nn.Module) -> nn.Module:
    if isinstance(module, nn.BatchNorm2d):
        return CPUSyncBatchNorm(module)
    for name, child in module.named_children():
        setattr(module, name, _convert(child))
    return module
