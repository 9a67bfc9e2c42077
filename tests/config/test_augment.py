"""The augmentation that a configuration describes, and what is said about mistakes in it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import segrnn.conf
import yaml

from segrnn.config.augment import build_augmentation
from segrnn.config.data_knobs import Data
from segrnn.config.wrong import explain_type
from segrnn.datasets import Augmentation
from segrnn.errors import ConfigError

PRESETS = sorted((Path(segrnn.conf.__file__).parent / "augment").glob("*.yaml"))

OWN = """
import albumentations as A
import numpy as np

class Stripe(A.ImageOnlyTransform):
    "A white stripe at a random height."

    def __init__(self, rows=2, p=0.5):
        super().__init__(p=p)
        self.rows = rows

    def apply(self, img, **params):
        img = img.copy()
        top = self.py_random.randrange(img.shape[0])
        img[top : top + self.rows] = 255
        return img

class Broken(A.ImageOnlyTransform):
    def apply(self, img, **params):
        raise ValueError("my own mistake")

def no_transform():
    return 3
"""


def build(*augment: Any, crop: tuple[int, int] = (32, 32), allow: tuple[str, ...] = (), **data: Any) -> Augmentation:
    settings = {"name": "x", "root": "x", "crop": list(crop), "dataset": {}, **data}
    return build_augmentation(Data(**settings, augment=list(augment)), 9, 0, allow)


def transform(name: str, **arguments: Any) -> dict[str, Any]:
    return {"_target_": f"albumentations.{name}", **arguments}


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "my_transforms.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    return "my_transforms."


@pytest.mark.parametrize("preset", PRESETS, ids=lambda path: path.stem)
def test_presets_can_be_used(preset: Path) -> None:
    settings = yaml.safe_load(preset.read_text()) or {}
    transforms = settings.pop("augment", [])
    draw = build(*transforms, crop=(64, 64), **settings)
    assert len(draw.transforms) == len(transforms)
    image = np.random.default_rng(0).integers(0, 256, (90, 80, 3), np.uint8)
    assert draw(image, np.full((90, 80), 4, np.uint8), 1)[0].shape == (3, 64, 64)


def test_what_a_turn_leaves_empty_is_void_also_inside_of_others() -> None:
    turn = transform("Rotate", limit=[45, 45], p=1)
    for augment in (turn, transform("OneOf", transforms=[turn], p=1)):
        draw = build(augment, scale=[1, 1], color=0)
        image, mask = draw(np.full((32, 32, 3), 200, np.uint8), np.full((32, 32), 4, np.uint8), 0)
        assert set(mask.unique().tolist()) == {4, 255}
        assert (mask[0, 0], image[0, 0, 0]) == (255, 0)
    draw = build({**turn, "fill_mask": 2}, scale=[1, 1])
    assert draw(np.zeros((32, 32, 3), np.uint8), np.full((32, 32), 4, np.uint8), 0)[1][0, 0] == 2


def test_a_crop_that_is_too_small_for_a_transform_is_one_message() -> None:
    with pytest.raises(ConfigError, match=r"^data\.augment\[0\] \(albumentations\.GridDistortion\): division by zero$"):
        build(transform("GridDistortion"), crop=(3, 1))


def test_an_old_name_of_a_transform_is_no_mistake() -> None:
    build(transform("ShiftScaleRotate"))


def test_a_transform_of_ones_own(own: str) -> None:
    stripe = {"_target_": "my_transforms.Stripe", "rows": 3, "p": 1}
    draw = build(stripe, allow=(own,), color=0)
    image, _ = draw(np.zeros((40, 40, 3), np.uint8), np.zeros((40, 40), np.uint8), 0)
    assert (image == 255).all(dim=2).any(dim=1).all()
    with pytest.raises(ConfigError, match=r"data\.augment\[0\]\._target_='my_transforms\.Stripe' is not allowed"):
        build(stripe)


def test_an_exception_of_ones_own_transform_keeps_its_traceback(own: str) -> None:
    with pytest.raises(ValueError, match="my own mistake") as caught:
        build({"_target_": "my_transforms.Broken"}, allow=(own,))
    assert caught.traceback[-1].path.name == "my_transforms.py"


@pytest.mark.parametrize(
    ("augment", "message"),
    [
        (transform("GaussianBlurr"), r"data\.augment\[0\]\._target_=.*mean GaussianBlur\?"),
        (transform("Rotate", limmit=3), r"data\.augment\[0\] \(albumentations\.Rotate\) got .*'limmit'.*mean limit\?"),
        (
            transform("OneOf", transforms=[transform("Rotate", limmit=3)]),
            r"data\.augment\[0\]\.transforms\[0\] \(albumentations\.Rotate\) got .*'limmit'",
        ),
        (transform("Rotate", limit="far"), r"\(albumentations\.Rotate\): limit.*'far'"),
        (transform("Rotate", p=2), r"\(albumentations\.Rotate\): p=2: "),
        (
            transform("RandomCrop"),
            r"\(albumentations\.RandomCrop\): height: Field required; width: ",
        ),
        (transform("SmallestMaxSize"), r"\(albumentations\.SmallestMaxSize\): Value error, Either max_size or "),
        (transform("OneOf", transforms="Rotate"), r"data\.augment\[0\]\.transforms='Rotate' must be a list of transf"),
        (transform("OneOf", transforms=[{"p": 1}]), r"data\.augment\[0\]\.transforms=\[.* each with its _target_"),
        (transform("CoarseDropout", hole_height_range=[50, 60]), r"\(albumentations\.CoarseDropout\): low >= high"),
        (transform("Rotate", fill_mask=9), r"data\.augment\[0\] .*: fill_mask=9 must be .* a class, 0 to 8, or 255"),
        (transform("Rotate", p="often"), r"data\.augment\[0\]\.p='often' must be a number"),
        ({"target": "albumentations.Rotate"}, r"data\.augment\[0\] needs a _target_"),
        ({"_target_": "os.system"}, r"data\.augment\[0\]\._target_='os\.system' is not allowed"),
        (transform("BboxParams", format="yolo"), r"\(albumentations\.BboxParams\) is not a transform"),
        (transform("D4"), r"\(albumentations\.D4\) makes .*a square data\.crop can be turned"),
    ],
)
def test_mistakes_are_one_message(augment: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=f"^{message}" if message.startswith("data") else message) as caught:
        build(augment, crop=(32, 48))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("augment", "shown"),
    [(transform("Rotate"), ": augment=[{_target_: albumentations.Rotate}]"), ([["a"]], ""), ("strong", "")],
)
def test_another_form_than_a_list_of_transforms(augment: Any, shown: str) -> None:
    message = explain_type({"augment": augment}, Data)
    assert message is not None
    assert message.startswith("augment=")
    assert "must be a list of groups of keys" in message
    assert message.endswith(shown)
