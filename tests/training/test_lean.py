import copy

import pytest
import torch
from torch import Tensor, nn

from segrnn.inference import find_fusions, prepare
from segrnn.models import FCN, Segmenter
from segrnn.training import make_lean

pytestmark = pytest.mark.usefixtures("poisoned_memory")


@pytest.fixture(scope="module")
def model() -> Segmenter:
    torch.manual_seed(0)
    return Segmenter(FCN("tu-tf_efficientnet_lite0", classes=4, width=16)).to(memory_format=torch.channels_last)


@pytest.fixture
def lean(model: Segmenter) -> Segmenter:
    lean = copy.deepcopy(model)
    make_lean(lean)
    return lean


def step(model: Segmenter, image: Tensor) -> tuple[Tensor, list[Tensor]]:
    model.train().zero_grad()
    logits = model(image)
    logits.square().mean().backward()
    return logits.detach(), [parameter.grad for parameter in model.parameters() if parameter.grad is not None]


def test_a_step_is_the_same_but_for_rounding(model: Segmenter, lean: Segmenter) -> None:
    image = torch.rand(2, 3, 64, 96).to(memory_format=torch.channels_last)
    logits, gradients = step(copy.deepcopy(model).double(), image.double())
    own_logits, own_gradients = step(lean, image)
    torch.testing.assert_close(own_logits, logits.float(), rtol=1e-4, atol=1e-4)
    _, plain = step(copy.deepcopy(model), image)
    assert len(own_gradients) == len(gradients)
    for own, other, exact in zip(own_gradients, plain, gradients, strict=True):
        # batch norms of few pixels magnify rounding, without this change as with it
        scale = exact.abs().max() + 1e-6
        assert (own - exact).abs().max() / scale < 2 * (other - exact).abs().max() / scale + 1e-3


def test_weights_keep_their_names(model: Segmenter, lean: Segmenter) -> None:
    assert list(lean.state_dict()) == list(model.state_dict())
    assert [type(part) for part in lean.modules()] == [type(part) for part in model.modules()]


def test_a_copy_computes_with_its_own_weights(lean: Segmenter) -> None:
    copied = copy.deepcopy(lean).train()  # the averaged network of a run is one
    for parameter in copied.parameters():
        nn.init.zeros_(parameter)
    image = torch.rand(1, 3, 64, 64)
    assert copied(image).abs().max() == 0
    assert lean.train()(image).abs().max() > 0


def test_nothing_changes_without_gradients(model: Segmenter, lean: Segmenter) -> None:
    image = torch.rand(1, 3, 64, 64).to(memory_format=torch.channels_last)
    with torch.no_grad():
        expected = model.eval()(image)
        assert torch.equal(lean.eval()(image), expected)
        torch.testing.assert_close(prepare(lean, find_fusions(lean))(image), expected, rtol=1e-4, atol=1e-4)


def test_autocast_computes_as_it_would() -> None:
    network = nn.Sequential(nn.Conv2d(8, 8, 5, padding=2, groups=8, bias=False))
    make_lean(network)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        result = network(torch.rand(1, 8, 9, 9))
    assert result.dtype == torch.bfloat16
    result.sum().backward()


@pytest.mark.parametrize(
    "left",
    [
        nn.Conv2d(8, 8, 5, padding=2, groups=8),  # has a bias
        nn.Conv2d(8, 8, 5, padding=2, groups=8, bias=False, padding_mode="reflect"),
        nn.Conv2d(8, 8, 5, padding=4, dilation=2, groups=8, bias=False),
        nn.Conv2d(8, 8, 3, padding=1, groups=8, bias=False),
        nn.Conv2d(8, 8, 5, padding=2, bias=False),
        nn.Conv2d(8, 8, 5, padding="same", groups=8, bias=False),
    ],
)
def test_other_convolutions_are_left_alone(left: nn.Conv2d) -> None:
    make_lean(left)
    assert "forward" not in vars(left)
