"""BLLA: the layers of kraken's network, images of any size without padding, and what else goes into it."""

from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segrnn.context import ReNet, Sweep
from segrnn.inference import find_fusions, prepare
from segrnn.models import BLLA, Auxiliary, Segmenter, add_context, checkpoint_activations
from segrnn.models.activation_checkpointing import stages
from segrnn.models.encoders import levels
from segrnn.training.first_step import takes


def small() -> BLLA:
    torch.manual_seed(0)
    return BLLA(classes=5, width=8, hidden=4, groups=4)


def by_hand(model: Segmenter, image: Tensor) -> Tensor:
    """The same network without its classes: torch's own layers, one line after the other."""
    x = image.max() - image  # of a single image
    for i, layer in enumerate([*model.encoder.layers, *model.neck.layers]):
        if isinstance(layer, Sweep):
            axes = (0, 2, 3, 1) if i in (5, 9) else (0, 3, 2, 1)  # rows first and last
            lines = x.permute(axes)
            states = layer.rnn(lines.flatten(0, 1).transpose(0, 1))[0].transpose(0, 1).unflatten(0, lines.shape[:2])
            x = states.permute((0, 3, 1, 2) if i in (5, 9) else (0, 3, 2, 1))
        else:
            conv, _, norm = layer
            x = F.relu(F.conv2d(x, conv.weight, conv.bias, conv.stride, conv.padding))
            x = F.group_norm(x, norm.num_groups, norm.weight, norm.bias)
    return model.head(x)


def test_it_has_the_layers_of_kraken() -> None:
    model = BLLA(classes=4)
    convolutions = [m for m in model.modules() if isinstance(m, nn.Conv2d)]
    assert [(c.kernel_size[0], c.out_channels, c.stride[0]) for c in convolutions] == [
        *((7, 64, 2), (3, 128, 2), (3, 128, 1), (3, 256, 1), (3, 256, 1), (1, 32, 1), (1, 4, 1))
    ]
    assert [c.padding for c in convolutions] == [(3, 3), *[(1, 1)] * 4, (0, 0), (0, 0)]
    assert all(norm.num_groups == 32 for norm in model.modules() if isinstance(norm, nn.GroupNorm))
    sweeps = [m for m in model.modules() if isinstance(m, Sweep)]
    assert [(sweep.axis, sweep.out_channels) for sweep in sweeps] == [(3, 64), (2, 64), (2, 64), (3, 64)]
    assert sum(p.numel() for p in model.parameters()) == 1_261_540


@pytest.mark.parametrize("size", [(45, 61), (48, 64), (46, 63), (9, 70)])
def test_it_computes_what_torch_computes_layer_by_layer_and_pads_nothing(size: tuple[int, int]) -> None:
    model = Segmenter(small()).double().eval()
    image = torch.rand(1, 3, *size, dtype=torch.float64) * 0.9  # no pixel is white
    coarse = model.coarse_logits(image)
    assert coarse.shape == (1, 5, -(-size[0] // 4), -(-size[1] // 4))
    torch.testing.assert_close(coarse, by_hand(model, image))
    enlarged = coarse.repeat_interleave(4, 2).repeat_interleave(4, 3)[..., : size[0], : size[1]]
    assert torch.equal(model(image), enlarged)


@pytest.mark.parametrize("size", [(1, 1), (1, 70), (3, 4), (45, 61)])
def test_any_size(size: tuple[int, int]) -> None:
    model = Segmenter(small())
    logits = model(torch.rand(2, 3, *size))
    assert logits.shape == (2, 5, *size)
    assert torch.isfinite(logits).all()


def test_every_parameter_learns() -> None:
    model = add_context(small(), partial(ReNet, hidden=4), stride=4)
    model.auxiliary = Auxiliary(levels(model.encoder), classes=5, hidden=8)
    nn.init.normal_(model.context["0"].project.weight, std=0.1)  # opens the branch
    logits, auxiliary = model.forward_with_auxiliary(torch.rand(2, 3, 45, 61))
    assert auxiliary is not None
    assert logits.shape == auxiliary.shape == (2, 5, 45, 61)
    (logits.square().mean() + auxiliary.square().mean()).backward()
    assert [name for name, p in model.named_parameters() if p.grad is None] == []


def test_a_context_starts_as_nothing_at_stride_4_alone() -> None:
    network, image = small().eval(), torch.rand(1, 3, 45, 61)
    plain = Segmenter(network)
    assert torch.equal(add_context(network, partial(ReNet, hidden=4), stride=4).eval()(image), plain(image))
    with pytest.raises(ValueError, match=r"no features at stride 8 for a context; the decoder reads the strides \[4\]"):
        add_context(network, partial(ReNet, hidden=4), stride=8)


def test_images_of_a_batch_do_not_depend_on_each_other() -> None:
    model, images = Segmenter(small()).double().eval(), torch.rand(2, 3, 45, 61, dtype=torch.float64)
    images[1] *= 0.5  # the paper of each image has its own white
    torch.testing.assert_close(model(images), torch.cat([model(image[None]) for image in images]))


def test_other_forms_compute_the_same() -> None:
    model, image = Segmenter(small()).eval(), torch.rand(1, 3, 45, 61)
    with torch.no_grad():
        expected = model(image)
        fusions = find_fusions(model)
        assert len(fusions.convolutions) == 7 or not torch.backends.mkldnn.is_available()
        for other in (prepare(model, fusions), Segmenter(small()).eval().to(memory_format=torch.channels_last)):
            torch.testing.assert_close(other(image), expected, rtol=1e-4, atol=1e-4)
    assert len(stages(model.encoder)) == 5
    before = torch.autograd.grad(model(image).square().mean(), [*model.parameters()])
    checkpoint_activations(model)
    after = torch.autograd.grad(model(image).square().mean(), [*model.parameters()])
    assert all(map(torch.equal, before, after))


def test_small_crops_can_be_trained() -> None:
    assert takes(Segmenter(small()), 1, (8, 8))
    assert takes(Segmenter(small()), 1, (1, 1))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"classes": 0}, "classes must be a whole number of at least 1, got 0"),
        ({"width": 0}, "width must be a whole number of at least 1, got 0"),
        ({"hidden": 1.5}, "hidden must be a whole number of at least 1, got 1.5"),
        ({"groups": 0}, "groups must be a whole number of at least 1, got 0"),
        ({"width": 48}, "width must be a multiple of groups=32, got 48"),
        ({"hidden": 8}, "hidden must be a multiple of groups=32, got 8"),
    ],
)
def test_it_says_what_is_possible(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        BLLA(**{"classes": 4, **arguments})
