"""Weights that other libraries have saved are recognised, and those of segmentation_models_pytorch are used."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import segmentation_models_pytorch as smp
import torch
import torchvision
from conftest import SMALL, Run, Web
from huggingface_hub import snapshot_download
from safetensors.torch import save_file
from torch import nn

import segrnn
from segrnn.config.composition import compose
from segrnn.config.model import build_untrained
from segrnn.config.parsing import plain
from segrnn.config.schema import Train
from segrnn.errors import CheckpointError
from segrnn.inference.foreign import HubModel, recognise
from segrnn.inference.trained import read_weights
from segrnn.models import load_weights
from segrnn.models.architecture import MODEL_TARGETS

NAMES = [target.rpartition(".")[2] for target in MODEL_TARGETS if target.startswith("segmentation_models")]
GRU = ["context=renet_gru", "context.hidden=4"]


def unet(classes: int = 11, channels: int = 3) -> smp.Unet:
    torch.manual_seed(0)
    return smp.Unet("tu-test_resnet", encoder_weights=None, classes=classes, in_channels=channels).eval()


def composed(model: nn.Module, *overrides: str, channels: int = 3) -> nn.Module:
    """Build the network that the overrides describe, fill it with a model's saved weights, and leave its context."""
    mean = f"[{','.join(['0.5'] * channels)}]"
    config = compose(Train, ["encoder.weights=null", f"encoder.mean={mean}", f"encoder.std={mean}", *overrides])
    segmenter, _ = build_untrained(config, 11)
    load_weights(segmenter, recognise(model.state_dict()).weights, skip=["context"])
    return segmenter.eval()


WRAPPED: dict[str, Callable[[dict[str, torch.Tensor]], Any]] = {
    "bare": lambda state: state,
    "parallel": lambda state: {f"module.{name}": tensor for name, tensor in state.items()},
    "Lightning": lambda state: {"epoch": 1, "state_dict": {f"model.{name}": state[name] for name in state}},
    "compiled": lambda state: {"model": {f"_orig_mod.{name}": state[name] for name in state}, "step": 3},
}


@pytest.mark.parametrize("wrap", WRAPPED.values(), ids=WRAPPED.keys())
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_state_dict_of_smp_is_read(
    wrap: Callable[[dict[str, torch.Tensor]], Any], suffix: str, tmp_path: Path
) -> None:
    model = unet()
    path, content = tmp_path / f"unet{suffix}", wrap(model.state_dict())
    if suffix == ".pth":
        torch.save(content, path)
    else:
        save_file(next((value for value in content.values() if isinstance(value, dict)), content), path)
    start = read_weights(path)
    assert start.labels is None
    head = start.weights["head.0.weight"]
    assert torch.equal(head, model.segmentation_head[0].weight)
    assert len(start.weights) == len(model.state_dict())


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_a_context_in_a_saved_model_changes_nothing_at_first(channels: int) -> None:
    model, image = unet(channels=channels), torch.rand(2, channels, 64, 96)
    segmenter = composed(
        model, "model=unet", "encoder.name=tu-test_resnet", *GRU, f"data.channels={channels}", channels=channels
    )
    assert len(segmenter.context) == 1
    assert torch.equal(segmenter(image), model(image))


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_the_overrides_for_a_hub_model_describe_it(name: str, tmp_path: Path) -> None:
    """They are followed, and the network then computes the same as the model, to the bit."""
    torch.manual_seed(0)
    model = getattr(smp, name)("tu-test_resnet", encoder_weights=None, classes=11).eval()
    model.save_pretrained(tmp_path)
    hub = HubModel.read(json.loads((tmp_path / "config.json").read_text()))
    assert hub is not None
    choice = [f"model={name.lower()}"]
    overrides = choice + hub.overrides_for(plain(compose(Train, choice))["model"], channels=3)
    assert "encoder.name=tu-test_resnet" in overrides
    assert hub.overrides_for(plain(compose(Train, overrides))["model"], channels=3) == []
    stride = "context.stride=16" if name == "DeepLabV3Plus" else "context.stride=8"
    image = torch.rand(1, 3, 128, 192)
    assert torch.equal(composed(model, *overrides, *GRU, stride)(image), model(image))


def test_what_changes_no_tensor_is_compared_too() -> None:
    """With another output stride, the same tensors would give other masks."""
    hub = HubModel.read({"_model_class": "DeepLabV3Plus", "encoder_name": "tu-test_resnet", "encoder_output_stride": 8})
    assert hub is not None
    model = {"_target_": hub.target, "encoder_name": "tu-test_resnet"}
    assert hub.overrides_for(model, channels=3) == ["++model.encoder_output_stride=8"]
    assert hub.overrides_for({**model, "encoder_output_stride": 8}, channels=1) == ["data.channels=3"]


def test_what_a_model_hands_on_to_its_encoder_is_compared_too() -> None:
    hub = HubModel.read({"_model_class": "Unet", "encoder_name": "tu-test_resnet", "drop_path_rate": 0.2})
    assert hub is not None
    model = {"_target_": hub.target, "encoder_name": "tu-test_resnet"}
    assert hub.overrides_for(model, channels=3) == ["++model.drop_path_rate=0.2"]


