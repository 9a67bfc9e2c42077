"""Networks that ONNX Runtime computes for a predictor, from files that are kept and from files that were exported."""

import sys
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from export_networks import CONTEXTS, make_small

from segrnn.context import SCNN
from segrnn.errors import ExportError
from segrnn.export import Exported, as_onnx, describe, export_onnx, load_onnx, prediction
from segrnn.images import Preprocessing
from segrnn.inference import ModelInfo, Predictor, Windows
from segrnn.labels import Label, LabelSpace
from segrnn.models import Segmenter

LABELS = LabelSpace("toy", [Label(f"class {i}", 10 + i, i, (40 * i, 9, 255 - 40 * i)) for i in range(5)])
PLAIN = Preprocessing((0.4, 0.5, 0.6), (0.2, 0.3, 0.25))


def picture(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(height).integers(0, 256, (height, width, 3), np.uint8)


INFO = ModelInfo({}, LABELS, PLAIN)


def saved(folder: Path, factor: float = 1.0) -> Segmenter:
    model = make_small(CONTEXTS["renet_gru"]).eval()
    with torch.no_grad():
        next(model.head.parameters()).mul_(factor)
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(model.state_dict(), folder / "best.ckpt")
    return model


@pytest.mark.slow
def test_a_file_is_written_once_and_taken_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, said = saved(tmp_path), []
    pixels = picture(61, 90)
    mask = Predictor(as_onnx(model, PLAIN, tmp_path / "best.ckpt", said.append), INFO).mask(pixels)
    assert (mask == Predictor(model, INFO).mask(pixels)).float().mean() > 0.999  # but for ties
    (kept,) = tmp_path.glob("best.*.onnx")
    assert said == [f"exporting the network for ONNX Runtime; the file is kept for the next time: {kept}"]
    monkeypatch.setattr(prediction, "export_onnx", None)  # not called again
    again = as_onnx(model, PLAIN, tmp_path / "best.ckpt", said.append)
    assert torch.equal(Predictor(again, INFO).mask(pixels), mask)
    assert len(said) == 1
    windows = Predictor(again, INFO, scales=(0.5, 1), flip=True, windows=Windows((40, 50)))
    plain = Predictor(model, INFO, scales=(0.5, 1), flip=True, windows=Windows((40, 50)))
    assert (windows.mask(pixels) == plain.mask(pixels)).float().mean() > 0.999


@pytest.mark.thorough
@pytest.mark.parametrize(
    "harm",
    ["damaged", "of another network"],
)
def test_a_kept_file_that_is_wrong_is_written_again(harm: str, tmp_path: Path) -> None:
    model, said = saved(tmp_path), []
    as_onnx(model, PLAIN, tmp_path / "best.ckpt", said.append)
    (kept,) = tmp_path.glob("best.*.onnx")
    if harm == "damaged":
        kept.write_bytes(kept.read_bytes()[:1000])
    else:
        other = saved(tmp_path / "other", factor=1.1)
        as_onnx(other, PLAIN, tmp_path / "other" / "best.ckpt", said.append)
        next((tmp_path / "other").glob("*.onnx")).replace(kept)
    said.clear()
    network = as_onnx(model, PLAIN, tmp_path / "best.ckpt", said.append)
    assert "the file is written again" in said[0]
    pixels = picture(50, 41)
    assert (Predictor(network, INFO).mask(pixels) == Predictor(model, INFO).mask(pixels)).float().mean() > 0.999


@pytest.mark.thorough
def test_a_folder_that_can_not_be_written_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, said = saved(tmp_path), []
    original = prediction.export_onnx

    def refuse(exported: Exported, path: Path, *arguments: object) -> float:
        if path.parent == tmp_path:
            raise prediction.OutputError(f"{path} can't be written: Read-only file system")
        return original(exported, path, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(prediction, "export_onnx", refuse)
    network = as_onnx(model, PLAIN, tmp_path / "best.ckpt", said.append)
    assert said[1].endswith("Read-only file system; the export is not kept")
    assert not list(tmp_path.glob("*.onnx"))
    pixels = picture(50, 41)
    assert (Predictor(network, INFO).mask(pixels) == Predictor(model, INFO).mask(pixels)).float().mean() > 0.999


@pytest.mark.thorough
def test_what_onnx_can_not_express_at_any_size_is_refused(tmp_path: Path) -> None:
    saved(tmp_path)
    model = make_small(partial(SCNN, hidden=8, kernel=3)).eval()
    with pytest.raises(ExportError, match=r"runtime=torch"):
        as_onnx(model, PLAIN, tmp_path / "best.ckpt", print)
    assert [path.name for path in tmp_path.iterdir()] == ["best.ckpt"]


def test_without_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = saved(tmp_path)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)  # importing it fails
    with pytest.raises(ExportError, match=r'pip install "segrnn\[export\]"'):
        as_onnx(model, PLAIN, tmp_path / "best.ckpt", print)


@pytest.mark.thorough
@pytest.mark.parametrize("inside", [True, False])
def test_an_exported_file_is_a_network(inside: bool, tmp_path: Path) -> None:
    model = saved(tmp_path)
    preprocessing = Preprocessing(PLAIN.mean, PLAIN.std, scale=0.75)
    exported = Exported(model, preprocessing if inside else None, argmax=False)
    export_onnx(exported, tmp_path / "model.onnx", None, describe(LABELS, preprocessing))
    network, info = load_onnx(tmp_path / "model.onnx")
    assert info.labels.to_dict() == LABELS.to_dict()
    assert info.preprocessing == preprocessing
    pixels = picture(61, 90)
    assert (Predictor(network, info).mask(pixels) == Predictor(model, info).mask(pixels)).float().mean() > 0.999


def described(path: Path, copy: Path, **changes: str | None) -> None:
    """A copy of an exported file with other metadata; None leaves a key out."""
    graph = onnx.load(path)
    facts = {each.key: each.value for each in graph.metadata_props} | changes
    del graph.metadata_props[:]
    onnx.helper.set_model_props(graph, {key: value for key, value in facts.items() if value is not None})
    onnx.save(graph, copy)


def test_exported_files_that_do_not_fit(tmp_path: Path) -> None:
    model, path = saved(tmp_path), tmp_path / "model.onnx"
    with pytest.raises(ExportError, match=r"model.onnx does not exist"):
        load_onnx(path)
    path.write_bytes(b"no graph")
    with pytest.raises(ExportError, match=r"model.onnx can't be loaded"):
        load_onnx(path)
    export_onnx(Exported(model, PLAIN, argmax=False), path, (40, 51), describe(LABELS, PLAIN))
    described(path, tmp_path / "labels.onnx", output="labels")
    with pytest.raises(
        ExportError, match=r"returns labels, but prediction needs logits: export the network with argmax=false"
    ):
        load_onnx(tmp_path / "labels.onnx")
    described(path, tmp_path / "bare.onnx", labels=None)
    with pytest.raises(ExportError, match=r"does not contain its classes and preprocessing"):
        load_onnx(tmp_path / "bare.onnx")
    with pytest.raises(
        ExportError, match=r"takes only images of 40 x 51, but this image is 41 x 60: .* windows.size=\[40,51\]"
    ):
        Predictor(*load_onnx(path)).mask(picture(41, 60))
    mask = Predictor(*load_onnx(path), windows=Windows((40, 51))).mask(picture(41, 60))
    plain = Predictor(model, INFO, windows=Windows((40, 51))).mask(picture(41, 60))
    assert (mask == plain).float().mean() > 0.999
