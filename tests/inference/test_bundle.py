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

import segrnn
from segrnn.errors import CheckpointError, OutputError
from segrnn.images import Preprocessing
from segrnn.inference import ModelInfo, Predictor
from segrnn.labels import CAMVID
from segrnn.models import FCN, Segmenter
from segrnn.models.architecture import build_segmenter

ARCHITECTURE = {
    "model": {"_target_": "segmentation_models_pytorch.FPN", "_partial_": True, "encoder_name": "tu-test_resnet"},
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
def predictor() -> Predictor:
    model = build_segmenter(ARCHITECTURE, CAMVID.num_classes).to(memory_format=torch.channels_last)
    for branch in model.context.values():
        nn.init.normal_(branch.project.weight, std=0.1)
    return Predictor(model.eval(), INFO)


def logits(predictor: Predictor) -> torch.Tensor:
    return predictor.segmenter.to(memory_format=torch.contiguous_format)(IMAGE)


def test_a_bundle_comes_back_equal(predictor: Predictor, tmp_path: Path) -> None:
    predictor.save(tmp_path / "new" / "bundle")
    loaded = segrnn.load(tmp_path / "new" / "bundle")
    assert not loaded.segmenter.training
    assert loaded.info.to_dict() == INFO.to_dict()
    assert torch.equal(logits(loaded), logits(predictor))
    assert loaded.segmenter.auxiliary is None
    loaded.save(tmp_path / "again")
    for name in ("config.json", "model.safetensors", "README.md"):
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "new" / "bundle" / name).read_bytes()
    written = list((tmp_path / "again").iterdir())
    assert len(written) == 3
    assert len({path.stat().st_mode for path in written}) == 1  # others can read them alike


def test_its_card_says_what_it_is(predictor: Predictor, tmp_path: Path) -> None:
    predictor.save(tmp_path / "bundle")
    card = (tmp_path / "bundle" / "README.md").read_text()
    assert "library_name: segrnn" in card
    assert "| mIoU on val | 62.50 |" in card
    assert "sky, building" in card


