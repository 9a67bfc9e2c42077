"""Every network of segmentation_models_pytorch, and FCN for plain transformers, with encoders of each kind."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from segrnn.errors import ConfigError
from segrnn.export import Exported, export_onnx
from segrnn.images import Preprocessing
from segrnn.inference import ModelInfo, Predictor, load_trained
from segrnn.labels import CAMVID
from segrnn.models import FCN
from segrnn.models.architecture import MODEL_TARGETS, build_segmenter
from segrnn.models.plain_transformer import PlainTransformer

NETWORKS = [target for target in MODEL_TARGETS if target.startswith("segmentation_models_pytorch.")]
ENCODERS = ("resnet18", "tu-test_convnext", "mit_b0", "tu-test_vit")
CONTEXTS: dict[str, dict[str, Any]] = {
    "none": {"_target_": None},
    "renet_gru": {"_target_": "segrnn.context.ReNet", "hidden": 4},
    "pyramid_pooling": {"_target_": "segrnn.context.PyramidPooling", "hidden": 4},
}
UNFIT = {
    **{(name, "tu-test_vit"): "is a plain transformer, whose maps all have one size" for name in NETWORKS},
    ("segmentation_models_pytorch.Linknet", "mit_b0"): "reads a map at stride 2, which mit_b0 lacks",
    ("segmentation_models_pytorch.UnetPlusPlus", "mit_b0"): "reads a map at stride 2, which mit_b0 lacks",
}
OFTEN = ("tu-test_convnext", "tu-test_vit")  # quick


def describe(network: str, encoder: str, context: str) -> dict[str, Any]:
    stride = 16 if network.endswith("DeepLabV3Plus") else 8  # it reads the strides 4 and 16
    return {
        "model": {"_target_": network, "encoder_name": encoder},
        "context": {**CONTEXTS[context], "stride": stride},
    }


def use(architecture: dict[str, Any], channels: int, folder: Path) -> Predictor:
    """Build a network, train it for two steps, save it, load it, and predict an image of an odd size."""
    torch.manual_seed(0)
    model = build_segmenter(architecture, CAMVID.num_classes, channels=channels).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    before = [parameter.clone() for parameter in model.parameters()]
    for _ in range(2):
        optimizer.zero_grad()
        logits = model(torch.rand(2, channels, 64, 96))
        F.cross_entropy(logits, torch.randint(CAMVID.num_classes, (2, 64, 96))).backward()
        optimizer.step()
    assert any((new != old).any() for new, old in zip(model.parameters(), before, strict=True))
    info = ModelInfo(architecture, CAMVID, Preprocessing((0.5,) * channels, (0.5,) * channels))
    predictor = Predictor(model.eval(), info)
    predictor.save(folder)
    loaded = Predictor(*load_trained(folder))
    image = np.random.default_rng(0).integers(0, 256, (45, 61, channels), np.uint8)
    mask = predictor.mask(image)
    assert mask.shape == (45, 61)
    assert torch.equal(loaded.mask(image), mask)
    return loaded


@pytest.mark.parametrize(
    ("network", "encoder"),
    [
        pytest.param(network, encoder, marks=pytest.mark.slow if encoder in OFTEN else pytest.mark.thorough)
        for network in NETWORKS
        for encoder in ENCODERS
    ],
)
def test_what_fits_works_and_what_does_not_is_refused(network: str, encoder: str, tmp_path: Path) -> None:
    if reason := UNFIT.get((network, encoder)):
        with pytest.raises(ConfigError, match=rf"model.encoder_name: .*{reason}"):
            build_segmenter(describe(network, encoder, "none"), CAMVID.num_classes)
        return
    use(describe(network, encoder, "renet_gru"), 4, tmp_path / "bundle")


@pytest.mark.thorough
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("context", CONTEXTS)
@pytest.mark.parametrize(
    ("network", "encoder"),
    [(network, encoder) for network in NETWORKS for encoder in ENCODERS if (network, encoder) not in UNFIT]
    + [("segrnn.models.FCN", encoder) for encoder in ENCODERS],
)
def test_every_network(network: str, encoder: str, context: str, channels: int, tmp_path: Path) -> None:
    predictor = use(describe(network, encoder, context), channels, tmp_path / "bundle")
    if (context, channels) == ("renet_gru", 4):
        exported = Exported(predictor.segmenter, None, argmax=False, channels=channels)
        assert export_onnx(exported, tmp_path / "model.onnx", None, {}) < 1e-4


@pytest.mark.parametrize("channels", [3, 4])
def test_a_plain_transformer_has_sweeps_over_its_tokens(channels: int, tmp_path: Path) -> None:
    architecture = describe("segrnn.models.FCN", "tu-test_vit", "renet_gru")
    architecture["model"]["stride"] = architecture["context"]["stride"] = 16
    use(architecture, channels, tmp_path / "bundle")


def test_maps_of_a_plain_transformer_are_its_tokens() -> None:
    encoder = PlainTransformer("test_vit").eval()
    image = torch.rand(2, 3, 160, 160)  # the size that its positions are for
    _, _, four, eight, tokens, coarse = encoder(image)
    expected = encoder.trunk.model.forward_intermediates(image, intermediates_only=True)[-1]
    assert torch.equal(tokens, expected)
    assert torch.equal(coarse, F.max_pool2d(expected, 2))
    assert [x.shape[-1] for x in (four, eight, tokens, coarse)] == [40, 20, 10, 5]


def test_a_patch_of_14_pixels_stands_for_16() -> None:
    encoder = PlainTransformer("eva02_tiny_patch14_224", finest=16).eval()
    image = torch.rand(1, 3, 64, 96)
    seen = F.interpolate(image, (56, 84), mode="bilinear", antialias=True)
    assert torch.equal(encoder(image)[4], encoder.trunk(seen)[-1])


@pytest.mark.parametrize("stride", [4, 8, 16])
def test_every_parameter_of_a_plain_transformer_learns(stride: int) -> None:
    model = FCN("tu-test_vit", classes=3, width=8, stride=stride)
    model(torch.rand(2, 3, 64, 64)).square().mean().backward()
    assert [name for name, parameter in model.named_parameters() if parameter.grad is None] == []


@pytest.mark.parametrize(
    ("encoder", "arguments", "message"),
    [
        ("tu-test_vit", {"stride": 2}, "the finest map of a plain transformer has stride 4, 8 or 16, got 2"),
        ("tu-test_vit", {"encoder_depth": 2}, "depth must be 3 to 5 for maps from stride 8 on, got 2"),
        ("tu-test_vit", {"output_stride": 8}, "tu-test_vit can't be dilated to output_stride=8: it is a plain"),
        ("tu-mixer_b16_224", {}, "tu-mixer_b16_224 takes images of one size only: choose a ViT"),
        ("tu-test_convnext", {"stride": 2}, r"no features at stride 2; it has \[1, 4, 8, 16, 32\]"),
    ],
)
def test_what_a_plain_transformer_lacks_is_said(encoder: str, arguments: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        FCN(encoder, classes=3, width=8, **arguments)
