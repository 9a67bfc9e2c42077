"""Several networks give the mean of their probabilities; networks that don't belong together are refused."""

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segrnn.context import ReNet
from segrnn.errors import CheckpointError
from segrnn.images import Preprocessing
from segrnn.inference import Ensemble, Member, ModelInfo, Predictor, Windows, load_ensemble
from segrnn.inference import views as views_module
from segrnn.labels import CAMVID, Label, LabelSpace
from segrnn.models import FCN, Segmenter, add_context
from segrnn.models.architecture import build_segmenter

PREPROCESSING = Preprocessing((0.5,) * 3, (0.25,) * 3)
INFO = ModelInfo({}, CAMVID, PREPROCESSING)
IMAGE = np.random.default_rng(0).integers(0, 256, (45, 61, 3), np.uint8)
WAYS = {
    "whole": {},
    "views": {"scales": [0.7, 1.0], "flip": True},
    "windows": {"windows": Windows((32, 40), (20, 30))},
    "views in windows": {"flip": True, "windows": Windows((32, 40))},
}


def network(seed: int, width: int = 8) -> Segmenter:
    torch.manual_seed(seed)
    model = add_context(FCN("resnet18", classes=11, width=width), lambda channels: ReNet(channels, hidden=4), 8)
    for branch in model.context.values():
        nn.init.normal_(branch.project.weight, std=0.1)  # opens the branch
    nn.init.normal_(model.head[0].weight, std=0.5)  # sure of something, so that networks differ
    return model.eval()


def ensemble(*networks: Segmenter, **how: object) -> Ensemble:
    return Ensemble([Member(f"{i}.ckpt", each, INFO) for i, each in enumerate(networks)], **how)  # type: ignore[arg-type]


def whole(predictor: Predictor) -> Tensor:
    """All probabilities, ``(K, H, W)``."""
    found = torch.zeros(11, *IMAGE.shape[:2])
    for part in predictor.probabilities(IMAGE):
        classes, rows, _ = part.values.shape
        place = np.s_[part.first_class : part.first_class + classes, part.first_row : part.first_row + rows]
        found[place] = part.values
    return found


def plain(model: Segmenter, scale: float = 1.0) -> Tensor:
    """The probabilities of a network that sees the image once: what a few lines would do."""
    with torch.inference_mode():
        logits = F.interpolate(model(PREPROCESSING.resize(IMAGE, scale)[None]), IMAGE.shape[:2], mode="bilinear")
    return logits[0].softmax(dim=0)


def test_probabilities_are_averaged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views_module, "_PART_BYTES", 3 * 4 * 45 * 61)  # a few classes at a time
    networks = [network(0), network(1, width=16), network(2)]
    mean = torch.stack([plain(each) for each in networks]).mean(dim=0)
    found = ensemble(*networks)
    torch.testing.assert_close(whole(found), mean, rtol=1e-5, atol=1e-6)
    mask, confidence = found.mask_with_confidence(IMAGE)
    assert torch.equal(mask, whole(found).argmax(dim=0).byte())
    assert torch.equal(confidence, whole(found).amax(dim=0))
    assert torch.equal(found.mask(IMAGE), mask)
    entropy = -(mean * mean.log()).sum(dim=0) / np.log(11)
    torch.testing.assert_close(found.uncertainty(IMAGE), entropy, rtol=1e-4, atol=1e-5)
    for each in networks:
        assert not torch.equal(Predictor(each, INFO).mask(IMAGE), mask)