def test_what_is_pushed_is_a_bundle(predictor: Predictor, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pushed = {}

    class Api:
        def create_repo(self, repo_id: str, private: bool, exist_ok: bool) -> None:
            pushed[repo_id] = private

        def upload_folder(self, repo_id: str, folder_path: str) -> str:
            pushed.update({path.name: path.read_bytes() for path in Path(folder_path).iterdir()})
            return f"https://hub/{repo_id}"

    monkeypatch.setattr("segrnn.inference.predictor.HfApi", Api)
    assert predictor.push_to_hub("me/streets", private=True) == "https://hub/me/streets"
    predictor.save(tmp_path / "bundle")
    written = {path.name: path.read_bytes() for path in (tmp_path / "bundle").iterdir()}
    assert pushed == {"me/streets": True, **written}


def test_a_name_on_the_hub_is_downloaded(predictor: Predictor, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    predictor.save(tmp_path / "cache")
    asked = []

    def download(name: str, allow_patterns: list[str]) -> str:
        asked.append((name, allow_patterns))
        return str(tmp_path / "cache")

    monkeypatch.setattr("segrnn.inference.bundle.snapshot_download", download)
    assert torch.equal(logits(segrnn.load("hf://me/streets")), logits(predictor))
    assert asked == [("me/streets", ["model.safetensors", "config.json"])]
    for local in ("runs/best.ckpt", "me/streets", "streets"):
        with pytest.raises(CheckpointError, match="does not exist"):
            segrnn.load(local)
    assert len(asked) == 1


@pytest.mark.slow
def test_it_loads_without_lightning_hydra_and_wandb(predictor: Predictor, tmp_path: Path) -> None:
    predictor.save(tmp_path / "bundle")
    torch.save((IMAGE, logits(predictor)), tmp_path / "expected.pt")
    code = f"""
import sys
for name in ("pytorch_lightning", "lightning_fabric", "hydra", "omegaconf", "wandb", "pickle5"):
    sys.modules[name] = None  # makes importing them fail
import numpy as np, torch
import segrnn
predictor = segrnn.load({str(tmp_path / "bundle")!r})
image, expected = torch.load({str(tmp_path / "expected.pt")!r})
torch.set_num_threads({torch.get_num_threads()})
assert torch.equal(predictor.segmenter(image), expected)
mask = predictor(np.zeros((30, 40, 3), np.uint8))
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
    from segrnn.inference.bundle import _digest_description

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
        (set_format, "has the format 'segrnn bundle 9'; it must be 'segrnn bundle 1'"),
        (lambda folder: (folder / "config.json").write_text("{"), "config.json can't be read"),
        (lambda folder: (folder / "config.json").write_text("[]"), "config.json can't be read"),
        (lambda folder: (folder / "config.json").unlink(), "is not a bundle: it lacks config.json"),
        (lambda folder: (folder / "model.safetensors").unlink(), "is not a bundle: it lacks model.safetensors"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b""), "model.safetensors was changed or damaged"),
    ],
)
def test_what_was_changed_is_refused(predictor: Predictor, tmp_path: Path, damage, reason: str) -> None:
    folder = tmp_path / "bundle"
    predictor.save(folder)
    damage(folder)
    with pytest.raises(CheckpointError, match=f"{re.escape(str(folder))}.*{reason}"):
        segrnn.load(folder)


def test_what_is_no_bundle(predictor: Predictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(CheckpointError, match="can't be loaded: it is damaged, or it holds more"):
        segrnn.load(tmp_path / "file")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(CheckpointError, match="hf://nobody/nothing can't be downloaded from the hub"):
        segrnn.load("hf://nobody/nothing")
    with pytest.raises(OutputError, match="exists already"):
        predictor.save(tmp_path)
    with pytest.raises(OutputError, match="can't be written"):
        predictor.save(tmp_path / "file" / "bundle")


def test_an_exported_file_is_saved_by_nobody(tmp_path: Path) -> None:
    class Exported:
        """As what ONNX Runtime computes."""

    with pytest.raises(ValueError, match="this needs a Segmenter, but the network is of the class Exported"):
        Predictor(Exported(), INFO).save(tmp_path / "nothing")  # type: ignore[arg-type]
    assert not (tmp_path / "nothing").exists()


def test_a_network_that_gives_no_logits_is_refused() -> None:
    smp = pytest.importorskip("segmentation_models_pytorch")
    with pytest.raises(ValueError, match="but it must return logits: build it with activation=None"):
        Segmenter(smp.FPN("tu-test_resnet", encoder_weights=None, classes=4, activation="sigmoid"))


def test_one_image_a_path_or_several(predictor: Predictor, tmp_path: Path) -> None:
    import numpy as np
    from PIL import Image

    images = [np.random.default_rng(i).integers(0, 256, (20 + i, 30, 3), np.uint8) for i in range(3)]
    Image.fromarray(images[0]).save(tmp_path / "a.png")
    tensor = torch.from_numpy(images[2]).permute(2, 0, 1)
    masks = predictor([tmp_path / "a.png", Image.fromarray(images[1]), images[2], tensor])
    assert [mask.shape for mask in masks] == [(20, 30), (21, 30), (22, 30), (22, 30)]
    assert all(np.array_equal(mask, predictor(image)) for mask, image in zip(masks, [*images, images[2]], strict=True))


def test_networks_put_together_by_hand_can_be_saved(tmp_path: Path) -> None:
    from segrnn.context import ReNet
    from segrnn.models import add_context

    make = {"encoder_name": "tu-test_resnet", "width": 8}
    model = add_context(FCN(**make, classes=11), partial(ReNet, hidden=4), stride=8).eval()
    info = ModelInfo(
        {
            "model": {"_target_": "segrnn.models.FCN", "_partial_": True, **make},
            "context": {"_target_": "segrnn.context.ReNet", "_partial_": True, "hidden": 4, "stride": 8},
        },
        CAMVID,
        Preprocessing((0.5,) * 3, (0.5,) * 3),
    )
    Predictor(model, info).save(tmp_path / "bundle")
    assert torch.equal(segrnn.load(tmp_path / "bundle").segmenter(IMAGE), model(IMAGE))
    assert "No scores were recorded" in (tmp_path / "bundle" / "README.md").read_text()
