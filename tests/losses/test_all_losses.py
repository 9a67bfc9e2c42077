"""What every loss promises, whatever it computes."""

from collections.abc import Callable

import pytest
import torch
from torch import nn

from segrnn.losses import OHEM, CrossEntropy, Dice, Focal, Lovasz, WeightedSum

LOSSES: dict[str, Callable[[], nn.Module]] = {
    "cross_entropy": CrossEntropy,
    "smoothed": lambda: CrossEntropy(label_smoothing=0.2),
    "ohem": OHEM,
    "ohem_few": lambda: OHEM(min_kept=0),
    "dice": Dice,
    "focal": Focal,
    "focal_root": lambda: Focal(gamma=0.5),
    "lovasz": Lovasz,
    "sum": lambda: WeightedSum({"dice": Dice(), "lovasz": Lovasz()}, {"dice": 1, "lovasz": 2}),
}
every_loss = pytest.mark.parametrize("name", LOSSES)


def batch(classes: int, size: tuple[int, int, int] = (2, 9, 7)) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    target = torch.randint(0, classes, size)
    target[0, :3] = 255
    return 3 * torch.randn(size[0], classes, *size[1:]), target


def gradient(loss: nn.Module, logits: torch.Tensor, target: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    logits = logits.clone().requires_grad_()
    value = loss(logits, target)
    return value.detach(), torch.autograd.grad(value, logits)[0]


@every_loss
def test_an_all_void_batch_gives_zero_and_zero_gradients(name: str) -> None:
    logits, target = batch(4)
    value, slope = gradient(LOSSES[name](), logits, torch.full_like(target, 255))
    assert value.shape == ()
    assert value == 0
    assert not slope.any()


@every_loss
def test_void_pixels_change_nothing_and_learn_nothing(name: str) -> None:
    logits, target = batch(4)
    value, slope = gradient(LOSSES[name](), logits, target)
    void = (target == 255)[:, None].expand_as(logits)
    assert not slope[void].any()
    assert slope[~void].any()
    torch.testing.assert_close(LOSSES[name]()(logits.masked_fill(void, 50), target), value)


@every_loss
@pytest.mark.parametrize("classes", [1, 2, 150])
def test_any_number_of_classes(name: str, classes: int) -> None:
    value, slope = gradient(LOSSES[name](), *batch(classes))
    assert value.isfinite()
    assert (value > 0) == (classes > 1)
    assert slope.isfinite().all()


@every_loss
def test_one_valid_pixel(name: str) -> None:
    logits, target = batch(4)
    alone = torch.full_like(target, 255)
    alone[1, 4, 4] = 2
    value, slope = gradient(LOSSES[name](), logits, alone)
    assert value > 0
    assert slope[1, :, 4, 4].all()
    assert slope.count_nonzero() == 4


@every_loss
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("autocast", [False, True])
def test_half_precision_is_computed_in_single(name: str, dtype: torch.dtype, autocast: bool) -> None:
    logits, target = batch(4, (2, 300, 200))  # sums above 65504, the greatest number of float16
    logits = (1000 * logits).to(dtype)
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        value, slope = gradient(LOSSES[name](), logits, target)
    assert value.dtype == torch.float32
    assert slope.isfinite().all()
    torch.testing.assert_close(value, LOSSES[name]()(logits.float(), target))


@every_loss
def test_gradients_are_those_of_the_values(name: str) -> None:
    logits, target = batch(3, (2, 4, 3))
    loss = LOSSES[name]()
    assert torch.autograd.gradcheck(lambda x: loss(x, target), logits.double().requires_grad_())


@every_loss
@pytest.mark.parametrize("size", [20.0, 200.0])
def test_certain_pixels_have_finite_gradients(name: str, size: float) -> None:
    _, target = batch(4)
    right = size * nn.functional.one_hot(target.where(target != 255, 0), 4).permute(0, 3, 1, 2).float()
    for logits in (right, -right):
        value, slope = gradient(LOSSES[name](), logits, target)
        assert value.isfinite()
        assert slope.isfinite().all()


@pytest.mark.parametrize("name", ["cross_entropy", "smoothed", "focal", "weighted"])
def test_parts_of_a_batch_weighted_by_their_valid_pixels_make_the_whole(name: str) -> None:
    loss = CrossEntropy(0.1, [0.5, 0.0, 4.0, 1.0]) if name == "weighted" else LOSSES[name]()
    logits, target = batch(4)
    logits = logits.double()
    parts = [loss(logits[i : i + 1], target[i : i + 1]) * (target[i] != 255).sum() for i in range(2)]
    torch.testing.assert_close(sum(parts) / (target != 255).sum(), loss(logits, target))