def test_a_hub_is_asked_and_a_context_put_into_its_model(
    web: Web, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    model = smp.Segformer("mit_b0", encoder_weights=None, classes=11, decoder_segmentation_channels=32).eval()
    model.save_pretrained(tmp_path / "saved")
    serve_hub(web, "smp-hub/roads", tmp_path / "saved")
    ask = partial(snapshot_download, endpoint=web.url, cache_dir=tmp_path / "cache")
    monkeypatch.setattr("segrnn.inference.bundle.snapshot_download", ask)
    start = read_weights(segrnn.inference.locate("hf://smp-hub/roads"))
    assert start.hub is not None
    choice = ["model=segformer"]
    overrides = choice + start.hub.overrides_for(plain(compose(Train, choice))["model"], channels=3)
    assert overrides[1:] == ["encoder.name=mit_b0", "++model.decoder_segmentation_channels=32"]
    image = torch.rand(1, 3, 64, 96)
    assert torch.equal(composed(model, *overrides, *GRU)(image), model(image))
    with pytest.raises(CheckpointError, match="which does not say what its classes are and how its images are norm"):
        segrnn.load("hf://smp-hub/roads")


def serve_hub(web: Web, name: str, folder: Path) -> None:
    """Answer as the Hugging Face hub does about one model."""
    commit, files = "0" * 40, {path.name: path.read_bytes() for path in folder.iterdir()}
    about = {"id": name, "sha": commit, "siblings": [{"rfilename": file} for file in files]}
    web.headers["X-Repo-Commit"] = commit
    web.files[f"/api/models/{name}/revision/main"] = json.dumps(about).encode()
    tree = [{"type": "file", "path": file, "size": len(files[file]), "oid": file} for file in files]
    web.files[f"/api/models/{name}/tree/{commit}?recursive=true&expand=false"] = json.dumps(tree).encode()
    for file, content in files.items():
        web.files[f"/{name}/resolve/{commit}/{file}"] = content
        web.tags[f"/{name}/resolve/{commit}/{file}"] = f'"{file}"'


FOREIGN: dict[str, tuple[Callable[[], Any], str]] = {
    "torchvision": (
        lambda: torchvision.models.segmentation.lraspp_mobilenet_v3_large(weights_backbone=None).state_dict(),
        "it is the weights of a segmentation model of torchvision, which segrnn does not have",
    ),
    "encoder": (
        lambda: smp.encoders.get_encoder("tu-test_resnet", weights=None).state_dict(),
        "it is a state dict of another network, with tensors such as conv1.0.weight",
    ),
    "no tensors": (lambda: {"epoch": 3, "best": 0.5}, "it is a file without tensors, with the keys epoch, best"),
    "list": (lambda: [1, 2], "it is a file without tensors"),
}


@pytest.mark.parametrize(("content", "message"), FOREIGN.values(), ids=FOREIGN.keys())
def test_other_files_are_told_what_they_are(content: Callable[[], Any], message: str, tmp_path: Path) -> None:
    torch.save(content(), tmp_path / "file.pth")
    with pytest.raises(CheckpointError, match=f"file.pth can't be loaded: {message}"):
        read_weights(tmp_path / "file.pth")
    with pytest.raises(
        CheckpointError, match=f"it is not a checkpoint of segrnn, but {message.removeprefix('it is ')}"
    ):
        segrnn.load(tmp_path / "file.pth")


@pytest.mark.parametrize("page", [b"<!DOCTYPE html><title>Sign in</title>", b"\n  <html>"])
@pytest.mark.parametrize("name", ["best.ckpt", "model.safetensors"])
def test_a_web_page_is_told_apart(page: bytes, name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(page)
    with pytest.raises(CheckpointError, match=rf"{name} \(\d+ bytes\) is a web page in place of weights"):
        read_weights(tmp_path / name)


def test_a_hub_model_that_is_not_here(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"_model_class": "DPT"}')
    with pytest.raises(CheckpointError, match="it holds a DPT of segmentation_models_pytorch; segrnn has DeepLabV3, "):
        read_weights(tmp_path)


@pytest.mark.slow
def test_a_training_starts_from_them(run: Run, camvid: Path, capsys: pytest.CaptureFixture[str]) -> None:
    common = [key for key in SMALL if not key.startswith(("model.", "context."))]
    small = [*common, "data=camvid", f"data.root={camvid}", "model=unet", "encoder.name=tu-test_resnet"]
    torch.save(unet().state_dict(), "unet.pth")
    assert run("train", *small, "weights=unet.pth", *GRU) == 0
    assert "weights=unet.pth do not name their classes: they are taken to be sky, building" in capsys.readouterr().out
    torch.save(unet(classes=2).state_dict(), "two.pth")
    assert run("train", *small, "weights=two.pth") == 2
    assert "weights=two.pth are for 2 classes, and the data has 11: load_head=false" in capsys.readouterr().err
    assert run("train", *small, "weights=two.pth", "load_head=false") == 0
    unet().save_pretrained("hub")
    assert run("train", *small, "weights=hub", "encoder.name=resnet34", "model=fpn") == 2
    error = capsys.readouterr().err
    assert "weights=hub are of another network: add model=unet encoder.name=tu-test_resnet\n" in error
    assert run("train", *small, "weights=hub", *GRU) == 0
    assert run("predict", "ckpt=unet.pth", f"input={camvid}/val", "output=masks") == 2
    assert "weights=unet.pth starts a training from them" in capsys.readouterr().err
