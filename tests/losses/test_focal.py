import pytest
import torch

from segrnn.errors import ConfigError
from segrnn.losses import CrossEntropy, Focal

WEIGHTS = (0.5, 0.0, 4.0)


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    target = torch.randint(0, 3, (2, 5, 4))
    target[0, :3] = 255
    return torch.randn(2, 3, 5, 4, dtype=torch.float64, requires_grad=True), target


def slowly(logits: torch.Tensor, target: torch.Tensor, gamma: float, weights: tuple[float, ...]) -> torch.Tensor:
    total, pixels = torch.zeros((), dtype=torch.float64), 0
    for b, row, column in (target != 255).nonzero().tolist():
        k = int(target[b, row, column])
        p = logits[b, :, row, column].softmax(dim=0)[k]
        total = total - weights[k] * (1 - p) ** gamma * p.log()
        pixels += 1
    return total / pixels


@pytest.mark.parametrize("weights", [None, WEIGHTS])
@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0, 5.0])
def test_it_is_the_papers_sum_over_the_valid_pixels(gamma: float, weights: tuple[float, ...] | None) -> None:
    logits, target = batch()
    loss, slow = Focal(gamma, weights)(logits, target), slowly(logits, target, gamma, weights or (1, 1, 1))
    torch.testing.assert_close(loss, slow)
    torch.testing.assert_close(*(torch.autograd.grad(value, logits)[0] for value in (loss, slow)))


def test_without_focus_it_is_cross_entropy() -> None:
    logits, target = batch()
    torch.testing.assert_close(Focal(0, WEIGHTS)(logits, target), CrossEntropy(0, WEIGHTS)(logits, target))


def test_mistakes_are_told() -> None:
    with pytest.raises(ConfigError, match=r"loss\.gamma=-1 must be at least 0"):
        Focal(gamma=-1)
    with pytest.raises(ConfigError, match=r"loss\.class_weights has 2 weights, but there are 3 classes"):
        Focal(class_weights=[1.0, 2.0])(*batch())
