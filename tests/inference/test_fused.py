"""A convolution, its bias and its activation in one call are what they are in three."""

import pytest
import torch
from torch import nn

from segrnn.compat import Conv2dSame
from segrnn.inference.fused import FusedConvolution, fits

pytestmark = pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="this torch is built without oneDNN")
CONVOLUTIONS = {
    "1 x 1": lambda: nn.Conv2d(6, 10, 1),
    "without bias": lambda: nn.Conv2d(6, 10, 3, padding=1, bias=False),
    "strided": lambda: nn.Conv2d(6, 10, (3, 5), stride=(2, 3), padding=(0, 2)),
    "dilated": lambda: nn.Conv2d(6, 10, 3, padding=2, dilation=2),
    "grouped": lambda: nn.Conv2d(6, 12, 3, padding=1, groups=3),
    "depthwise": lambda: nn.Conv2d(6, 6, 5, padding=2, groups=6),
    "same": lambda: Conv2dSame(6, 10, 3, stride=2),
    "same, depthwise": lambda: Conv2dSame(6, 6, 5, stride=2, groups=6, bias=False),
    "same, one axis strided": lambda: Conv2dSame(6, 10, 3, stride=(1, 2)),
    "same, dilated": lambda: Conv2dSame(6, 10, 3, dilation=2),
}
ACTIVATIONS = [None, nn.ReLU(), nn.ReLU6(), nn.Hardtanh(-0.1, 0.4), nn.SiLU(), nn.Hardswish()]


@pytest.mark.parametrize("name", CONVOLUTIONS)
@pytest.mark.parametrize("activation", ACTIVATIONS, ids=str)
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last], ids=str)
def test_one_call_is_three(name: str, activation: nn.Module | None, memory_format: torch.memory_format) -> None:
    torch.manual_seed(0)
    convolution = CONVOLUTIONS[name]()
    assert fits(convolution)
    assert activation is None or fits(activation)
    fused = FusedConvolution(convolution, activation)
    x = torch.randn(2, 6, 14, 22).to(memory_format=memory_format)
    with torch.inference_mode():
        expected = convolution(x) if activation is None else activation(convolution(x))
        got = fused(x)
    torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-6)
    assert got.is_contiguous(memory_format=torch.channels_last) or memory_format == torch.contiguous_format


@pytest.mark.parametrize(
    "module",
    [
        nn.Conv2d(6, 6, 3, padding_mode="reflect", padding=1),
        nn.Conv2d(6, 6, 3, padding="same"),
        nn.Conv2d(6, 6, 3, dtype=torch.float64),
        Conv2dSame(6, 6, 2, stride=1, dilation=3),
        type("Own", (nn.Conv2d,), {})(6, 6, 3),
        nn.GELU(),
        nn.PReLU(),
        nn.Linear(6, 6),
    ],
    ids=str,
)
def test_what_does_not_fit_is_known(module: nn.Module) -> None:
    assert not fits(module)
