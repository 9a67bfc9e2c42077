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


def test_an_all_void_crop_gives_zero_and_no_gradient() -> None:
    logits = torch.randn(1, 3, 4, 4, requires_grad=True)
    loss = CrossEntropy()(logits, torch.full((1, 4, 4), 255))
    loss.backward()
    assert loss.item() == 0
    assert logits.grad is not None
    assert not logits.grad.any()


def with_void() -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    target = torch.randint(0, 3, (2, 5, 4))
    target[0, :3] = 255
    return torch.randn(2, 3, 5, 4, requires_grad=True), target


def weighted_slowly(logits: torch.Tensor, target: torch.Tensor, smoothing: float) -> torch.Tensor:
    """Pixel by pixel; a smoothed target is spread over the classes, each with its own weight."""
    total, total_weight = torch.zeros(()), 0.0
    for b, row, column in (target != 255).nonzero().tolist():
        k = int(target[b, row, column])
        log_p = logits[b, :, row, column].log_softmax(dim=0)
        total = total - (1 - smoothing) * WEIGHTS[k] * log_p[k]
        total = total - sum(smoothing / 3 * WEIGHTS[c] * log_p[c] for c in range(3))
        total_weight += WEIGHTS[k]
    return total / total_weight


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_class_weights_make_a_weighted_mean(smoothing: float) -> None:
    logits, target = with_void()
    loss = CrossEntropy(smoothing, WEIGHTS)(logits, target)
    [gradient] = torch.autograd.grad(loss, logits)
    slow = weighted_slowly(logits, target, smoothing)
    torchs = F.cross_entropy(logits, target, torch.tensor(WEIGHTS), ignore_index=255, label_smoothing=smoothing)
    for other in (slow, torchs):
        torch.testing.assert_close(loss, other)
        torch.testing.assert_close(gradient, torch.autograd.grad(other, logits)[0])


def test_equal_weights_of_any_size_are_no_weights() -> None:
    logits, target = with_void()
    torch.testing.assert_close(CrossEntropy(0.1, [7.0] * 3)(logits, target), CrossEntropy(0.1)(logits, target))


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
@pytest.mark.parametrize("value", [1, 255], ids=["class of weight 0", "void"])
def test_where_nothing_weighs_anything_there_is_zero_and_no_gradient(value: int, smoothing: float) -> None:
    logits = torch.randn(1, 3, 4, 4, requires_grad=True)
    loss = CrossEntropy(smoothing, WEIGHTS)(logits, torch.full((1, 4, 4), value))
    loss.backward()
    assert loss.item() == 0
    assert logits.grad is not None
    assert not logits.grad.any()


def test_a_wrong_count_of_weights_is_told() -> None:
    logits, target = with_void()
    with pytest.raises(ConfigError, match=r"loss\.class_weights has 2 weights for 3 classes"):
        CrossEntropy(class_weights=[1.0, 2.0])(logits, target)


def test_weights_move_with_the_module_and_stay_out_of_checkpoints() -> None:
    loss = CrossEntropy(class_weights=WEIGHTS)
    assert loss.to("meta").class_weights.device.type == "meta"
    assert loss.state_dict() == {}