def test_views_of_all_networks_are_averaged() -> None:
    networks = [network(0), network(1)]
    expected = torch.stack([plain(each, scale) for each in networks for scale in (0.7, 1.0)]).mean(dim=0)
    torch.testing.assert_close(whole(ensemble(*networks, scales=[0.7, 1.0])), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("way", WAYS)
def test_one_network_and_the_same_network_again_change_nothing(way: str) -> None:
    model, how = network(0), WAYS[way]
    alone = Predictor(model, INFO, **how)  # type: ignore[arg-type]
    for count in (1, 2, 3):
        found = ensemble(*[model] * count, **how)
        assert torch.equal(whole(found), whole(alone))
        assert torch.equal(found.mask(IMAGE), alone.mask(IMAGE))
    mask, confidence = ensemble(model, **how).mask_with_confidence(IMAGE)
    assert torch.equal(mask, alone.mask_with_confidence(IMAGE)[0])
    assert torch.equal(confidence, alone.mask_with_confidence(IMAGE)[1])


def rows(*names: str, first_id: int = 0) -> LabelSpace:
    return LabelSpace("some", [Label(name, first_id + i, i, (i, i, i)) for i, name in enumerate(names)])


@pytest.mark.parametrize(
    ("labels", "preprocessing", "lines"),
    [
        (rows("road", "tree"), PREPROCESSING, ["class 1: car (id 1) in a.ckpt, tree (id 1) in b.ckpt"]),
        (rows("road"), PREPROCESSING, ["class 1: car (id 1) in a.ckpt, none in b.ckpt"]),
        (
            rows("road", "car", first_id=7),
            PREPROCESSING,
            ["class 0: road (id 0) in a.ckpt, road (id 7) in b.ckpt", "class 1: car (id 1)"],
        ),
        (
            rows("road", "car"),
            Preprocessing((0.5,) * 4, (0.25,) * 4, 0.5, (64, 80), 65535),
            [
                "mean: [0.5, 0.5, 0.5] in a.ckpt, [0.5, 0.5, 0.5, 0.5] in b.ckpt",
                "std: [",
                "scale: 1.0 in a.ckpt, 0.5 in b.ckpt",
                "base_size: None in a.ckpt, [64, 80] in b.ckpt",
                "white: 255 in a.ckpt, 65535 in b.ckpt",
            ],
        ),
        (rows(*map(str, range(20))), PREPROCESSING, ["class 0: road (id 0) in a.ckpt, 0 (id 0)", "and 10 more"]),
    ],
)
def test_networks_for_other_classes_or_images_are_refused(labels, preprocessing, lines: list[str]) -> None:
    model, first = network(0), ModelInfo({}, rows("road", "car"), PREPROCESSING)
    members = [Member("a.ckpt", model, first), Member("same.ckpt", model, first)]
    with pytest.raises(CheckpointError) as error:
        Ensemble([*members, Member("b.ckpt", model, ModelInfo({}, labels, preprocessing))])
    needs = "an ensemble needs networks of the same classes and preprocessing, but a.ckpt and b.ckpt differ:\n"
    assert str(error.value).startswith(needs)
    *found, fix = str(error.value).splitlines()[1:]
    assert fix == "leave b.ckpt out, or train it with the settings of a.ckpt"
    for line in lines:
        assert any(each.startswith(f"  {line}") for each in found), found
    assert len(found) == (11 if "and 10 more" in lines else len(lines))


def test_an_ensemble_has_a_network() -> None:
    with pytest.raises(ValueError, match="at least one network, got none"):
        Ensemble([])
    with pytest.raises(ValueError, match="at least one network, got none"):
        load_ensemble([])
    with pytest.raises(CheckpointError, match=r"gone\.ckpt does not exist"):
        load_ensemble(["gone.ckpt"])


def test_only_one_network_can_be_saved(tmp_path: Path) -> None:
    architecture = {
        "model": {"_target_": "segrnn.models.FCN", "_partial_": True, "encoder_name": "resnet18", "width": 8},
        "context": {"_target_": None, "stride": 8},
    }
    folders = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        model = build_segmenter(architecture, 11)
        folders.append(tmp_path / str(seed))
        Predictor(model, ModelInfo(architecture, CAMVID, PREPROCESSING)).save(folders[-1])
    load_ensemble(folders[:1]).save(tmp_path / "one")
    found = load_ensemble(folders)
    assert [member.name for member in found.members] == [str(folder) for folder in folders]
    expected = torch.stack([plain(Predictor.load(folder).segmenter) for folder in folders]).mean(dim=0)
    torch.testing.assert_close(whole(found), expected, rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match="this needs one network, but the ensemble has 2"):
        found.save(tmp_path / "two")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0", "1", "one"]
