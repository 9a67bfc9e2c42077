import os
import sys
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch
from export_networks import CONTEXTS, EACH, Factory, make, make_blla, make_small, share_of_context
from real_frames import REAL_CAMVID
from torch import Tensor, nn

from segrnn.context import SCNN, AxialAttention, AxialDecay, FourDirectionIRNN, ReNet, Sweep
from segrnn.errors import ExportError, OutputError
from segrnn.export import Exported, OnnxModel, describe, export_onnx
from segrnn.export import onnx as module
from segrnn.images import Preprocessing, read_image
from segrnn.images.preprocessing import to_tensor
from segrnn.labels import CAMVID

SIZE = (40, 51)
MORE: dict[str, Factory] = {
    "mingru": partial(ReNet, hidden=8, cell="mingru"),
    "minlstm": partial(ReNet, hidden=8, cell="minlstm"),
    "irnn": partial(ReNet, hidden=8, cell="irnn"),
    "four_directions": partial(FourDirectionIRNN, hidden=8),
    "patches": partial(ReNet, hidden=8, patch=3),
    "forward": lambda channels: Sweep(channels, channels, axis=3, directions="forward"),
    "backward": lambda channels: Sweep(channels, channels, axis=2, cell="lstm", directions="backward"),
    "summed": lambda channels: Sweep(channels, channels, axis=2, merge="sum"),
    "axial_attention": partial(AxialAttention, hidden=8),
    "axial_decay_fixed": partial(AxialDecay, hidden=8, keys=4, gates="fixed"),
}
OTHERS = ("renet_lstm", "pyramid_pooling", "lateral_sweep", "axial_decay", "axial_decay_fixed")
STEPWISE: dict[str, Factory] = {"scnn": partial(SCNN, hidden=8, kernel=3)}


def run(path: Path, image: Tensor) -> Tensor:
    return torch.from_numpy(OnnxModel(path)(image.numpy()))


def operators(path: Path) -> list[str]:
    import onnx

    return [node.op_type for node in onnx.load(path).graph.node]


@pytest.mark.parametrize(
    "context",
    [
        pytest.param("renet_gru", marks=pytest.mark.slow),
        *(pytest.param(name, marks=pytest.mark.thorough) for name in OTHERS),
    ],
)
def test_a_file_for_any_size_computes_the_same(context: str, tmp_path: Path) -> None:
    model = make_small((CONTEXTS | MORE)[context])
    assert share_of_context(model) > 0.1
    path = tmp_path / "model.onnx"
    assert export_onnx(Exported(model, None, argmax=False), path, None, {}) < 1e-5

    for size in ((1, 8, 8), (1, 1, 1), (3, 123, 57), (1, 64, 200)):  # neither traced nor checked, with maps of one line
        image = torch.randn(size[0], 3, *size[1:])
        with torch.no_grad():
            torch.testing.assert_close(run(path, image), model(image), atol=1e-4, rtol=1e-4)
    if context.startswith("renet"):
        assert {"GRU", "LSTM", "RNN"} & set(operators(path))
        assert len(operators(path)) < 120  # nothing is unrolled


@pytest.mark.thorough
@pytest.mark.parametrize("context", MORE)
def test_other_contexts_compute_the_same_at_any_size(context: str, tmp_path: Path) -> None:
    model = make_small(MORE[context])
    assert share_of_context(model) > 0.1
    assert export_onnx(Exported(model, None, argmax=False), tmp_path / "model.onnx", None, {}) < 1e-5


@pytest.mark.parametrize(("network", "context"), EACH)
def test_real_networks_compute_the_same_at_any_size(network: str, context: str, tmp_path: Path) -> None:
    model = make(network, CONTEXTS[context])
    assert share_of_context(model) > 0.1
    exported = Exported(model, Preprocessing((0.4, 0.5, 0.6), (0.2, 0.3, 0.25)), argmax=False)
    assert export_onnx(exported, tmp_path / "model.onnx", None, {}) < 1e-4

    for frame in sorted((REAL_CAMVID / "val").glob("*.png"))[::50]:  # where there are any
        image = to_tensor(read_image(frame))[None]
        with torch.no_grad():
            logits = exported(image)
        best = logits.topk(2, dim=1).values
        clear = best[:, 0] - best[:, 1] > 1e-3 * max(1, float(logits.abs().max()))
        labels = run(tmp_path / "model.onnx", image).argmax(dim=1)
        assert clear.float().mean() > 0.95
        assert torch.equal(labels[clear], logits.argmax(dim=1)[clear])


@pytest.mark.thorough
def test_blla_computes_the_same_at_any_size(tmp_path: Path) -> None:
    exported, path = Exported(make_blla(), Preprocessing((0.0,) * 3, (1.0,) * 3), argmax=False), tmp_path / "model.onnx"
    assert export_onnx(exported, path, None, {}) < 1e-4
    for size in ((1, 1, 1), (1, 3, 70), (3, 123, 57)):
        pixels = torch.randint(0, 200, (size[0], 3, *size[1:]), dtype=torch.uint8)
        with torch.no_grad():
            torch.testing.assert_close(run(path, pixels), exported(pixels), atol=1e-4, rtol=1e-4)
    assert operators(path).count("LSTM") == 4


