"""Dice and Lovasz: losses of whole classes."""

from collections.abc import Callable

import pytest
import torch
from torch import nn

from segrnn.compat import smp
from segrnn.losses import Dice, Lovasz


def batch(present: int = 5) -> tuple[torch.Tensor, torch.Tensor]:
    """Five classes, of which the target has the first ones."""
    torch.manual_seed(0)
    target = torch.randint(0, present, (2, 8, 9))
    target[0, :3] = 255
    return 2 * torch.randn(2, 5, 8, 9, dtype=torch.float64, requires_grad=True), target


def of_each_class(logits: torch.Tensor, target: torch.Tensor, loss: Callable) -> torch.Tensor:
    valid = target != 255
    probabilities = logits.softmax(dim=1).movedim(1, -1)[valid]
    labels = target[valid]
    return torch.stack([loss(probabilities[:, c], labels == c) for c in range(5) if (labels == c).any()]).mean()


def dice_slowly(probability: torch.Tensor, is_class: torch.Tensor) -> torch.Tensor:
    return 1 - 2 * probability[is_class].sum() / (probability.sum() + is_class.sum())


def lovasz_slowly(probability: torch.Tensor, is_class: torch.Tensor) -> torch.Tensor:
    """Equation 9: each error times what the Jaccard loss of the set of wrong pixels grows by when its pixel joins."""
    errors = [1 - p if wanted else p for p, wanted in zip(probability, is_class, strict=True)]
    wrong: set[int] = set()
    pixels = set(is_class.nonzero().flatten().tolist())
    total, before = torch.zeros((), dtype=torch.float64), 0.0
    for i in sorted(range(len(errors)), key=lambda i: -errors[i].item()):
        wrong.add(i)
        after = 1 - len(pixels - wrong) / len(pixels | wrong)
        total, before = total + errors[i] * (after - before), after
    return total


@pytest.mark.parametrize("present", [5, 3, 1])
@pytest.mark.parametrize(("fast", "slow"), [(Dice(), dice_slowly), (Lovasz(), lovasz_slowly)], ids=["dice", "lovasz"])
def test_it_is_the_mean_over_the_classes_in_the_target(fast: nn.Module, slow: Callable, present: int) -> None:
    logits, target = batch(present)
    one, other = fast(logits, target), of_each_class(logits, target, slow)
    torch.testing.assert_close(one, other)
    torch.testing.assert_close(*(torch.autograd.grad(value, logits)[0] for value in (one, other)))


def test_smps_dice_is_ours_where_the_target_has_all_classes() -> None:
    theirs = smp.losses.DiceLoss("multiclass", ignore_index=255)
    torch.testing.assert_close(theirs(*batch()), Dice()(*batch()))
    torch.testing.assert_close(theirs(*batch(2)), Dice()(*batch(2)) * 2 / 5)


def test_smps_lovasz_is_ours_for_small_crops_in_single_precision() -> None:
    logits, target = batch(3)
    theirs = smp.losses.LovaszLoss("multiclass", ignore_index=255)(logits.float(), target)
    torch.testing.assert_close(theirs, Lovasz()(logits.float(), target))


@pytest.mark.parametrize("loss", [Dice(), Lovasz()], ids=["dice", "lovasz"])
def test_masks_that_are_certain_and_right_have_no_loss(loss: nn.Module) -> None:
    _, target = batch()
    logits = 100 * nn.functional.one_hot(target.where(target != 255, 0), 5).permute(0, 3, 1, 2).float()
    assert loss(logits, target) == pytest.approx(0, abs=1e-6)
    assert loss(-logits, target) == pytest.approx(1, abs=1e-6)


def test_hard_masks_give_one_less_the_iou() -> None:
    """The extension equals what it extends: the Jaccard loss of the set of wrong pixels."""
    _, target = batch(2)
    predicted = torch.randint(0, 2, target.shape)
    logits = 1000.0 * nn.functional.one_hot(predicted, 5).permute(0, 3, 1, 2)
    valid = target != 255
    ious = [
        (((predicted == c) & (target == c))[valid].sum() / ((predicted == c) | (target == c))[valid].sum()).item()
        for c in (0, 1)
    ]
    assert Lovasz()(logits, target) == pytest.approx(1 - sum(ious) / 2)


def test_rare_classes_and_big_crops_are_exact_in_single_precision() -> None:
    torch.manual_seed(0)
    logits, target = torch.randn(1, 3, 1024, 1024), torch.randint(0, 2, (1, 1024, 1024))
    logits[:, 2] -= 9
    target[0, 0, :10] = 2
    for loss in (Dice(), Lovasz()):
        gradients = []
        for precision in (torch.float32, torch.float64):
            x = logits.to(precision).requires_grad_()
            gradients.append(torch.autograd.grad(loss(x, target), x)[0].double())
        # two errors that differ by less than single precision may change places, which moves a few weights a little
        assert (gradients[0] - gradients[1]).norm() < 1e-4 * gradients[1].norm()
