"""Commands that take several networks: ensembles, and the mean of weights."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import Run
from PIL import Image

import segrnn
from segrnn.images import Preprocessing
from segrnn.inference import ModelInfo, Predictor, load_average, load_ensemble
from segrnn.labels import CAMVID, LabelSpace
from segrnn.models.architecture import build_segmenter


def write(name: str, seed: int, labels: LabelSpace = CAMVID, scale: float = 1.0, width: int = 8) -> None:
    """A bundle with weights of its own."""
    model = {"_target_": "segrnn.models.FCN", "_partial_": True, "encoder_name": "tu-test_resnet", "encoder_depth": 3}
    architecture = {"model": {**model, "width": width}, "context": {"_target_": None, "stride": 8}}
    torch.manual_seed(seed)
    segmenter = build_segmenter(architecture, labels.num_classes)
    torch.nn.init.normal_(segmenter.head[0].weight, std=4)  # sure of something, so that networks differ
    info = ModelInfo(architecture, labels, Preprocessing((0.5,) * 3, (0.25,) * 3, scale), provenance={"step": seed})
    Predictor(segmenter, info).save(name)


@pytest.fixture
def bundles(run: Run) -> None:
    """Two networks, ``a`` and ``b``, in the folder of the command."""
    write("a", 0)
    write("b", 1)


def masks(folder: str) -> dict[str, list]:
    return {path.name: np.asarray(Image.open(path)).tolist() for path in sorted(Path(folder).rglob("*.png"))}


@pytest.mark.slow
def test_masks_of_an_ensemble(run: Run, bundles: None, camvid: Path, capsys) -> None:
    ask = ("predict", f"input={camvid / 'val'}", "format=train_ids", "device=cpu")
    for output, ckpt in {"a": "a", "one": "[a]", "twice": "[a,a]", "both": "[a, b]"}.items():
        assert run(*ask, f"ckpt={ckpt}", f"output=masks/{output}", "flip=true") == 0
    assert masks("masks/one") == masks("masks/twice") == masks("masks/a")
    ensemble = load_ensemble(["a", "b"])
    plain = type(ensemble)(ensemble.members, flip=True)
    pairs = [(plain(path), masks("masks/both")[f"{path.stem}.png"]) for path in sorted((camvid / "val").iterdir())]
    assert len(pairs) == 5
    assert np.mean([np.mean(mask == np.array(found)) for mask, found in pairs]) > 0.999  # fused networks round
    assert masks("masks/both") != masks("masks/a")

    capsys.readouterr()
    assert run(*ask, "ckpt=[a,b]", "output=masks/both", "flip=true") == 0
    assert "5 of 5 masks are already in masks/both" in capsys.readouterr().out
    assert len(json.loads(Path("masks/both/predict.json").read_text())["weights"]) == 2
    assert run(*ask, "ckpt=[a]", "output=masks/both", "flip=true") == 2
    assert "made with other settings" in capsys.readouterr().err


@pytest.mark.slow
def test_scores_of_an_ensemble(run: Run, bundles: None, camvid: Path) -> None:
    data = ["data=camvid", f"data.root={camvid}", "data.workers=0", "examples.extremes=0", "examples.count=1"]
    for name, ckpt in {"a": "a", "twice": "[a,a]", "both": "[a,b]"}.items():
        assert run("evaluate", f"ckpt={ckpt}", *data, f"hydra.run.dir=scores/{name}") == 0
    scores = {path.parent.name: path.read_text() for path in Path("scores").rglob("metrics.json")}
    assert scores["twice"] == scores["a"] != scores["both"]
    report = Path("scores/both/report.html").read_text()
    assert "the probabilities of 2 networks are averaged" in report
    assert "b, step 1, model FCN, encoder tu-test_resnet, context none" in report
    assert "a, step 0" in Path("scores/a/report.html").read_text()


@pytest.mark.slow
def test_an_ensemble_with_an_onnx_file(run: Run, bundles: None, camvid: Path) -> None:
    assert run("export", "ckpt=b", "format=onnx", "output=file.onnx") == 0
    for output, ckpt in {"torch": "[a,b]", "mixed": "[a,file.onnx]"}.items():
        assert run("predict", f"ckpt={ckpt}", f"input={camvid / 'val'}", f"output=masks/{output}") == 0
    pairs = zip(masks("masks/torch").values(), masks("masks/mixed").values(), strict=True)
    assert all(np.mean(np.array(torch) == np.array(mixed)) > 0.999 for torch, mixed in pairs)  # but for ties


def test_weights_that_are_averaged(run: Run, bundles: None, camvid: Path, capsys) -> None:
    assert run("export", "average=[a,b]", "output=mean") == 0
    printed = capsys.readouterr().out
    assert "the weights of 2 networks are averaged" in printed
    assert "bundle                  mean" in printed
    found, expected = segrnn.load("mean"), load_average(["a", "b"])
    for name, tensor in expected[0].state_dict().items():
        assert torch.equal(found.segmenter.state_dict()[name], tensor)
    assert found.info.to_dict() == expected[1].to_dict()
    data = ["data=camvid", f"data.root={camvid}", "data.workers=0", "examples.extremes=0", "examples.count=1"]
    assert run("evaluate", "ckpt=mean", *data, "hydra.run.dir=scores") == 0
    assert "mean, mean of the weights of 2 networks" in Path("scores/report.html").read_text()


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("predict input=in output=x ckpt=[]", "ckpt=[] must contain at least one checkpoint"),
        ("predict input=in output=x", "ckpt needs a value: add ckpt=<value>"),
        ("predict input=in output=x ckpt=[a,gone.ckpt]", "gone.ckpt does not exist"),
        ("predict input=in output=x ckpt=[a,gone.onnx]", "gone.onnx does not exist"),
        ("predict input=in output=x ckpt=[a,few]", "but a and few differ:\n  class 10: bicyclist (id 10) in a, none"),
        ("predict input=in output=x ckpt=[a,half]", "but a and half differ:\n  scale: 1.0 in a, 0.5 in half"),
        ("predict input=in output=x ckpt={a:b}", "{a:b} does not exist"),
        ("predict input=in output=x ckpt=[a,[b]]", "ckpt=[a,[b]] must be a list of texts"),
        ("evaluate ckpt=[]", "nothing to score is given"),
        ("evaluate ckpt=", "nothing to score is given"),
        ("evaluate ckpt=[a,few] data=camvid", "but a and few differ:"),
        ("evaluate ckpt=[a,b] masks=m", "ckpt=a, b and masks=m are both given"),
        ("export output=x", "ckpt needs a value: add ckpt=<value>, or average=[<value>,<value>]"),
        ("export output=x average=[]", "ckpt needs a value"),
        ("export output=x average=[a]", "average=[a] has one network, and a mean needs two or more"),
        ("export output=x average=a", "average=a must be a list of texts: average=[a]"),
        ("export output=x average=[a,b] ckpt=a", "ckpt=a and average=[a,b] are both given"),
        ("export output=x average=[a,gone]", "gone does not exist"),
        ("export output=x average=[a,wide]", "but a and wide differ:\n  model.width: 8 in a, 16 in wide"),
        ("export output=x average=[a,few]", "but a and few differ:\n  class 10: bicyclist (id 10) in a, none"),
    ],
)
def test_mistakes_end_in_one_message(run: Run, bundles: None, command: str, message: str, capsys) -> None:
    write("few", 2, CAMVID.subset("few", CAMVID.class_names[:10]))
    write("half", 2, scale=0.5)
    write("wide", 2, width=16)
    Path("in").mkdir()
    Image.new("RGB", (8, 8)).save("in/a.png")
    before = sorted(path.name for path in Path().iterdir())
    name, *arguments = command.split()
    assert run(name, *arguments) == 2
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
    assert sorted(path.name for path in Path().iterdir() if path.name != "runs") == before
