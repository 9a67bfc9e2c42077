"""Masks in which a network is sure become a folder on which another network is trained."""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from conftest import SMALL, Run, zipped
from PIL import Image

import segrnn
from segrnn.datasets import Folder
from segrnn.images import Preprocessing, read_image
from segrnn.inference import ModelInfo, Predictor
from segrnn.labels import CAMVID, CITYSCAPES, Label, LabelSpace
from segrnn.models.architecture import build_segmenter

ODD = LabelSpace("odd", [Label(name, id, i, (i, i, i)) for i, (name, id) in enumerate({"a": 255, "b": 7}.items())])


def write(name: str, labels: LabelSpace = CAMVID, channels: int = 3, white: float = 255) -> Predictor:
    """The bundle of a network that is sure of some pixels."""
    model = {"_target_": "segrnn.models.FCN", "_partial_": True, "encoder_name": "resnet18", "width": 8}
    architecture = {"model": model, "context": {"_target_": None, "stride": 8}}
    torch.manual_seed(0)
    segmenter = build_segmenter(architecture, labels.num_classes, channels=channels)
    torch.nn.init.normal_(segmenter.head[0].weight, std=4)
    preprocessing = Preprocessing((0.5,) * channels, (0.25,) * channels, white=white)
    predictor = Predictor(segmenter.eval(), ModelInfo(architecture, labels, preprocessing))
    predictor.save(name)
    return predictor


def draw(folder: str, count: int = 5) -> None:
    rng = np.random.default_rng(0)
    for i in range(count):
        path = Path(folder, "day" if i % 2 else "", f"{i}.{'png' if i % 3 else 'jpg'}")
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (40 + i, 52, 3), np.uint8)).save(path)


@pytest.mark.parametrize("labels", [CAMVID, CITYSCAPES, ODD], ids=lambda labels: labels.name)
def test_unsure_pixels_are_void(labels: LabelSpace, run: Run, capsys) -> None:
    predictor = write("bundle", labels)
    draw("photos")
    share = round(float(predictor.mask_with_confidence(read_image(Path("photos/2.png")))[1].median()), 2)
    ask = ("predict", "ckpt=bundle", "input=photos", "format=pseudo", f"confidence={share}")
    assert run(*ask, "output=pseudo") == 0
    printed = capsys.readouterr().out
    assert "5 pictures with masks (pseudo) in pseudo" in printed
    assert "data=folder data.root=pseudo data.crop=" in printed
    samples = {sample.name: sample for split in ("train", "val") for sample in Folder("pseudo", split)}
    assert sorted(samples) == ["0", "2", "4", "day/1", "day/3"]
    void = pixels = 0
    for name, sample in samples.items():
        [photo] = Path("photos").glob(f"{name}.*")
        assert np.array_equal(sample.image, read_image(photo))
        assert os.path.samefile(photo, Path("pseudo/images", photo.relative_to("photos")))
        mask, confidence = (each.numpy() for each in predictor.mask_with_confidence(sample.image))
        clear = abs(confidence - share) > 1e-4  # fused networks round
        expected = np.where(confidence < share, 255, mask)
        assert (sample.mask == expected)[clear].mean() > 0.999  # but for ties
        void, pixels = void + int((sample.mask == 255).sum()), pixels + mask.size
    assert 0 < void < pixels
    assert f"{100 * void / pixels:.2f} % of their pixels are void: their class is less probable than {share}" in printed
    folder = Folder("pseudo", "train")
    assert folder.labels.class_names == labels.class_names
    assert [label.id for label in folder.labels.classes] == [label.id for label in labels.classes]

    assert run(*ask, "output=pseudo", "overwrite=true") == 2
    assert "pseudo exists already and would be overwritten" in capsys.readouterr().err


@pytest.mark.slow
def test_a_network_learns_from_another_one(run: Run, camvid: Path, capsys) -> None:
    recipe = [*SMALL, "encoder=resnet18", "model.encoder_depth=3", "trainer.max_steps=2"]
    assert run("train", *recipe, "data=camvid", f"data.root={camvid}", "hydra.run.dir=teacher") == 0
    archive = zipped(camvid / "train", Path("photos.zip"))
    ask = ["ckpt=teacher/checkpoints/last.ckpt", f"input={archive}", "output=pseudo", "format=pseudo"]
    assert run("predict", *ask, "confidence=0.1", "flip=true") == 0
    assert run("prepare", "check", "data=folder", "data.root=pseudo", "data.crop=[32,32]", "workers=0") == 0
    assert run("train", *recipe, "data=folder", "data.root=pseudo", "hydra.run.dir=student") == 0
    student = segrnn.load("student/checkpoints/last.ckpt")
    assert student.info.labels.class_names == CAMVID.class_names
    assert "Traceback" not in capsys.readouterr().err


