"""Each format of annotations, as its tool writes it, and with what strangers put into it."""

import base64
import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segrnn.errors import DataError
from segrnn.polygons import Annotations, Notes, Painter, Source, read_annotations

SIZE = (12, 16)
SQUARE = [2, 3, 8, 3, 8, 9, 2, 9]
PAIRS = [[2, 3], [8, 3], [8, 9], [2, 9]]


def square(left: int = 2, top: int = 3, right: int = 8, bottom: int = 9) -> np.ndarray:
    mask = np.zeros(SIZE, np.uint8)
    mask[top:bottom, left:right] = 1
    return mask


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., tuple[Annotations, list[str]]]:
    """Read a file with this content. Other contents are files beside it."""

    def read(format: str, name: str, content: object, **others: object) -> tuple[Annotations, list[str]]:
        for each, text in {name: content, **others}.items():
            path = tmp_path / each
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(text, np.ndarray):
                Image.fromarray(text).save(path)
            else:
                path.write_text(text if isinstance(text, str) else json.dumps(text))
        files = {path.relative_to(tmp_path).as_posix(): path for path in tmp_path.rglob("*") if path.is_file()}
        notes = Notes()
        return read_annotations(Source(name, files), format, notes), notes.lines()

    return read


def paint(annotations: Annotations, number: int = 0, classes: tuple[str, ...] = ("background", "cat")) -> np.ndarray:
    shapes = annotations.pictures[number].shapes
    return Painter(classes, [], 0).paint(shapes, SIZE, Notes(), "")


def coco(**changes: object) -> dict:
    annotation = {"id": 1, "image_id": 5, "category_id": 3, "segmentation": [SQUARE], "iscrowd": 0}
    return {
        "images": [{"id": 5, "file_name": "a.jpg", "height": 12, "width": 16}, {"id": 6, "file_name": "b.jpg"}],
        "categories": [{"id": 9, "name": "dog"}, {"id": 3, "name": "cat"}],
        "annotations": [annotation | changes],
    }


def test_coco(read) -> None:
    annotations, notes = read("coco", "a.json", coco(segmentation=[SQUARE, [10, 0, 12, 0, 12, 2, 10, 2]]))
    assert annotations.names == ("cat", "dog")
    assert [(each.picture, each.size) for each in annotations.pictures] == [("a.jpg", SIZE), ("b.jpg", None)]
    np.testing.assert_array_equal(paint(annotations), square() | square(10, 0, 12, 2))
    assert annotations.pictures[1].shapes == notes == []
    ring = square() & ~square(4, 5, 6, 7)
    lengths = np.diff(
        np.flatnonzero(np.diff(np.pad(ring.ravel(order="F").astype(int), 1))), prepend=0, append=ring.size
    )
    annotations, _ = read("coco", "a.json", coco(segmentation={"size": SIZE, "counts": lengths.tolist()}))
    np.testing.assert_array_equal(paint(annotations), ring)


def test_crowds_lie_below_everything_else(read) -> None:
    content = coco()
    crowd = {"size": SIZE, "counts": [0, 12 * 16]}
    content["annotations"].append(content["annotations"][0] | {"category_id": 9, "segmentation": crowd, "iscrowd": 1})
    annotations, _ = read("coco", "a.json", content)
    np.testing.assert_array_equal(paint(annotations, classes=("x", "cat", "dog")), 2 - square())


@pytest.mark.parametrize(
    ("changes", "note"),
    [
        ({"category_id": 4}, "annotations with category_id 4, which categories does not list, are left out: 1 (a.jpg)"),
        ({"segmentation": []}, "annotations that have a box and no segmentation are left out: 1 (a.jpg)"),
        ({"segmentation": [[1, 1, 2, 2]]}, "polygons with fewer than three points are left out: 1 (a.jpg)"),
        ({"segmentation": [[1, 1, 2, 2, 3, 3, 4]]}, "polygons whose numbers are not pairs of x and y are left out: 1"),
        ({"segmentation": [["x"] * 6]}, "areas whose entries are damaged are left out: 1 (a.jpg)"),
        ({"segmentation": {"size": 4}}, "areas whose entries are damaged are left out: 1 (a.jpg)"),
        ({"image_id": 77}, "annotations whose image_id is not in the list of images are left out: 1 (image_id 77)"),
    ],
)
def test_coco_with_faults(read, changes: dict, note: str) -> None:
    annotations, [line] = read("coco", "a.json", coco(**changes))
    assert line.startswith(note)
    assert len(annotations.pictures) == 2


