"""A trained network as a folder: it comes back equal, alone, and only if it is what was written."""

import json
import re
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import nn

from segrnn.datasets import Preprocessing
from segrnn.errors import CheckpointError, OutputError
from segrnn.labels import CAMVID
from segrnn.models import FCN, ModelInfo, Segmenter
from segrnn.models.architecture import build_segmenter

ARCHITECTURE = {
    "model": {"_target_": "segmentation_models_pytorch.FPN", "_partial_": True, "encoder_name": "resnet18"},
    "context": {"_target_": "segrnn.context.ReNet", "_partial_": True, "cell": "gru", "hidden": 8, "stride": 8},
    "auxiliary": {"_target_": "segrnn.models.Auxiliary", "_partial_": True, "hidden": 8},
}
ARCHITECTURE["model"]["encoder_weights"] = None
INFO = ModelInfo(
    {part: ARCHITECTURE[part] for part in ("model", "context")},
    CAMVID,
    Preprocessing((0.1, 0.2, 0.3), (0.4, 0.5, 0.6), 0.5, (360, 480)),
    {"mIoU on val": 0.625},
    {"step": 7, "config": {"data": {"name": "camvid"}}},
)
IMAGE = torch.rand(1, 3, 45, 61)


@pytest.fixture
def model() -> Segmenter:
    model = build_segmenter(ARCHITECTURE, CAMVID.num_classes).to(memory_format=torch.channels_last)
    for branch in model.context.values():
        nn.init.normal_(branch.project.weight, std=0.1)
    model.info = INFO
    return model.eval()


def test_a_bundle_comes_back_equal(model: Segmenter, tmp_path: Path) -> None:
    model.save(tmp_path / "new" / "bundle")
    loaded = Segmenter.load(tmp_path / "new" / "bundle")
    assert not loaded.training
    assert loaded.info.to_dict() == INFO.to_dict()
    expected = model.to(memory_format=torch.contiguous_format)(IMAGE)
    assert torch.equal(loaded(IMAGE), expected)
    assert loaded.auxiliary is None
    loaded.save(tmp_path / "again")
    for name in ("config.json", "model.safetensors", "README.md"):
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "new" / "bundle" / name).read_bytes()
    written = list((tmp_path / "again").iterdir())
    assert len(written) == 3
    assert len({path.stat().st_mode for path in written}) == 1  # others can read them alike


def test_the_hub_s_own_methods(model: Segmenter, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path / "bundle")
    loaded = Segmenter.from_pretrained(tmp_path / "bundle")
    assert torch.equal(loaded(IMAGE), model.to(memory_format=torch.contiguous_format)(IMAGE))
    card = (tmp_path / "bundle" / "README.md").read_text()
    assert "library_name: segrnn" in card
    assert "| mIoU on val | 62.50 |" in card
    assert "sky, building" in card


