"""Polygons of annotation tools become a folder on which data=folder trains."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import SMALL, Run
from PIL import Image
from polygon_trees import LABELS, SIZE, draw, write_polygon_trees
from pycocotools import mask as official

from segrnn.config.preparing import PrepareImportPolygons
from segrnn.datasets import Folder
from segrnn.errors import ConfigError, DataError, OutputError
from segrnn.tasks.prepare import import_polygons

COCO = {"source": "coco/train.json", "val_source": "coco/val.json", "images": "coco/images"}
SOURCES = {
    "coco": COCO,
    "yolo": {"source": "yolo"},
    "cvat": {"source": "cvat.zip"},
    "labelme": {"source": "labelme"},
    "labelstudio": {"source": "labelstudio/export.json"},
    "alto": {"source": "pages"},
    "pagexml": {"source": "pagexml"},
}


@pytest.fixture
def trees(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_polygon_trees(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def take(trees: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Import a source; gives what the command prints."""

    def take(format: str, **keys: object) -> str:
        keys = {"output": "out", **SOURCES[format], **keys}
        shutil.rmtree(trees / str(keys["output"]), ignore_errors=True)
        capsys.readouterr()
        import_polygons(PrepareImportPolygons(format=format, **keys), Path())
        return capsys.readouterr().out

    return take


def expected(polygons: list) -> np.ndarray:
    mask = np.zeros(SIZE, np.uint8)
    for label, points in polygons:
        [runs] = official.frPyObjects([np.ravel(points).tolist()], *SIZE)
        mask[official.decode(runs) > 0] = LABELS.index(label) + 1
    return mask


def samples(root: str = "out") -> dict[str, tuple[str, np.ndarray, np.ndarray]]:
    """Split, image and mask of each sample, as training reads them."""
    found = {}
    for split in ("train", "val"):
        dataset = Folder(root, split)
        assert dataset.labels.class_names == ("background", *LABELS)
        for sample in dataset:
            found[sample.name.split("/")[-1]] = (split, sample.image, sample.mask)
    return found


def ids(name: str) -> list[int]:
    with Image.open(f"out/masks/{name}.png") as mask:
        return np.unique(np.asarray(mask)).tolist()


@pytest.mark.parametrize("format", SOURCES)
def test_all_formats_give_the_same_pictures_and_masks(take, format: str) -> None:
    printed = take(format, classes=list(LABELS))
    assert f"6 pictures with masks in out, of the classes background, {', '.join(LABELS)}" in printed
    assert "left out" not in printed
    found = samples()
    assert len(found) == 6
    for name, pixels, polygons in draw():
        split, image, mask = found[Path(name).stem]
        np.testing.assert_array_equal(image, pixels)
        np.testing.assert_array_equal(mask, expected(polygons))
        if format in ("coco", "yolo", "cvat"):
            assert split == ("train" if int(Path(name).stem) < 4 else "val")


def test_files_of_coco_say_their_splits_by_their_names(take) -> None:
    take("coco", source="coco", val_source="", images="")
    assert {name: split for name, (split, _, _) in samples().items() if split == "val"} == {"4": "val", "5": "val"}


def test_pictures_take_no_space_of_their_own(take) -> None:
    take("labelme")
    assert Path("out/images/0.png").samefile("labelme/0.png")


def test_the_order_of_classes_and_what_is_not_among_them(take) -> None:
    take("alto", classes=["DropCapitalZone", "MainZone"])
    assert 1 not in ids("0")  # the main zone lies over it
    printed = take("pagexml", classes=["DropCapitalZone"], background="")
    assert "areas of 'MainZone:left', which is not among the classes, are void: 6 (0.png, 1.png, 2.png" in printed
    assert ids("0") == [0, 255]
    take("pagexml", classes=["MainZone:left", "DropCapitalZone", "MainZone"])
    assert ids("0") == [0, 1, 2]
    with pytest.raises(ConfigError, match=r"classes has 'MainZon', which no area has \(did you mean MainZone\?\)"):
        take("alto", classes=["MainZon"])
    assert "classes that no area has: 1 (Stamp)" in take("alto", classes=["MainZone", "Stamp"])


def change_coco(**changes: object) -> None:
    content = json.loads(Path("coco/train.json").read_text())
    for key, value in changes.items():
        list_name, number, field = key.split("__")
        content[list_name][int(number)][field] = value
    Path("coco/train.json").write_text(json.dumps(content))


def test_what_can_not_be_used_is_left_out_counted_and_named(take) -> None:
    change_coco(
        images__0__file_name="gone.png",
        images__1__width=65,
        annotations__4__segmentation=[[1, 1, 2, 2]],
        annotations__5__segmentation=[[-5, -5, 20, -5, 20, 20, -5, 20], [90, 90, 95, 90, 95, 95]],
        annotations__6__category_id=9,
    )
    printed = take("coco")
    assert "2 files are left out:\n  coco/images does not hold the picture 'gone.png': say with images=" in printed
    assert "  1.png is 64 x 48, but train.json says 65 x 48\n" in printed
    assert "polygons with fewer than three points are left out: 1 (2.png)" in printed
    assert "areas that reach outside of their picture are cut off at its border: 1 (2.png)" in printed
    assert "areas that cover no pixel of their picture are left out: 1 (2.png)" in printed
    assert "annotations with category_id 9, which categories does not list, are left out: 1 (3.png)" in printed
    assert "4 pictures with masks" in printed
    mask = samples()["2"][2]
    assert (mask[:20, :20] == 2).all()
    assert (mask > 0).sum() == 400