def test_pictures_that_are_stored_turned(run: Run, capsys) -> None:
    write("bundle")
    draw("photos")
    rotated = Image.Exif()
    rotated[0x0112] = 3  # upside down: its mask fits the stored pixels, too
    with Image.open("photos/0.jpg") as photo:
        photo.save("photos/0.jpg", exif=rotated, quality=95)
    upside_down = read_image(Path("photos/0.jpg"))
    assert run("predict", "ckpt=bundle", "input=photos", "output=pseudo", "format=pseudo", "confidence=0.4") == 0
    assert "EXIF tags turn 1 picture: they are stored turned, as PNG files" in capsys.readouterr().out
    assert np.array_equal(read_image(Path("pseudo/images/0.png")), upside_down[::-1, ::-1])


def test_pictures_of_many_bands(run: Run, capsys) -> None:
    write("bundle", channels=4, white=65535)
    rng = np.random.default_rng(0)
    Path("bands").mkdir()
    for i in range(3):
        cv2.imwrite(f"bands/{i}.png", rng.integers(0, 65536, (40, 52, 4), np.uint16))
    assert run("predict", "ckpt=bundle", "input=bands", "output=pseudo", "format=pseudo", "confidence=0.4") == 0
    printed = capsys.readouterr().out
    assert "data=folder data.root=pseudo data.channels=4 data.white=65535 data.crop=" in printed
    assert len(Folder("pseudo", "train").pairs) == 2


def test_pictures_that_cannot_be_read_are_named(run: Run, capsys) -> None:
    write("bundle")
    draw("photos")
    Path("photos/0.jpg").write_bytes(b"\xff\xd8")
    ask = ("predict", "ckpt=bundle", "format=pseudo", "confidence=0.4")
    assert run(*ask, "input=photos", "output=pseudo") == 2
    printed = capsys.readouterr()
    assert "4 pictures with masks (pseudo) in pseudo" in printed.out
    assert "1 of 5 images have no mask:\nphotos/0.jpg (2 bytes) can't be decoded" in printed.err
    assert len([sample for split in ("train", "val") for sample in Folder("pseudo", split)]) == 4
    for path in Path("photos").rglob("*.*"):
        path.write_bytes(b"\xff\xd8")
    assert run(*ask, "input=photos", "output=none") == 2
    assert "5 of 5 images have no mask:\n" in capsys.readouterr().err
    assert not Path("none").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("confidence=0", "confidence=0.0 must be above 0"),
        ("confidence=1.5", "confidence=1.5 must be between 0 and 1"),
        ("confidence=high", "confidence=high must be a number"),
        ("confidence=1", "in no pixel of 5 pictures has a class the probability 1.0"),
        ("output=taken", "taken exists already and would be overwritten"),
        ("output=photos/inside", "output=photos/inside lies inside input=photos"),
        ("input=photos/2.png", "input=photos/2.png has 1 image: a training needs two or more"),
        ("input=drive.mp4", "format=pseudo: input=drive.mp4 is a video, and it needs pictures"),
        ("input=gone", "input=gone does not exist"),
        ("format=pseudolabels", "(did you mean pseudo?)"),
    ],
)
def test_mistakes_end_in_one_message(arguments: str, message: str, run: Run, capsys) -> None:
    write("bundle")
    draw("photos")
    Path("taken").mkdir()
    Path("taken/file").touch()
    before = sorted(Path().rglob("*"))
    ask = ("predict", "ckpt=bundle", "input=photos", "output=x", "format=pseudo")
    assert run(*ask, *arguments.split()) == 2
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
    assert sorted(Path().rglob("*")) == before


@pytest.mark.thorough
def test_a_file_that_gives_no_probabilities_is_refused(run: Run, capsys) -> None:
    write("bundle")
    draw("photos")
    assert run("export", "ckpt=bundle", "format=onnx", "output=model.onnx", "argmax=true") == 0
    assert run("predict", "ckpt=model.onnx", "input=photos", "output=x", "format=pseudo") == 2
    assert "model.onnx returns labels, but prediction needs logits" in capsys.readouterr().err
    assert not Path("x").exists()