def test_what_is_pushed_is_a_bundle(model: Segmenter, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pushed = {}

    class Api:
        def __init__(self, token: str | None) -> None: ...

        def create_repo(self, repo_id: str, private: bool | None, exist_ok: bool) -> "Api":
            self.repo_id = repo_id
            return self

        def upload_folder(self, folder_path: Path, **_: object) -> str:
            pushed.update({path.name: path.read_bytes() for path in folder_path.iterdir()})
            return "url"

    monkeypatch.setattr("huggingface_hub.hub_mixin.HfApi", Api)
    assert model.push_to_hub("me/streets") == "url"
    model.save(tmp_path / "bundle")
    assert pushed == {path.name: path.read_bytes() for path in (tmp_path / "bundle").iterdir()}


def test_it_loads_without_lightning_hydra_and_wandb(model: Segmenter, tmp_path: Path) -> None:
    model.save(tmp_path / "bundle")
    torch.save((IMAGE, model.to(memory_format=torch.contiguous_format)(IMAGE)), tmp_path / "expected.pt")
    code = f"""
import sys
for name in ("pytorch_lightning", "lightning_fabric", "hydra", "omegaconf", "wandb", "pickle5"):
    sys.modules[name] = None  # makes importing them fail
import numpy as np, torch
from segrnn.models import Segmenter
model = Segmenter.load({str(tmp_path / "bundle")!r})
image, expected = torch.load({str(tmp_path / "expected.pt")!r})
torch.set_num_threads({torch.get_num_threads()})
assert torch.equal(model(image), expected)
mask = model.predict(np.zeros((30, 40, 3), np.uint8))
assert mask.shape == (30, 40) and mask.dtype == np.uint8
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def damage_weights(folder: Path) -> None:
    content = bytearray((folder / "model.safetensors").read_bytes())
    content[-1] ^= 1
    (folder / "model.safetensors").write_bytes(content)


def swap_classes(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    labels = config["labels"]["labels"]
    labels[0]["name"], labels[1]["name"] = labels[1]["name"], labels[0]["name"]
    (folder / "config.json").write_text(json.dumps(config))


def choose_code(folder: Path) -> None:
    """With digests that fit, so that only the list of what is allowed stands against it."""
    from segrnn.models.bundle import _digest_description

    config = json.loads((folder / "config.json").read_text())
    config["architecture"]["model"]["_target_"] = "os.system"
    config["sha256"]["description"] = _digest_description(config)
    (folder / "config.json").write_text(json.dumps(config))


def set_format(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text()) | {"format": "segrnn bundle 9"}
    (folder / "config.json").write_text(json.dumps(config))


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (damage_weights, "model.safetensors was changed or damaged"),
        (swap_classes, "config.json was changed or damaged"),
        (choose_code, r"model._target_='os.system' is not allowed"),
        (set_format, "its format is 'segrnn bundle 9', not 'segrnn bundle 1'"),
        (lambda folder: (folder / "config.json").write_text("{"), "config.json can't be read"),
        (lambda folder: (folder / "config.json").write_text("[]"), "config.json can't be read"),
        (lambda folder: (folder / "config.json").unlink(), "is no bundle: it lacks config.json"),
        (lambda folder: (folder / "model.safetensors").unlink(), "is no bundle: it lacks model.safetensors"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b""), "model.safetensors was changed or damaged"),
    ],
)
def test_what_was_changed_is_refused(model: Segmenter, tmp_path: Path, damage, reason: str) -> None:
    folder = tmp_path / "bundle"
    model.save(folder)
    damage(folder)
    with pytest.raises(CheckpointError, match=f"{re.escape(str(folder))}.*{reason}"):
        Segmenter.load(folder)


def test_what_is_no_bundle(model: Segmenter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(CheckpointError, match="is a file; a bundle is a folder"):
        Segmenter.load(tmp_path / "file")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(CheckpointError, match="nobody/nothing is no folder, and can't be had from the hub"):
        Segmenter.load("nobody/nothing")
    with pytest.raises(OutputError, match="exists already"):
        model.save(tmp_path)
    with pytest.raises(OutputError, match="can't be written"):
        model.save(tmp_path / "file" / "bundle")
    with pytest.raises(ValueError, match=r"set model\.info = ModelInfo"):
        Segmenter(FCN("resnet18", classes=4, width=8)).save(tmp_path / "nothing")
    assert not (tmp_path / "nothing").exists()


def test_a_network_that_gives_no_logits_is_refused() -> None:
    smp = pytest.importorskip("segmentation_models_pytorch")
    with pytest.raises(ValueError, match="where logits are wanted: make it with activation=None"):
        Segmenter(smp.FPN("resnet18", encoder_weights=None, classes=4, activation="sigmoid"))


def test_one_image_a_path_or_several(model: Segmenter, tmp_path: Path) -> None:
    import numpy as np
    from PIL import Image

    images = [np.random.default_rng(i).integers(0, 256, (20 + i, 30, 3), np.uint8) for i in range(3)]
    Image.fromarray(images[0]).save(tmp_path / "a.png")
    masks = model.predict([tmp_path / "a.png", Image.fromarray(images[1]), images[2]])
    assert [mask.shape for mask in masks] == [(20, 30), (21, 30), (22, 30)]
    assert all(np.array_equal(mask, model.predict(image)) for mask, image in zip(masks, images, strict=True))


def test_networks_put_together_by_hand_can_be_saved(tmp_path: Path) -> None:
    from segrnn.context import ReNet
    from segrnn.models import add_context

    make = {"encoder_name": "resnet18", "width": 8}
    model = add_context(FCN(**make, classes=11), partial(ReNet, hidden=4), stride=8).eval()
    model.info = ModelInfo(
        {
            "model": {"_target_": "segrnn.models.FCN", "_partial_": True, **make},
            "context": {"_target_": "segrnn.context.ReNet", "_partial_": True, "hidden": 4, "stride": 8},
        },
        CAMVID,
        Preprocessing((0.5,) * 3, (0.5,) * 3),
    )
    model.save(tmp_path / "bundle")
    assert torch.equal(Segmenter.load(tmp_path / "bundle")(IMAGE), model(IMAGE))
    assert "It comes without scores" in (tmp_path / "bundle" / "README.md").read_text()