def test_yolo(read) -> None:
    picture = np.zeros((*SIZE, 3), np.uint8)
    line = "1 " + " ".join(str(x / side) for x, side in zip(SQUARE, (16, 12) * 4, strict=True))
    others = {
        "d/images/train/a.png": picture,
        "d/images/train/b.png": picture,
        "d/images/val/c.png": picture,
        "d/labels/train/a.txt": f"{line}\n\n0 0.5 0.5 0.1 0.1\n7 0 0 1 0 1 1\n0 0 0 1 0 1\nx\n",
        "d/labels/val/c.txt": line,
        "d/list.txt": "./images/train/a.png\nimages/val/c.png\nimages/train/none.png\n",
    }
    start = "path: ../datasets/d\nnames: {0: dog, 1: cat}\n"
    annotations, notes = read("yolo", "d/data.yaml", f"{start}train: images/train\nval: [images/val]\n", **others)
    assert annotations.names == ("dog", "cat")
    assert [(each.picture[2:], each.split) for each in annotations.pictures] == [
        ("images/train/a.png", "train"),
        ("images/train/b.png", "train"),
        ("images/val/c.png", "val"),
    ]
    for number in (0, 2):
        np.testing.assert_array_equal(paint(annotations, number, ("x", "cat", "dog")), square())
    assert notes == [
        "lines with four numbers, which are a box or two points, are left out: 1 (d/labels/train/a.txt)",
        "lines of class 7, which names in data.yaml does not list, are left out: 1 (d/labels/train/a.txt)",
        "polygons whose numbers are not pairs of x and y are left out: 1 (d/labels/train/a.txt)",
        "areas whose entries are damaged are left out: 1 (d/labels/train/a.txt)",
    ]
    listed, notes = read("yolo", "d/data.yaml", "names: [dog, cat]\ntrain: list.txt\ntest: images/test\n")
    assert [each.picture for each in listed.pictures] == ["d/images/train/a.png", "d/images/val/c.png"]
    assert "pictures of a list that are missing are left out: 1 (d/images/train/none.png)" in notes
    assert notes[-1] == "splits without pictures are left out: 1 (test: images/test)"
    with pytest.raises(
        DataError, match="train: images/trian holds no pictures; looked for d/images/trian in the source"
    ):
        read("yolo", "d/data.yaml", "names: [dog, cat]\ntrain: images/trian\n")


def test_yolo_without_text_files(read, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="none of 1 pictures has a text file; that of the first would be labels/a.txt"):
        read("yolo", "a.yaml", "names: [x]\ntrain: images\n", **{"images/a.png": np.zeros(SIZE, np.uint8)})


