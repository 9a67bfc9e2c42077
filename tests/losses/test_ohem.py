import pytest
import torch

from segrnn.errors import ConfigError
from segrnn.losses import OHEM, CrossEntropy

WEIGHTS = (0.5, 0.0, 4.0)


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    target = torch.randint(0, 3, (2, 8, 9))
    target[0, :3] = 255
    return 2 * torch.randn(2, 3, 8, 9, dtype=torch.float64, requires_grad=True), target


def slowly(logits: torch.Tensor, target: torch.Tensor, threshold: float, min_kept: int, weights=(1, 1, 1)):
    """Pixel by pixel: sort them by the probability of their class, and stop where it is high and there are enough."""
    probabilities = logits.softmax(dim=1)
    pixels = [(probabilities[b, k, y, x], k) for b, y, x in (target != 255).nonzero() for k in [int(target[b, y, x])]]
    kept: list[torch.Tensor] = []
    for probability, k in sorted(pixels, key=lambda pixel: pixel[0].item()):
        if probability >= threshold and len(kept) >= min_kept:
            break
        kept.append(-weights[k] * probability.log())
    return torch.stack(kept).mean(), len(kept)


@pytest.mark.parametrize("weights", [None, WEIGHTS])
@pytest.mark.parametrize(
    ("threshold", "min_kept"), [(0.7, 10), (0.2, 10), (0.01, 30), (0.01, 0), (1.0, 0), (0.5, 9999)]
)
def test_it_is_the_mean_over_the_hardest(threshold: float, min_kept: int, weights: tuple[float, ...] | None) -> None:
    logits, target = batch()
    loss = OHEM(threshold, min_kept, weights)(logits, target)
    slow, count = slowly(logits, target, threshold, min_kept, weights or (1, 1, 1))
    assert 0 < count <= (target != 255).sum()
    torch.testing.assert_close(loss, slow)
    torch.testing.assert_close(*(torch.autograd.grad(value, logits)[0] for value in (loss, slow)))


@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_where_all_are_kept_it_is_cross_entropy(weights: tuple[float, ...] | None) -> None:
    logits, target = batch()
    expected = CrossEntropy(class_weights=weights)(logits, target)
    torch.testing.assert_close(OHEM(class_weights=weights)(logits, target), expected)
    torch.testing.assert_close(OHEM(1.0, 0, weights)(logits, target), expected)


def test_where_no_pixel_is_hard_there_is_nothing_to_learn() -> None:
    logits = torch.tensor([20.0, 0.0]).reshape(1, 2, 1, 1).expand(1, 2, 4, 4).clone().requires_grad_()
    loss = OHEM(min_kept=0)(logits, torch.zeros(1, 4, 4, dtype=torch.int64))
    loss.backward()
    assert loss == 0
    assert not logits.grad.any()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"threshold": 0}, r"loss\.threshold=0 must be above 0 and at most 1"),
        ({"threshold": 1.5}, r"loss\.threshold=1.5 must be above 0"),
        ({"min_kept": -1}, r"loss\.min_kept=-1 must be at least 0"),
    ],
)
def test_what_cannot_be_is_told(arguments: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        OHEM(**arguments)


def test_a_wrong_count_of_weights_is_told() -> None:
    with pytest.raises(ConfigError, match=r"loss\.class_weights has 2 weights, but there are 3 classes"):
        OHEM(class_weights=[1.0, 2.0])(*batch())
