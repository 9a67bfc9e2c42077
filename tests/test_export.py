"""The export command, in a fresh folder."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import SMALL, Run
from PIL import Image

import segrnn
from segrnn.export import OnnxModel, label

SCRIPT = Path(__file__).parent.parent / "segrnn/export/space/predict_onnx.py"


@pytest.fixture
def trained(run: Run, camvid: Path, capsys) -> str:
    network = ["encoder=resnet18", "model.encoder_depth=3"]
    assert run("train", *SMALL, *network, "data=camvid", f"data.root={camvid}", "hydra.run.dir=trained") == 0
    capsys.readouterr()
    return "ckpt=trained/checkpoints/last.ckpt"


def test_a_bundle_of_a_checkpoint(run: Run, trained: str, capsys) -> None:
    assert run("export", trained, "output=out/bundle") == 0
    assert "bundle                  out/bundle" in capsys.readouterr().out
    checkpoint, bundle = segrnn.load("trained/checkpoints/last.ckpt"), segrnn.load("out/bundle")
    image = torch.rand(1, 3, 30, 41)
    assert torch.equal(checkpoint.segmenter(image), bundle.segmenter(image))
    assert bundle.info.provenance["step"] == 3
    assert list(bundle.info.scores) == ["mIoU on val"]
    assert bundle.info.to_dict() == checkpoint.info.to_dict()


@pytest.mark.thorough
def test_an_onnx_file_of_one_size_and_its_bundle(run: Run, trained: str, capsys) -> None:
    assert run("export", trained, "format=onnx", "output=model.onnx", "size=[40,56]", "argmax=true") == 0
    printed = capsys.readouterr().out
    assert "compared with the network on two inputs: share of pixels that differ" in printed
    assert "onnx                    model.onnx" in printed
    model, pixels = segrnn.load("model"), np.random.default_rng(0).integers(0, 256, (40, 56, 3), np.uint8)
    mask = label(OnnxModel(Path("model.onnx")), model.info.preprocessing, pixels)
    assert (mask.numpy() == model(pixels)).mean() > 0.99
    assert run("export", trained, "format=onnx", "output=model.onnx") == 2
    assert "model.onnx exists already" in capsys.readouterr().err


@pytest.mark.slow
def test_an_onnx_file_of_any_size_its_8_bit_twin_and_the_script(run: Run, trained: str, camvid: Path, capsys) -> None:
    assert run("export", trained, "format=onnx", "output=model.onnx", "int8=true", "max_images=3") == 0
    printed = capsys.readouterr().out
    assert "on 3 images of val" in printed
    assert re.search(r"8-bit weights cost [-\d.]+ points, and change the class of [\d.]+ % of pixels", printed)
    assert "int8 ONNX               model.int8.onnx" in printed
    model = segrnn.load("model")
    for path in sorted((camvid / "val").iterdir()):
        ask = [sys.executable, str(SCRIPT), "model.onnx", str(path), "mask.png"]
        subprocess.run(ask, check=True)
        with Image.open("mask.png") as mask:
            assert (np.asarray(mask) == model(path)).mean() > 0.99  # but for ties


@pytest.mark.slow
def test_a_file_of_torch_export(run: Run, trained: str, capsys) -> None:
    ask = ("export", trained, "format=torch_export", "output=model.pt2", "size=[40,56]", "normalize=false")
    assert run(*ask) == 0
    module = torch.export.load("model.pt2").module()
    image = torch.rand(1, 3, 40, 56)
    torch.testing.assert_close(module(image), segrnn.load("trained/checkpoints/last.ckpt").segmenter(image))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["output=x", "format=onxx"],
            "format=onxx must be one of bundle, onnx, torch_export, web, space (did you mean onnx?)",
        ),
        (["output=x", "format=onnx"], "output=x: format=onnx needs a file name that ends in .onnx"),
        (["output=x.onnx", "format=torch_export"], "needs a file name that ends in .pt2"),
        (["output=x", "int8=true"], "int8=true works with format=onnx and format=web only, not with bundle"),
        (["output=x", "size=[40]"], "size=[40] must be a list of 2 numbers"),
        (["output=here"], "here exists already and would be overwritten"),
        (["output=x", "ckpt=missing"], "missing does not exist"),
        ([], "output needs a value: add output=<value>"),
    ],
)
def test_mistakes_end_in_one_message(run: Run, arguments: list[str], message: str, capsys) -> None:
    Path("here").mkdir()
    assert run("export", "ckpt=none.ckpt", *arguments) == 2
    assert message in capsys.readouterr().err
    assert sorted(path.name for path in Path().iterdir()) == ["here"]