def test_labelme(read) -> None:
    ring = square()[3:9, 2:8].copy()
    ring[2:4, 2:4] = 0
    file = io.BytesIO()
    Image.fromarray(ring * 255).save(file, "PNG")
    mask = {"label": "cat", "shape_type": "mask", "points": [[2, 3], [7, 8]]}
    shapes = [
        {"label": "dog", "points": PAIRS, "shape_type": "polygon"},
        {"label": "cat", "points": [[10, 0], [12, 2]], "shape_type": "rectangle"},
        {"label": "bird", "points": [[13, 9], [13, 11]], "shape_type": "circle"},
        mask | {"mask": base64.b64encode(file.getvalue()).decode()},
        mask | {"mask": "%%%"},
        {"label": "dog", "points": [[1, 1], [2, 2]], "shape_type": "line"},
        {"label": "dog", "points": [[1, 1], [2, 2]], "shape_type": "polygon"},
        {"points": PAIRS},
    ]
    content = {"imagePath": "..\\a.jpg", "imageHeight": 12, "imageWidth": 16, "shapes": shapes}
    annotations, notes = read("labelme", "a.json", content)
    [picture] = annotations.pictures
    assert (picture.picture, picture.size, annotations.names) == ("..\\a.jpg", SIZE, ())
    painted = paint(annotations, classes=("background", "cat", "dog", "bird"))
    np.testing.assert_array_equal(painted == 1, (square() & ~square(4, 5, 6, 7) | square(10, 0, 12, 2)) > 0)
    np.testing.assert_array_equal(painted == 2, square(4, 5, 6, 7) > 0)
    assert abs((painted == 3).sum() - 4 * np.pi) < 4
    assert notes == [
        "masks that can't be decoded are left out: 1 (a.json)",
        "shapes of type line, which have no area, are left out: 1 (a.json)",
        "polygons with fewer than three points are left out: 1 (a.json)",
        "areas whose entries are damaged are left out: 1 (a.json)",
    ]


CVAT = """<?xml version="1.0" encoding="utf-8"?>
<annotations><version>1.1</version>
<meta><task><labels><label><name>dog</name></label><label><name>cat</name></label></labels></task></meta>
<image id="0" name="sub/a.jpg" subset="Validation" width="16" height="12">
  <polygon label="cat" z_order="1" points="2.00,3.00;8.00,3.00;8.00,9.00;2.00,9.00">
  <attribute name="x">1</attribute></polygon>
  <box label="dog" xtl="0" ytl="0" xbr="16" ybr="12" z_order="0"/>
  <mask label="cat" z_order="2" rle="0, 2, 1, 1" left="10" top="0" width="2" height="2"/>
  <mask label="cat" rle="1, 2" left="10" top="0" width="2" height="2"/>
  <mask label="cat" rle="9, 999999999991" left="0" top="0" width="1000000" height="1000000"/>
  <polyline label="cat" points="0,0;1,1"/>
  <polygon label="cat" points="0,0;1,1"/>
  <box label="dog" xtl="0" ytl="0" xbr="1" ybr="1" rotation="30"/>
  <tag label="dog"/>
</image>
<image id="1" name="b.jpg" width="16" height="12"/></annotations>"""


def test_cvat(read) -> None:
    annotations, notes = read("cvat", "a.xml", CVAT)
    assert annotations.names == ("dog", "cat")
    assert [(each.picture, each.split) for each in annotations.pictures] == [("sub/a.jpg", "val"), ("b.jpg", "")]
    corner = square(10, 0, 12, 2)
    corner[1, 10] = 0
    np.testing.assert_array_equal(paint(annotations, classes=("x", "cat", "dog")), 2 - (square() | corner))
    assert notes == [
        "masks whose run-length encoding does not fill their box are left out: 2 (sub/a.jpg)",
        "shapes of type polyline, which have no area, are left out: 1 (sub/a.jpg)",
        "polygons with fewer than three points are left out: 1 (sub/a.jpg)",
        "boxes and ellipses that are rotated are left out: 1 (sub/a.jpg)",
    ]
    with pytest.raises(DataError, match="it has tracks of a video: export it as 'CVAT for images 1.1'"):
        read("cvat", "a.xml", "<annotations><track/></annotations>")


