import pytest
import torch
import torch.nn.functional as F

from segrnn.losses import CrossEntropy, Dice, WeightedSum
from segrnn.losses.parts import LossMeans, compute_losses, loss_names


def images() -> list[tuple[torch.Tensor, torch.Tensor]]:
    torch.manual_seed(0)
    pairs = []
    for height, width in ((5, 7), (3, 3), (8, 2)):
        target = torch.randint(0, 4, (1, height, width))
        target[torch.rand(target.shape) < 0.3] = 255
        pairs.append((torch.randn(1, 4, height, width), target))
    return pairs


def test_the_mean_cross_entropy_is_that_of_all_pixels() -> None:
    means = LossMeans(CrossEntropy())
    for logits, target in images():
        means.update(logits, target)
    flat = [(logits[0].flatten(1).T, target.flatten()) for logits, target in images()]
    whole = F.cross_entropy(
        torch.cat([pixels for pixels, _ in flat]), torch.cat([ids for _, ids in flat]), ignore_index=255
    )
    assert means.compute(means.sums) == {"loss": pytest.approx(whole.item())}


def test_sums_of_processes_add_up() -> None:
    loss = WeightedSum({"cross_entropy": CrossEntropy(), "dice": Dice()}, {"cross_entropy": 1, "dice": 3})
    whole, processes = LossMeans(loss), [LossMeans(loss) for _ in range(3)]
    for own, (logits, target) in zip(processes, images(), strict=True):
        whole.update(logits, target)
        own.update(logits, target)
    together = whole.compute(sum(own.sums for own in processes))
    assert together == whole.compute(whole.sums)
    assert together["loss"] == pytest.approx(together["loss/cross_entropy"] + together["loss/dice"])


def test_parts_are_those_of_the_sum_to_the_bit() -> None:
    loss = WeightedSum({"cross_entropy": CrossEntropy(), "dice": Dice()}, {"cross_entropy": 0.5, "dice": 3})
    logits, target = images()[0]
    total, *parts = compute_losses(loss, logits, target)
    assert loss_names(loss) == ["loss", "loss/cross_entropy", "loss/dice"]
    assert torch.equal(total, loss(logits, target))
    assert torch.equal(parts[0], 0.5 * CrossEntropy()(logits, target))
    assert torch.equal(parts[1], 3 * Dice()(logits, target))


def test_without_valid_pixels_there_is_no_mean() -> None:
    means = LossMeans(CrossEntropy())
    means.update(torch.zeros(1, 2, 1, 1), torch.full((1, 1, 1), 255))
    assert means.compute(means.sums) == {}
