import torch
from torch import nn

from segrnn.ops import reference


def test_gru_equals_torch_in_output_and_all_gradients() -> None:
    torch.manual_seed(0)
    layer = nn.GRU(5, 3).double()
    x = torch.randn(7, 4, 5, dtype=torch.float64, requires_grad=True)
    inputs = [x, *layer.parameters()]

    fast, _ = layer(x)
    slow = reference.gru(*inputs)
    torch.testing.assert_close(slow, fast, rtol=1e-12, atol=1e-12)

    weight = torch.randn_like(fast)
    for a, b in zip(torch.autograd.grad(slow, inputs, weight), torch.autograd.grad(fast, inputs, weight), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)
