"""Weights of kraken: what they compute here is compared with what kraken has computed, and damaged files are named."""

import importlib.util
import os
import re
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from kraken_files import META, SIZE, SPEC, field, layers, page, write
from PIL import Image
from torch import Tensor

import segrnn
from segrnn.dataset_tools import read_kraken
from segrnn.errors import CheckpointError, ConfigError
from segrnn.inference import Predictor, load_trained

HEATMAPS = np.load(Path(__file__).parent / "kraken_heatmaps.npz")  # kraken_reference.py has made it
CLASSES = ("background", "start separator", "end separator", "baseline default", "region text")


def weights_of_kraken() -> Path | None:
    """The weights in kraken's wheel, from an environment variable or from an installed kraken."""
    if "SEGRNN_KRAKEN" in os.environ:
        return Path(os.environ["SEGRNN_KRAKEN"])
    kraken = importlib.util.find_spec("kraken")
    return Path(kraken.origin).parent / "blla.mlmodel" if kraken and kraken.origin else None


NEEDS_KRAKEN = pytest.mark.skipif(
    weights_of_kraken() is None,
    reason="SEGRNN_KRAKEN=<path of blla.mlmodel> is not set, and kraken is not installed; its wheel has the file",
)


def logits(predictor: Predictor) -> Tensor:
    """The logits of the drawn page, as it is."""
    with torch.no_grad():
        return predictor.segmenter.coarse_logits(predictor.preprocessing.resize(page(), 1)[None])[0]


def heatmap(predictor: Predictor) -> np.ndarray:
    return logits(predictor)[1:].sigmoid().numpy()


@pytest.fixture
def small(tmp_path: Path) -> Path:
    return write(tmp_path / "small.mlmodel")


def test_a_small_file_computes_what_kraken_computes(small: Path) -> None:
    predictor = read_kraken(small)
    assert predictor.info.labels.class_names == CLASSES
    assert predictor.preprocessing.base_size == (48, 48)
    np.testing.assert_allclose(heatmap(predictor), HEATMAPS["small"], atol=1e-5)
    assert HEATMAPS["small"].std() > 0.1


@NEEDS_KRAKEN
def test_the_weights_of_kraken_compute_what_kraken_computes() -> None:
    path = weights_of_kraken()
    assert path is not None
    predictor = read_kraken(path)
    assert predictor.info.labels.class_names == CLASSES
    assert predictor.preprocessing.base_size == (1800, 1800)
    np.testing.assert_allclose(heatmap(predictor), HEATMAPS["blla"], atol=1e-4)


def test_background_is_where_no_heatmap_is_above_a_half(small: Path) -> None:
    found = logits(read_kraken(small))
    assert (found[0] == 0).all()
    strongest = np.concatenate([np.full((1, *HEATMAPS["small"].shape[1:]), 0.5), HEATMAPS["small"]]).argmax(axis=0)
    assert np.array_equal(found.argmax(dim=0).numpy(), strongest)
    assert 0 < (strongest == 0).mean() < 1


@pytest.mark.parametrize(
    ("kinds", "outputs"), [(["baselines"], [2]), (["regions", "aux"], [0, 1, 3]), (["aux", "baselines"], [0, 1, 2])]
)
def test_some_kinds_of_classes_are_kept(kinds: list[str], outputs: list[int], small: Path) -> None:
    predictor = read_kraken(small, kinds)
    assert predictor.info.labels.class_names == tuple(CLASSES[i] for i in (0, *(output + 1 for output in outputs)))
    np.testing.assert_allclose(heatmap(predictor), HEATMAPS["small"][outputs], atol=1e-5)


@pytest.mark.parametrize("kinds", [["lines"], ["regions", "lines"], []])
def test_another_kind_is_refused(kinds: list[str], small: Path) -> None:
    with pytest.raises(ConfigError, match=r"must name some of aux, baselines, regions; .*small.mlmodel has classes of"):
        read_kraken(small, kinds)


def test_a_kind_without_classes_is_refused(tmp_path: Path) -> None:
    meta = META | {"class_mapping": {"regions": {"a": 0, "b": 1, "c": 2, "also_c": 2, "d": 3}}}
    path = write(tmp_path / "x.mlmodel", meta=meta)
    assert read_kraken(path).info.labels.class_names[-2:] == ("region c or region also c", "region d")
    with pytest.raises(ConfigError, match=r"kinds=\['aux'\] must name some of .*: x|has classes of the kinds regions"):
        read_kraken(path, ["aux"])


