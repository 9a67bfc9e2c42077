import io
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segrnn.errors import DataError, OutputError
from segrnn.inference import rules_for, write_submission
from segrnn.inference.submission import ADE20K_RULES, CITYSCAPES_RULES, Rules, find_faults
from segrnn.labels import ADE20K, CAMVID, CITYSCAPES, Label, LabelSpace

FRAME = "berlin/berlin_000000_000019_leftImg8bit.png"
MASK = "berlin_000000_000019_pred_labelIds.png"
SMALL = Rules(CITYSCAPES, (4, 8), CITYSCAPES_RULES.images, CITYSCAPES_RULES.ending, CITYSCAPES_RULES.splits)


def png(array: np.ndarray, mode: str | None = None, format: str = "PNG") -> bytes:
    stream = io.BytesIO()
    picture = Image.fromarray(array)
    (picture.convert(mode) if mode else picture).save(stream, format)
    return stream.getvalue()


def archive(path: Path, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as opened:
        for name, content in members.items():
            opened.writestr(name, content)
    return path


def test_rules_follow_the_label_table() -> None:
    assert rules_for(CITYSCAPES) is CITYSCAPES_RULES
    assert rules_for(ADE20K) is ADE20K_RULES
    assert rules_for(CAMVID).splits is None
    namesake = LabelSpace("Cityscapes", [Label("road", 0, 0, (0, 0, 0))])
    assert rules_for(namesake).labels is namesake  # whose ids are other ones


def test_masks_have_the_benchmarks_names() -> None:
    assert CITYSCAPES_RULES.name(FRAME) == MASK
    assert ADE20K_RULES.name("testing/ADE_test_00000012.jpg") == "ADE_test_00000012.png"
    assert rules_for(CAMVID).name("sub/frame.v2.jpg") == "sub/frame.v2.png"
    with pytest.raises(DataError, match=r"street\.jpg does not have the name of an image of Cityscapes"):
        CITYSCAPES_RULES.name("street.jpg")


def test_masks_of_any_name_stay_in_the_archive() -> None:
    rules = Rules(CAMVID)
    names = {"/etc/a.jpg": "etc/a.png", "..\\..\\b.jpg": "b.png", "day/c.jpg": "day/c.png", "con.jpg": "_con.png"}
    assert {name: rules.name(name) for name in names} == names


def test_a_submission_holds_label_ids(tmp_path: Path) -> None:
    mask = np.random.default_rng(0).integers(0, 19, (1024, 2048), dtype=np.uint8)
    path = tmp_path / "new" / "submission.zip"
    assert write_submission(path, CITYSCAPES_RULES, iter([(FRAME, mask)])) == 1
    with zipfile.ZipFile(path) as opened:
        assert opened.namelist() == [MASK]
        again = np.array(Image.open(io.BytesIO(opened.read(MASK))))
    assert (again == CITYSCAPES.decode(mask)).all()
    assert find_faults(path, CITYSCAPES_RULES, {MASK: (1024, 2048)}) == []


def test_ade20k_ids_start_at_one(tmp_path: Path) -> None:
    mask = np.array([[0, 149]], np.uint8)
    write_submission(tmp_path / "a.zip", ADE20K_RULES, iter([("ADE_val_00000001.jpg", mask)]))
    with zipfile.ZipFile(tmp_path / "a.zip") as opened:
        stored = np.array(Image.open(io.BytesIO(opened.read("ADE_val_00000001.png"))))
    assert stored.tolist() == [[1, 150]]


IDS = np.resize(np.array([7, 8, 11, 33], np.uint8), (4, 8))


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (lambda: png(np.resize(np.arange(19, dtype=np.uint8), (4, 8))), r"holds the ids \[0, 1, 2, .*: are they train"),
        (lambda: png(np.where(IDS == 7, 255, IDS).astype(np.uint8)), r"holds the ids \[255\], which no class"),
        (lambda: png(np.full((4, 8), 34, np.uint8)), r"holds the ids \[34\], which no class of Cityscapes has$"),
        (lambda: png(np.zeros((4, 8), np.uint8)), r"holds the ids \[0\]"),  # a miss on every pixel
        (
            lambda: png(CITYSCAPES.palette[np.zeros((4, 8), np.uint8)]),
            "is a PNG file of mode RGB; it must be a PNG with one 8-bit",
        ),
        (lambda: png(IDS, "P"), "is a PNG file of mode P"),
        (lambda: png(IDS.astype(bool)), "is a PNG file of mode 1"),
        (lambda: png(IDS.astype(np.uint16)), "is a PNG file of mode I;16"),
        (lambda: png(IDS, format="BMP"), "is a BMP file of mode L"),
        (lambda: png(IDS.repeat(2, axis=0)), "is 8 x 8; it must be 8 x 4"),
        (lambda: png(IDS)[:50], "can't be decoded"),
        (lambda: b"", "can't be decoded"),
    ],
    ids=["train ids", "255", "34", "void", "colour", "palette", "1 bit", "16 bit", "BMP", "size", "cut", "empty"],
)
def test_what_a_server_refuses_is_named(content: Callable[[], bytes], fault: str, tmp_path: Path) -> None:
    path = archive(tmp_path / "submission.zip", **{MASK: content()})
    (found,) = find_faults(path, SMALL, {MASK: (4, 8)})
    assert found.startswith(f"{MASK} ")
    assert re.search(fault, found)


def test_missing_and_additional_files_are_named(tmp_path: Path) -> None:
    beside = MASK.replace("labelIds", "color")
    path = archive(tmp_path / "submission.zip", **{MASK: png(IDS), beside: png(IDS)})
    other = "berlin_000001_000019_pred_labelIds.png"
    faults = find_faults(path, SMALL, {MASK: (4, 8), other: (4, 8)})
    assert faults[0] == f"{other} is missing"
    assert faults[1].startswith(f"{beside} is not the mask of an image; the server stops")
    assert len(faults) == 2
    (tmp_path / "no.zip").write_bytes(b"nothing")
    assert "not a complete zip archive" in find_faults(tmp_path / "no.zip", SMALL, {})[0]


def test_what_breaks_the_rules_leaves_no_archive(tmp_path: Path) -> None:
    path = tmp_path / "submission.zip"
    mask = np.zeros((4, 8), np.uint8)
    with pytest.raises(
        OutputError, match=r"would refuse .*, so it was not written:\n.*is 8 x 4; it must be 2048 x 1024"
    ):
        write_submission(path, CITYSCAPES_RULES, iter([(FRAME, mask)]))
    with pytest.raises(DataError, match="would both be written to"):
        write_submission(path, SMALL, iter([(FRAME, mask), (f"copy/{FRAME}", mask)]))
    path.write_bytes(b"old")
    with pytest.raises(DataError, match="does not have the name of"):
        write_submission(path, SMALL, iter([("street.png", mask)]))
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