@pytest.mark.thorough
@pytest.mark.parametrize("context", STEPWISE)
def test_contexts_that_are_written_step_by_step_have_one_size(context: str, tmp_path: Path) -> None:
    exported = Exported(make_small(STEPWISE[context]), None, argmax=False)
    with pytest.raises(ExportError, match=r"export it for one fixed size with size=\[H,W\]"):
        export_onnx(exported, tmp_path / "model.onnx", None, {})
    assert not list(tmp_path.iterdir())
    assert export_onnx(exported, tmp_path / "model.onnx", SIZE, {}) < 1e-5


def test_a_file_of_one_size_takes_pixels_gives_labels_and_says_so(tmp_path: Path, capfd: Any) -> None:
    preprocessing = Preprocessing((0.4, 0.5, 0.6), (0.2, 0.3, 0.25), scale=0.5, base_size=(10, 20))
    exported = Exported(make_small(CONTEXTS["renet_gru"]), preprocessing, argmax=True)
    path = tmp_path / "deep" / "model.onnx"
    assert export_onnx(exported, path, SIZE, describe(CAMVID, preprocessing)) < 0.01
    assert os.listdir(path.parent) == ["model.onnx"]  # weights and all
    assert capfd.readouterr() == ("", "")

    image = exported.draw_input(1, SIZE, seed=5)
    labels = run(path, image)
    assert labels.dtype == torch.uint8
    assert labels.shape == (1, *SIZE)
    assert (labels == exported(image)).float().mean() > 0.99
    assert len(labels.unique()) > 1
    metadata = OnnxModel(path).metadata
    assert metadata["classes"].startswith('["sky", "building"')
    assert metadata["mean"] == "[0.4, 0.5, 0.6]"
    assert {key: metadata[key] for key in ("input", "output", "size", "scale", "base_size")} == {
        "input": "pixels",
        "output": "labels",
        "size": "[40, 51]",
        "scale": "0.5",
        "base_size": "[10, 20]",
    }
    with pytest.raises(ExportError, match=r"model.onnx can't be run: .*invalid dimensions"):
        run(path, exported.draw_input(1, (48, 51), seed=5))


@pytest.mark.parametrize(
    ("fault", "argmax"),
    [
        ("weight", False),
        pytest.param("shape", True, marks=pytest.mark.slow),
        *(
            pytest.param(*each, marks=pytest.mark.thorough)
            for each in product(("reset before the product", "weight", "shape"), (False, True))
            if each not in (("weight", False), ("shape", True))
        ),
    ],
)
def test_a_file_that_computes_something_else_is_never_there(
    fault: str, argmax: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    convert = module._convert

    def broken(exported: Exported, size: tuple[int, int] | None) -> Any:
        from onnx_ir import AttrInt64, tensor

        converted = convert(exported, size)
        graph = converted.model.graph
        if fault == "reset before the product":
            gru = next(node for node in graph if node.op_type == "GRU")
            gru.attributes["linear_before_reset"] = AttrInt64("linear_before_reset", 0)
        elif fault == "weight":
            weight = graph.initializers["model.head.0.weight"]
            values = weight.const_value.numpy().copy()
            values[0] += 1
            weight.const_value = tensor(values)
        else:
            graph.outputs[0] = graph.inputs[0]
        return converted

    monkeypatch.setattr(module, "_convert", broken)
    exported = Exported(make_small(CONTEXTS["renet_gru"]), None, argmax)
    with pytest.raises(ExportError, match="the exported file") as caught:
        export_onnx(exported, tmp_path / "model.onnx", SIZE, {})
    wrong = {"shape": "returns the shape"}.get(
        fault, "pixels another label" if argmax else "logits differ from the network's by"
    )
    assert wrong in str(caught.value)
    assert "at 40 x 51" in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_a_network_that_cant_be_traced_is_refused(tmp_path: Path) -> None:
    class Fickle(nn.Module):
        def forward(self, image: Tensor) -> Tensor:
            return image if image.sum() > 0 else -image

    with pytest.raises(ExportError, match="can't be exported for images of 40 x 51") as caught:
        export_onnx(Exported(Fickle(), None, argmax=False), tmp_path / "model.onnx", SIZE, {})
    assert "Traceback" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cant_be_written_to_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    exported = Exported(make_small(CONTEXTS["renet_gru"]), None, argmax=False)
    with pytest.raises(OutputError, match=r"file/model.onnx can't be written"):
        export_onnx(exported, tmp_path / "file" / "model.onnx", SIZE, {})


@pytest.mark.parametrize("package", ["onnx", "onnxscript", "onnxruntime"])
def test_a_missing_package_is_named(package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    exported = Exported(make_small(CONTEXTS["renet_gru"]), None, argmax=False)
    with pytest.raises(ExportError, match=rf'{package} can\'t be imported.*pip install "segrnn\[export\]"'):
        export_onnx(exported, tmp_path / "model.onnx", SIZE, {})


def test_a_network_beyond_an_onnx_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LARGEST", 1000)
    exported = Exported(make_small(CONTEXTS["renet_gru"]), None, argmax=False)
    with pytest.raises(ExportError, match="2 GiB"):
        export_onnx(exported, tmp_path / "model.onnx", SIZE, {})


def test_a_file_that_is_no_network_is_named(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_text("no network")
    with pytest.raises(ExportError, match=r"model.onnx can't be loaded"):
        OnnxModel(tmp_path / "model.onnx")