def test_label_studio(read) -> None:
    percent = [[100 * x / 16, 100 * y / 12] for x, y in PAIRS]
    sides = {"original_width": 16, "original_height": 12}
    box = {"x": 62.5, "y": 0, "width": 12.5, "height": 100 / 6, "rotation": 0, "rectanglelabels": ["cat"]}
    results = [
        {"type": "polygonlabels", "value": {"points": percent, "polygonlabels": ["cat"]}, **sides},
        {"type": "rectanglelabels", "value": box, **sides},
        {"type": "rectanglelabels", "value": box | {"rotation": 3}, **sides},
        {"type": "brushlabels", "value": {"rle": [1]}, **sides},
        {"type": "polygonlabels", "value": {}, **sides},
    ]
    tasks = [
        {
            "data": {"image": "/data/upload/1/0a1b2c3d-my%20cat.jpg"},
            "annotations": [{"result": results}, {"result": []}],
        },
        {"data": {"image": "/data/local-files/?d=sub/b.jpg"}, "annotations": []},
    ]
    annotations, notes = read("labelstudio", "a.json", tasks)
    assert [(each.picture, each.size) for each in annotations.pictures] == [
        ("/data/upload/1/my cat.jpg", SIZE),
        ("sub/b.jpg", None),
    ]
    np.testing.assert_array_equal(paint(annotations), square() | square(10, 0, 12, 2))
    name = "/data/upload/1/my cat.jpg"
    assert notes == [
        f"second annotations of one picture are left out: 1 ({name})",
        f"rectangles that are rotated are left out: 1 ({name})",
        f"results of type brushlabels are left out: 1 ({name})",
        f"areas whose entries are damaged are left out: 1 ({name})",
    ]


ALTO = """<?xml version="1.0" encoding="UTF-8"?>
<alto xmlns="http://www.loc.gov/standards/alto/ns-v4#"><Description><MeasurementUnit>pixel</MeasurementUnit>
<sourceImageInformation><fileName>a.tif</fileName></sourceImageInformation></Description>
<Tags><OtherTag ID="L" TYPE="language" LABEL="fra"/><OtherTag ID="T1" LABEL="MainZone:column#1"/>
<LayoutTag TYPE="type" ID="T2" LABEL="RunningTitleZone"/></Tags>
<Layout><Page WIDTH="16" HEIGHT="12" ID="p" PHYSICAL_IMG_NR="1"><PrintSpace>
<TextBlock ID="b1" TAGREFS="X L T1" HPOS="0" VPOS="0" WIDTH="9" HEIGHT="9">
  <Shape><Polygon POINTS="2 3 8 3 8 9 2 9"/></Shape>
  <TextLine ID="l"><Shape><Polygon POINTS="0 0 16 0 16 12"/></Shape></TextLine></TextBlock>
<ComposedBlock ID="c"><TextBlock ID="b2" TAGREFS="T2" HPOS="10" VPOS="0" WIDTH="2" HEIGHT="2"/></ComposedBlock>
<Illustration ID="i"><Shape><Polygon POINTS="(12,10) (14,10) (14,12) (12,12)"/></Shape></Illustration>
<TextBlock ID="b3"><Shape><Polygon POINTS="0,0 1,1"/></Shape></TextBlock>
</PrintSpace></Page></Layout></alto>"""


def test_alto(read) -> None:
    annotations, notes = read("alto", "a.xml", ALTO)
    [picture] = annotations.pictures
    assert (picture.picture, picture.size, picture.other_suffix) == ("a.tif", SIZE, True)
    labels = [("MainZone:column", "MainZone"), ("RunningTitleZone",), ("Illustration",)]
    assert [shape.labels for shape in picture.shapes] == labels
    painted = paint(annotations, classes=("x", "MainZone", "RunningTitleZone", "Illustration"))
    np.testing.assert_array_equal(painted, square() + 2 * square(10, 0, 12, 2) + 3 * square(12, 10, 14, 12))
    assert notes == [
        "blocks that have neither an outline nor a box are left out: 1 (a.xml)",
        "polygons with fewer than three points are left out: 1 (a.xml)",
    ]
    with pytest.raises(DataError, match="its MeasurementUnit is mm10, and only pixel can be read"):
        read("alto", "a.xml", ALTO.replace("pixel", "mm10"))
    with pytest.raises(DataError, match="it has 0 pages, but only files of one page can be read"):
        read("alto", "a.xml", "<alto/>")


