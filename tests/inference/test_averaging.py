"""The mean of several networks' weights is a network; networks that have no mean are refused."""

from pathlib import Path
from typing import Any

import pytest
import torch

from segrnn.errors import CheckpointError
from segrnn.images import Preprocessing
from segrnn.inference import ModelInfo, Predictor, digest_weights, load_average
from segrnn.labels import CAMVID, LabelSpace
from segrnn.models.architecture import build_segmenter

PREPROCESSING = Preprocessing((0.5,) * 3, (0.25,) * 3)


def write(
    folder: Path,
    seed: int,
    labels: LabelSpace = CAMVID,
    preprocessing: Preprocessing = PREPROCESSING,
    width: int = 8,
    context: Any = None,
) -> Path:
    """A bundle with weights and statistics of its own."""
    model = {"_target_": "segrnn.models.FCN", "_partial_": True, "encoder_name": "tu-test_resnet", "width": width}
    architecture = {"model": model, "context": context or {"_target_": None, "stride": 8}}
    torch.manual_seed(seed)
    segmenter = build_segmenter(architecture, labels.num_classes)
    for tensor in segmenter.state_dict().values():
        if tensor.is_floating_point():
            tensor += torch.rand(tensor.shape) / 3
        else:
            tensor += seed
    provenance = {"step": 7, "config": {"seed": seed}}
    Predictor(segmenter, ModelInfo(architecture, labels, preprocessing, {"mIoU": 0.5}, provenance)).save(folder)
    return folder


def test_weights_and_statistics_are_averaged(tmp_path: Path) -> None:
    paths = [write(tmp_path / str(seed), seed) for seed in (3, 4, 5)]
    states = [Predictor.load(path).segmenter.state_dict() for path in paths]
    segmenter, info = load_average(paths)
    assert not segmenter.training
    kinds = set()
    for name, found in segmenter.state_dict().items():
        parts = [state[name] for state in states]
        mean = torch.stack([part.double() for part in parts]).sum(dim=0) / 3
        expected = mean.float() if found.is_floating_point() else parts[0]
        assert torch.equal(found, expected), name
        kinds.add(name.rpartition(".")[2])
    assert {"weight", "running_mean", "running_var", "num_batches_tracked"} <= kinds
    assert info.scores == {}
    assert info.provenance == {"config": {"seed": 3}, "average": [digest_weights(path) for path in paths]}
    Predictor(segmenter, info).save(tmp_path / "mean")
    assert Predictor.load(tmp_path / "mean").info.to_dict() == info.to_dict()


def test_the_mean_of_equal_weights_is_these_weights(tmp_path: Path) -> None:
    path = write(tmp_path / "a", 0)
    state = Predictor.load(path).segmenter.state_dict()
    found = load_average([path] * 3)[0].state_dict()
    assert all(torch.equal(found[name], tensor) for name, tensor in state.items())


OTHERS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "width": ({"width": 16}, ["model.width: 8 in {a}, 16 in {b}"]),
    "context": (
        {"context": {"_target_": "segrnn.context.ReNet", "_partial_": True, "hidden": 4, "stride": 8}},
        [
            "context._target_: None in {a}, segrnn.context.ReNet in {b}",
            "context._partial_: none in {a}, True in {b}",
            "context.hidden: none in {a}, 4 in {b}",
        ],
    ),
    "classes": (
        {"labels": CAMVID.subset("few", CAMVID.class_names[:10])},
        ["class 10: bicyclist (id 10) in {a}, none in {b}"],
    ),
    "preprocessing": (
        {"preprocessing": Preprocessing((0.5,) * 3, (0.25,) * 3, scale=0.5)},
        ["scale: 1.0 in {a}, 0.5 in {b}"],
    ),
}


@pytest.mark.parametrize("other", OTHERS)
def test_networks_without_a_mean_are_refused(other: str, tmp_path: Path) -> None:
    how, lines = OTHERS[other]
    a, b = write(tmp_path / "a", 0), write(tmp_path / "b", 1, **how)
    with pytest.raises(CheckpointError) as error:
        load_average([a, b])
    needs = "an average needs networks of the same architecture, classes and preprocessing"
    *found, fix = str(error.value).splitlines()
    assert found == [f"{needs}, but {a} and {b} differ:", *(f"  {line.format(a=a, b=b)}" for line in lines)]
    assert fix == f"leave {b} out, or train it with the settings of {a}"


def test_a_mean_needs_two_networks(tmp_path: Path) -> None:
    for paths in ([], [tmp_path]):
        with pytest.raises(ValueError, match=f"at least two networks, got {len(paths)}"):
            load_average(paths)
    with pytest.raises(CheckpointError, match=r"gone\.ckpt does not exist"):
        load_average([write(tmp_path / "a", 0), tmp_path / "gone.ckpt"])
