"""The slow twins against torch's own layers, where those exist."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from segrnn.ops import reference

pytestmark = pytest.mark.usefixtures("poisoned_memory")

LAYERS = {
    reference.rnn_tanh: lambda *sizes: nn.RNN(*sizes),
    reference.rnn_relu: lambda *sizes: nn.RNN(*sizes, nonlinearity="relu"),
    reference.gru: nn.GRU,
    reference.lstm: nn.LSTM,
}


@pytest.mark.parametrize("twin", LAYERS)
def test_twins_equal_torch_in_output_and_all_gradients(twin: Callable[..., Tensor]) -> None:
    torch.manual_seed(0)
    layer = LAYERS[twin](5, 3).double()
    x = torch.randn(7, 4, 5, dtype=torch.float64, requires_grad=True)
    inputs = [x, *layer.parameters()]

    fast, _ = layer(x)
    slow = twin(*inputs)
    torch.testing.assert_close(slow, fast, rtol=1e-12, atol=1e-12)

    weight = torch.randn_like(fast)
    for a, b in zip(torch.autograd.grad(slow, inputs, weight), torch.autograd.grad(fast, inputs, weight), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("twin", "gates"), [(reference.mingru, 2), (reference.minlstm, 3)])
def test_minimal_cells_equal_the_papers_form_in_log_space(twin: Callable[..., Tensor], gates: int) -> None:
    """Feng et al. 2024, listings 7 to 10: the sum over all steps before, in logarithms."""
    torch.manual_seed(0)
    x = torch.randn(9, 2, 5, dtype=torch.float64)
    weight, bias = torch.randn(gates * 3, 5, dtype=torch.float64), torch.randn(gates * 3, dtype=torch.float64)
    softplus = nn.functional.softplus
    *scores, c = (x @ weight.T + bias).chunk(gates, dim=2)
    log_g = torch.where(c >= 0, (c.relu() + 0.5).log(), -softplus(-c))
    if gates == 2:
        log_keep, log_new = -softplus(scores[0]), -softplus(-scores[0])
    else:
        difference = softplus(-scores[0]) - softplus(-scores[1])
        log_keep, log_new = -softplus(difference), -softplus(-difference)
    kept = log_keep.cumsum(dim=0)
    states = (kept + torch.logcumsumexp(log_new + log_g - kept, dim=0)).exp()
    torch.testing.assert_close(twin(x, weight, bias), states, rtol=1e-10, atol=1e-12)