PAGE = """<PcGts xmlns="http://schema.primaresearch.org/PAGE/gts/pagecontent/2013-07-15">
<Page imageFilename="a.jpg" imageWidth="16" imageHeight="12">
<TextRegion id="r1" type="heading" custom="readingOrder {index:0;} structure {score:1; type:MainZone#2;}">
  <Coords points="2,3 8,3 8,9 2,9"/>
  <TextLine id="l"><Coords points="0,0 16,0 16,12"/></TextLine>
  <TextRegion id="r2" type="drop-capital"><Coords points="2,3 4,3 4,5 2,5"/></TextRegion></TextRegion>
<GraphicRegion id="r3"><Coords points="10,0 12,0 12,2 10,2"/></GraphicRegion>
<GraphicRegion id="r4"><Coords points="10,0 12,0"/></GraphicRegion>
</Page></PcGts>"""


def test_page_xml(read) -> None:
    annotations, notes = read("pagexml", "a.xml", PAGE)
    [picture] = annotations.pictures
    assert (picture.picture, picture.size) == ("a.jpg", SIZE)
    painted = paint(annotations, classes=("x", "MainZone", "drop-capital", "GraphicRegion"))
    np.testing.assert_array_equal(painted, square() + square(2, 3, 4, 5) + 3 * square(10, 0, 12, 2))
    assert notes == ["polygons with fewer than three points are left out: 1 (a.xml)"]


ALL = {
    "coco": ("a.json", coco()),
    "labelme": ("a.json", {"imagePath": "a.jpg", "shapes": []}),
    "labelstudio": ("a.json", [{"data": {"image": "a.jpg"}, "annotations": []}]),
    "yolo": ("a.yaml", "names: [x]\ntrain: .\n"),
    "cvat": ("a.xml", CVAT),
    "alto": ("a.xml", ALTO),
    "pagexml": ("a.xml", PAGE),
}


def test_a_wrong_format_is_named(read) -> None:
    for format, (name, content) in ALL.items():
        for other, (other_name, _) in ALL.items():
            if other != format and other_name == name:
                with pytest.raises(DataError, match=f"does not have the format {other}; it looks like {format}: set"):
                    read(other, name, content)
    with pytest.raises(DataError, match="it looks like none that is known"):
        read("coco", "a.json", {})


@pytest.mark.parametrize("format", ALL)
def test_a_file_that_is_cut_short_is_refused(read, format: str) -> None:
    name, content = ALL[format]
    text = content if isinstance(content, str) else json.dumps(content)
    text = text.replace("[x]", "[x")
    with pytest.raises(DataError, match=rf"{name} (is not a whole (JSON|XML) file|can't be read as YAML): "):
        read(format, name, text[: len(text) * 2 // 3] if format != "yolo" else text)


@pytest.mark.parametrize("format", ["cvat", "alto", "pagexml"])
@pytest.mark.parametrize(
    "entity", ['<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">', '<!ENTITY b SYSTEM "file:///etc/passwd">']
)
def test_xml_with_entities_is_refused(read, format: str, entity: str) -> None:
    with pytest.raises(DataError, match="it declares a DOCTYPE, which can hold entities"):
        read(format, "a.xml", f"<!DOCTYPE x [{entity}]><annotations>&b;</annotations>")


@pytest.mark.parametrize(
    ("format", "content"),
    [
        ("coco", {"images": [{"id": 1}], "annotations": []}),
        ("coco", {"images": [], "annotations": [3]}),
        ("labelme", {"imagePath": "a.jpg", "shapes": 7}),
        ("labelstudio", [{"data": {}, "annotations": 3}]),
        ("labelstudio", [{"data": {"image": "a.jpg"}, "annotations": [{"result": 3}]}]),
        ("yolo", "names: 7\ntrain: .\n"),
        ("cvat", "<annotations><image/></annotations>"),
        ("pagexml", "<PcGts/>"),
        ("pagexml", '<PcGts><Page imageHeight="x" imageWidth="3"/></PcGts>'),
    ],
)
def test_other_values_than_the_format_promises_are_an_error_that_names_the_file(read, format, content) -> None:
    suffix = {"yolo": "yaml", "cvat": "xml", "pagexml": "xml"}.get(format, "json")
    with pytest.raises(DataError, match=rf"a\.{suffix}"):
        read(format, f"a.{suffix}", content)
