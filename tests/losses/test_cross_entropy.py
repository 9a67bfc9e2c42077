import pytest
import torch
import torch.nn.functional as F

from segrnn.errors import ConfigError
from segrnn.losses import CrossEntropy

WEIGHTS = (0.5, 0.0, 4.0)


def test_is_the_mean_over_valid_pixels() -> None:
    torch.manual_seed(0)
    logits, target = torch.randn(2, 3, 5, 4), torch.randint(0, 3, (2, 5, 4))
    target[0, :3] = 255
    torch.testing.assert_close(CrossEntropy()(logits, target), F.cross_entropy(logits, target, ignore_index=255))


def with_void() -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    target = torch.randint(0, 3, (2, 5, 4))
    target[0, :3] = 255
    return torch.randn(2, 3, 5, 4, requires_grad=True), target


def weighted_slowly(logits: torch.Tensor, target: torch.Tensor, smoothing: float) -> torch.Tensor:
    """Pixel by pixel; a smoothed target is spread over the classes, each with its own weight."""
    total, pixels = torch.zeros(()), 0
    for b, row, column in (target != 255).nonzero().tolist():
        k = int(target[b, row, column])
        log_p = logits[b, :, row, column].log_softmax(dim=0)
        total = total - (1 - smoothing) * WEIGHTS[k] * log_p[k]
        total = total - sum(smoothing / 3 * WEIGHTS[c] * log_p[c] for c in range(3))
        pixels += 1
    return total / pixels


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_class_weights_multiply_what_is_divided_by_the_count_of_pixels(smoothing: float) -> None:
    logits, target = with_void()
    loss = CrossEntropy(smoothing, WEIGHTS)(logits, target)
    slow = weighted_slowly(logits, target, smoothing)
    torch.testing.assert_close(loss, slow)
    torch.testing.assert_close(*(torch.autograd.grad(value, logits)[0] for value in (loss, slow)))


def test_equal_weights_are_a_factor() -> None:
    logits, target = with_void()
    torch.testing.assert_close(CrossEntropy(0.1, [7.0] * 3)(logits, target), 7 * CrossEntropy(0.1)(logits, target))


def test_a_crop_of_a_class_of_weight_zero_teaches_nothing() -> None:
    logits = torch.randn(1, 3, 4, 4, requires_grad=True)
    loss = CrossEntropy(class_weights=WEIGHTS)(logits, torch.full((1, 4, 4), 1))
    loss.backward()
    assert loss.item() == 0
    assert logits.grad is not None
    assert not logits.grad.any()


def test_a_wrong_count_of_weights_is_told() -> None:
    logits, target = with_void()
    with pytest.raises(ConfigError, match=r"loss\.class_weights has 2 weights, but there are 3 classes"):
        CrossEntropy(class_weights=[1.0, 2.0])(logits, target)


def test_weights_move_with_the_module_and_stay_out_of_checkpoints() -> None:
    loss = CrossEntropy(class_weights=WEIGHTS)
    assert loss.to("meta").class_weights.device.type == "meta"
    assert loss.state_dict() == {}
