import pytest
import torch

from segrnn.errors import ConfigError
from segrnn.losses import CrossEntropy, Dice, WeightedSum


def test_each_loss_counts_as_its_weight_says() -> None:
    torch.manual_seed(0)
    logits, target = torch.randn(2, 3, 4, 5), torch.randint(0, 3, (2, 4, 5))
    loss = WeightedSum({"a": CrossEntropy(), "b": Dice()}, {"b": 3, "a": 0.5})
    expected = 0.5 * CrossEntropy()(logits, target) + 3 * Dice()(logits, target)
    torch.testing.assert_close(loss(logits, target), expected)


def test_its_losses_move_with_it() -> None:
    loss = WeightedSum({"a": CrossEntropy(class_weights=[1, 2])}, {"a": 1}).to("meta")
    assert loss.losses["a"].class_weights.device.type == "meta"


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (
            {"a": 1},
            r"there are 1 loss\.weights \(a\) for 2 loss\.losses \(a, b\): each loss needs a weight of the same name",
        ),
        ({"a": 1, "c": 1}, r"there are 2 loss\.weights \(a, c\) for 2"),
        ({"a": 1, "b": -1}, r"loss\.weights\.b=-1 must be at least 0"),
    ],
)
def test_weights_that_do_not_fit_are_told(weights: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        WeightedSum({"a": CrossEntropy(), "b": Dice()}, weights)