def test_a_picture_without_areas_is_background_or_left_out(take) -> None:
    Path("yolo/labels/train/0.txt").unlink()
    assert "pictures without areas are all background: 1 (images/train/0.png)" in take("yolo")
    assert not samples()["0"][2].any()
    assert "0.png has no areas, so its mask would be void" in take("yolo", background="")
    assert not Path("out/masks/train/0.png").exists()


def test_pictures_of_one_name(take) -> None:
    Path("coco/images/more").mkdir()
    shutil.copy("coco/images/0.png", "coco/images/more/0.png")
    assert "left out" not in take("coco")  # 0.png lies where the file says
    change_coco(images__0__file_name="elsewhere/0.png")
    assert "'elsewhere/0.png' could be 0.png or more/0.png in coco/images: rename one of them" in take("coco")
    change_coco(images__0__file_name="x/more/0.png", images__1__file_name="2.png")
    printed = take("coco")
    assert "2.png is annotated a second time, or has the name of 2.png" in printed
    assert Path("out/images/train/more/0.png").is_file()


def test_a_picture_that_the_tool_has_turned(take) -> None:
    with Image.open("labelme/0.png") as picture:
        picture.transpose(Image.Transpose.ROTATE_90).save("labelme/0.png")
    assert "0.png is 48 x 64, but 0.json says 64 x 48. The tool has turned it by its EXIF mark: " in take("labelme")


def test_damaged_files_are_left_out_and_named(take) -> None:
    text = Path("pages/0.xml").read_text()
    Path("pages/0.xml").write_text(text[:200])
    Path("pages/1.xml").write_text('<!DOCTYPE a [<!ENTITY b "bb">]>' + text)
    Path("pages/2.png").write_bytes(b"")
    printed = take("alto")
    assert "3 files are left out:\n  pages/0.xml is not a whole XML file: " in printed
    assert "  pages/1.xml is not a whole XML file: it declares a DOCTYPE" in printed
    assert "  pages/2.png can't be read as a picture: " in printed
    with pytest.raises(
        DataError, match="nothing can be imported:\n6 files are left out:\n(?s:.*)looks like alto: set format=alto"
    ):
        take("pagexml", source="pages")


def test_a_source_that_holds_nothing_of_this_format(take) -> None:
    with pytest.raises(DataError, match=r"pages holds no file of the format coco \(.json\); .* kinds .png, .xml"):
        take("coco", source="pages")
    with pytest.raises(DataError, match="nowhere does not exist"):
        take("coco", source="nowhere")
    Path("alone").mkdir()
    shutil.copy("coco/train.json", "alone")
    with pytest.raises(DataError, match="alone holds no pictures: say with images=<folder> where they are"):
        take("coco", source="alone", images="", val_source="")


def test_a_folder_with_content_is_not_touched(trees: Path) -> None:
    Path("full").mkdir()
    Path("full/mine").touch()
    with pytest.raises(OutputError, match="output=full is not empty: choose a new folder"):
        import_polygons(PrepareImportPolygons(format="yolo", source="yolo", output="full"), Path())
    assert [path.name for path in Path("full").iterdir()] == ["mine"]


@pytest.mark.parametrize(
    "format",
    [
        pytest.param("pagexml", marks=pytest.mark.slow),
        pytest.param("coco", marks=pytest.mark.thorough),
        pytest.param("cvat", marks=pytest.mark.thorough),
    ],
)
def test_a_network_is_trained_and_its_polygons_are_its_masks(format: str, run: Run) -> None:
    write_polygon_trees(Path())
    keys = [f"{key}={value}" for key, value in SOURCES[format].items()]
    assert (
        run("prepare", "import_polygons", f"format={format}", *keys, f"classes=[{','.join(LABELS)}]", "output=out") == 0
    )
    data = ["data=folder", "data.root=out"]
    assert run("prepare", "check", *data, "workers=0") == 0
    assert run("train", *SMALL, *data, "run_id=one", "trainer.max_steps=10") == 0
    checkpoint = "ckpt=runs/train/one/checkpoints/best.ckpt"
    assert run("evaluate", checkpoint, "data.workers=0") == 0

    assert run("predict", checkpoint, "input=coco/images", "output=masks") == 0
    for written, output in (("pagexml", "page"), ("alto", "alto"), ("coco", "all.json")):
        ask = [checkpoint, "input=coco/images", f"output={output}", f"format={written}", "polygons.tolerance=0"]
        assert run("predict", *ask) == 0
        back = [f"format={written}", f"source={output}", "images=coco/images", f"output=from_{written}"]
        assert run("prepare", "import_polygons", *back, f"classes=[{','.join(LABELS)}]") == 0
        for mask in Path("masks").glob("*.png"):
            with Image.open(mask) as one, Image.open(Path(f"from_{written}/masks", mask.name)) as other:
                np.testing.assert_array_equal(np.asarray(one), np.asarray(other))