def test_the_command_writes_a_bundle(run, small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("prepare", "import_kraken", f"file={small}", "output=bundle") == 0
    assert f"bundle: {', '.join(CLASSES)}" in capsys.readouterr().out
    predictor = segrnn.load("bundle")
    np.testing.assert_allclose(heatmap(predictor), HEATMAPS["small"], atol=1e-5)
    mask = predictor(page())
    assert mask.shape == SIZE
    assert set(np.unique(mask)) <= set(range(5))
    assert load_trained("bundle")[1].provenance["kraken"]["file"] == "small.mlmodel"

    assert run("prepare", "import_kraken", f"file={small}", "output=bundle") == 2
    assert "bundle" in capsys.readouterr().err
    assert run("prepare", "import_kraken", f"file={tmp_path / 'no.mlmodel'}", "output=other") == 2
    assert "no.mlmodel is not a file: file= needs a CoreML file of kraken" in capsys.readouterr().err
    assert run("prepare", "import_kraken", f"file={small}", "output=other", "kinds=[]") == 2
    assert not Path("other").exists()


def test_the_page_of_the_documentation_is_drawn(run, small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("prepare", "import_kraken", f"file={small}", "output=bundle") == 0
    script = Path(__file__).parents[2] / "scripts" / "draw_page.py"
    monkeypatch.setattr(sys, "argv", [str(script), "--ckpt", "bundle", "--output", "pictures/page.png"])
    runpy.run_path(str(script), run_name="__main__")
    with Image.open("pictures/page.png") as drawn:
        assert drawn.width > 900


def refused(path: Path) -> str:
    with pytest.raises(CheckpointError) as caught:
        read_kraken(path)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert re.search(r"Download it again$|Take kraken/blla.mlmodel of kraken's wheel, which fits$", message)
    return message


@pytest.mark.parametrize("share", [0.1, 0.5, 0.999])
def test_a_file_that_was_cut_short_is_damaged(share: float, small: Path) -> None:
    whole = small.read_bytes()
    small.write_bytes(whole[: int(share * len(whole))])
    assert "can't be read as a CoreML file (.mlmodel): it is damaged" in refused(small)


def test_another_format_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "picture.mlmodel"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    assert "it is damaged, or it has another format" in refused(path)


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "empty.mlmodel"
    path.touch()
    assert "is a model for an unknown task, but only one for segmentation" in refused(path)


@pytest.mark.parametrize(
    ("meta", "kind"),
    [
        ({"model_type": "recognition"}, "recognition"),
        ({"model_type": ["reading_order", "recognition"]}, "reading_order, recognition"),
        ({"model_type": None}, "None"),
        (None, "recognition"),  # from before kraken_meta
    ],
)
def test_a_model_for_recognition_is_refused(meta: dict | None, kind: str, tmp_path: Path) -> None:
    path = write(tmp_path / "x.mlmodel", "[1,120,0,1 Cr3,13,32 Do0.1,2 Mp2,2 Lbx200 O1c99]", meta, codec='{"a": [1]}')
    assert f"x.mlmodel is a model for {kind}, but only one for segmentation can be imported" in refused(path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[1,48,0,3", "[1,48,0,1", "the input is 1,48,0,1, but must be 1,<height>,0,3"),
        ("[1,48,0,3", "[1,0,48,3", "the input is 1,0,48,3, but must be 1,<height>,0,3"),
        (" Cr{C_4}3,3,16 ", " Cr{C_4}3,3,24 ", "layer 5 is Cr3,3,24, but must be Cr3,3,16"),
        ("7,7,8,2,2", "5,5,8,2,2", "layer 1 is Cr5,5,8,2,2, but must be Cr7,7,64,2,2"),
        ("Lby{L_11}4", "Lbx{L_11}4", "layer 12 is Lbx4, but must be Lby4"),
        ("Lbx{L_15}4 ", "", "layer 16 is nothing, but must be Lbx4"),
        ("O{l_16}2l4", "Lbx{L_16}4 O{l_17}2l4", "layer 17 is Lbx4, but must be nothing"),
        ("O{l_16}2l4", "O{l_16}1c4", "layer 17 is O1c4, but must be nothing"),
        (" O{l_16}2l4", "", "it lacks its last layer, O2l<classes>"),
        (SPEC, "[]", "the input is missing, but must be 1,<height>,0,3"),
    ],
)
def test_another_architecture_names_the_layer(old: str, new: str, message: str, tmp_path: Path) -> None:
    path = write(tmp_path / "x.mlmodel", SPEC.replace(old, new))
    assert f"x.mlmodel has another architecture than BLLA: {message}" in refused(path)


def test_a_network_that_can_not_be_built_says_why(tmp_path: Path) -> None:
    path = write(tmp_path / "x.mlmodel", re.sub(r"(Gn\{\w+\})4", r"\g<1>5", SPEC))
    assert "model: width must be a multiple of groups=5, got 8" in refused(path)


@pytest.mark.parametrize(
    ("meta", "message"),
    [
        ([1], "kraken_meta is [1], not an object"),
        (META | {"class_mapping": None}, "class_mapping is None, but must give each class"),
        ({"model_type": "segmentation"}, "class_mapping is None, but must give each class"),
        (META | {"class_mapping": {"regions": {"text": [0]}}}, "class_mapping is {'regions': {'text': [0]}}, but"),
        (
            META | {"class_mapping": {"regions": {"text": 0}}},
            "class_mapping names the outputs [0], but the network has 4",
        ),
    ],
)
def test_a_damaged_description_is_named(meta: object, message: str, tmp_path: Path) -> None:
    assert f"x.mlmodel is damaged: {message}" in refused(write(tmp_path / "x.mlmodel", meta=meta))


def test_a_description_that_is_not_json_is_damaged(small: Path) -> None:
    small.write_bytes(small.read_bytes().replace(b'{"model_type"', b'<"model_type"'))
    assert "small.mlmodel is damaged: kraken_meta is not JSON" in refused(small)


def test_layers_that_do_not_fit_are_named(tmp_path: Path) -> None:
    whole, path = layers(), tmp_path / "x.mlmodel"
    write(path, content=whole[:-1])
    assert "it has 16 layers with weights, but its description has 17" in refused(path)
    write(path, content=[whole[2], whole[1], whole[0], *whole[3:]])
    message = refused(path)
    assert "layer Gn_1 is a groupnorm with arrays of [8, 8] numbers" in message
    assert "its description needs a convolution with [1176, 8]" in message
    write(path, content=[*whole[:-1], field(1, "l_16_conv") + field(100, field(90, field(1, bytes(16))))])
    assert "layer l_16_conv is a convolution with arrays of [4, 0] numbers" in refused(path)
