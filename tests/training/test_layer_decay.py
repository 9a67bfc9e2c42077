import pytest
import torch
from torch import nn

from segrnn.compat import smp
from segrnn.errors import ConfigError
from segrnn.training.layer_decay import ordered_blocks

ENCODERS = {
    "resnet18": (9, ["conv1", "layer1.0", "layer1.1", "layer2.0"]),
    "mit_b0": (12, ["patch_embed1", "block1.0", "block1.1", "patch_embed2"]),
    "tu-convnext_atto": (16, ["model.stem_0", "model.stages_0.blocks.0", "model.stages_0.blocks.1"]),
    "tu-tf_efficientnet_lite0": (17, ["model.conv_stem", "model.blocks.0.0", "model.blocks.1.0", "model.blocks.1.1"]),
    "tu-regnety_002": (14, ["model.stem", "model.s1", "model.s2", "model.s3.b1"]),
    "mobilenet_v2": (19, ["features.0", "features.1", "features.2"]),
    "vgg11_bn": (8, ["features.0", "features.4", "features.8"]),
}
EACH = pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.thorough if name == "vgg11_bn" else ()) for name in ENCODERS]
)


def encoder(name: str) -> nn.Module:
    return smp.encoders.get_encoder(name, weights=None)


@EACH
def test_blocks_are_what_the_encoder_repeats_from_the_image_on(name: str) -> None:
    net = encoder(name)
    blocks = ordered_blocks(net)
    count, first = ENCODERS[name]
    assert len(blocks) == count
    assert [block for block, _ in blocks][: len(first)] == first
    parameters = [p for _, own in blocks for p in own]
    assert len(parameters) == len(set(parameters)) == len(list(net.parameters()))


@EACH
def test_a_block_hears_only_of_those_before_it(name: str) -> None:
    """What the order means: changing a block changes no output of an earlier one."""
    net = encoder(name).eval()
    image = torch.rand(1, 3, 64, 64)
    blocks = ordered_blocks(net)
    modules = dict(net.named_modules())

    def outputs() -> list[float]:
        sums: list[float] = [0.0] * len(blocks)
        hooks = [
            modules[block].register_forward_hook(
                lambda _, __, out, i=i: sums.__setitem__(i, (out[0] if isinstance(out, tuple) else out).sum().item())
            )
            for i, (block, _) in enumerate(blocks)
        ]
        with torch.no_grad():
            net(image)
        for hook in hooks:
            hook.remove()
        return sums

    before = outputs()
    middle = len(blocks) // 2
    with torch.no_grad():
        for parameter in blocks[middle][1]:
            parameter.add_(0.5)
    after = outputs()
    assert after[:middle] == before[:middle]
    assert after[middle] != before[middle]


def test_finding_them_leaves_the_encoder_as_it_was() -> None:
    net = encoder("resnet18").train()
    net.layer1.eval()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    modes = [module.training for module in net.modules()]
    random = torch.get_rng_state()
    ordered_blocks(net)
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())
    assert [module.training for module in net.modules()] == modes
    assert torch.equal(torch.get_rng_state(), random)
    assert all(p.grad is None for p in net.parameters())
    assert not any(module._forward_pre_hooks for module in net.modules())


class Transformer(nn.Module):
    """Defined in another order than it runs in, and with parameters of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.pos_embed = nn.Parameter(torch.zeros(1, 4, 1, 1))
        self.norm = nn.BatchNorm2d(4)
        self.blocks = nn.ModuleList(nn.Sequential(nn.Conv2d(4, 4, 1), nn.ReLU()) for _ in range(2))
        self.embed = nn.Conv2d(3, 4, 32, 32)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        x = self.embed(image) + self.pos_embed
        for block in self.blocks:
            x = x + block(x)
        return self.norm(x)


def test_parameters_of_no_layer_belong_to_the_first_block_and_norms_to_the_one_before() -> None:
    net = Transformer()
    blocks = dict(ordered_blocks(net))
    assert list(blocks) == ["embed", "blocks.0", "blocks.1"]
    assert any(p is net.pos_embed for p in blocks["embed"])
    assert any(p is net.norm.weight for p in blocks["blocks.1"])


def test_an_encoder_of_one_size_is_told() -> None:
    class Fixed(Transformer):
        def forward(self, image: torch.Tensor) -> torch.Tensor:
            raise ValueError("224 or nothing")

    with pytest.raises(ConfigError, match=r"optimizer\.encoder_layer_decay: it must be 1, .*: 224 or nothing"):
        ordered_blocks(Fixed())
