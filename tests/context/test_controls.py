"""The convolutional controls: what they see."""

import torch
import torch.nn.functional as F

from segrnn.context import CoordinateConvolutions, DilatedConvolutions


def test_coordinates_are_the_centres_of_equal_parts() -> None:
    context = CoordinateConvolutions(channels=2, hidden=2).eval()
    for convolution in (context.first, context.second):
        torch.nn.init.zeros_(convolution.weight)
    with torch.no_grad():  # what the second convolution reads goes straight to the output
        context.second.weight[0, 2, 1, 1] = context.second.weight[1, 3, 1, 1] = 1
    rows, columns = context(torch.rand(1, 2, 4, 5))[0]
    torch.testing.assert_close(rows[:, 3], torch.tensor([-0.75, -0.25, 0.25, 0.75]))
    torch.testing.assert_close(columns[2], torch.tensor([-0.8, -0.4, 0.0, 0.4, 0.8]))


def test_coordinates_go_into_both_convolutions() -> None:
    torch.manual_seed(0)
    context = CoordinateConvolutions(channels=3, hidden=4).double().train()
    x = torch.randn(2, 3, 5, 4, dtype=torch.float64)
    rows, columns = ((2 * torch.arange(count).double() + 1) / count - 1 for count in (5, 4))
    grid = torch.stack(torch.meshgrid(rows, columns, indexing="ij")).expand(2, -1, -1, -1)
    first = F.conv2d(torch.cat([x, grid], 1), context.first.weight, padding=1)
    mean, variance = first.mean((0, 2, 3), keepdim=True), first.var((0, 2, 3), keepdim=True, correction=0)
    hidden = ((first - mean) / (variance + context.norm.eps).sqrt()).clamp(min=0)
    expected = F.conv2d(torch.cat([hidden, grid], 1), context.second.weight, padding=1)
    torch.testing.assert_close(context(x), expected, rtol=1e-10, atol=1e-10)


def test_the_same_pattern_elsewhere_is_another_pattern() -> None:
    torch.manual_seed(0)
    context = CoordinateConvolutions(channels=1, hidden=4).eval()
    x = torch.zeros(1, 1, 9, 9)
    x[0, 0, 4, 4] = 1
    moved = context(x.roll(2, dims=3))
    assert (moved[..., 4, 6] - context(x)[..., 4, 4]).abs() > 1e-4


def test_dilations_add_up_to_the_reach() -> None:
    torch.manual_seed(0)
    x = torch.randn(1, 2, 25, 25, requires_grad=True)
    DilatedConvolutions(channels=2, hidden=32, rates=(1, 2, 4)).eval()(x)[0, :, 12, 12].sum().backward()
    seen = x.grad[0].abs().sum(dim=0) > 0
    assert seen[5:20, 5:20].all()
    assert seen.sum() == 15 * 15
