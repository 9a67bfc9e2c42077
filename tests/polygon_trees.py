"""The same drawn pictures with the same polygons, as each annotation tool writes them."""

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

SIZE = (48, 64)  # height, width
LABELS = ("MainZone", "DropCapitalZone")
COUNT = 6
Polygons = list[tuple[str, list[list[int]]]]


def draw() -> Iterator[tuple[str, np.ndarray, Polygons]]:
    """Yield name, pixels and polygons of each picture: a large zone, and a small one over it."""
    rng = np.random.default_rng(7)
    for number in range(COUNT):
        x, y = (int(start) for start in rng.integers(4, 12, 2))
        zone = [[x, y], [x + 44, y + 2], [x + 42, y + 30], [x - 2, y + 32]]
        letter = [[x + 3, y + 4], [x + 15, y + 4], [x + 15, y + 16], [x + 9, y + 12], [x + 3, y + 16]]
        pixels = rng.integers(200, 255, (*SIZE, 3), np.uint8)
        pixels[y : y + 30, x : x + 42] //= 2
        pixels[y + 4 : y + 13, x + 3 : x + 15] //= 4
        yield f"{number}.png", pixels, [(LABELS[0], zone), (LABELS[1], letter)]


def write_polygon_trees(root: Path) -> None:
    """Write the trees of the page about polygons."""
    pictures = list(draw())
    for folder in ("coco/images", "labelme", "labelstudio", "pages", "pagexml", "cvat/images"):
        _save(root / folder, pictures)
    _write_coco(root / "coco", pictures)
    _write_yolo(root / "yolo", pictures)
    _write_cvat(root / "cvat", root / "cvat.zip", pictures)
    _write_labelme(root / "labelme", pictures)
    _write_label_studio(root / "labelstudio", pictures)
    for name, _, polygons in pictures:
        path = Path(name).with_suffix(".xml")
        (root / "pages" / path).write_text(_alto(name, polygons))
        (root / "pagexml" / path).write_text(_page(name, polygons))


def _save(folder: Path, pictures: list) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, pixels, _ in pictures:
        Image.fromarray(pixels).save(folder / name)


def _write_coco(root: Path, pictures: list) -> None:
    for split, part in (("train", slice(4)), ("val", slice(4, COUNT))):
        images, annotations = [], []
        for id, (name, _, polygons) in enumerate(pictures[part]):
            images.append({"id": id, "file_name": name, "height": SIZE[0], "width": SIZE[1]})
            for label, points in polygons:
                flat = [side for point in points for side in point]
                category = LABELS.index(label) + 1
                annotations.append({"image_id": id, "category_id": category, "segmentation": [flat], "iscrowd": 0})
        categories = [{"id": id, "name": name} for id, name in enumerate(LABELS, 1)]
        content = {"images": images, "annotations": annotations, "categories": categories}
        (root / f"{split}.json").write_text(json.dumps(content))


def _write_yolo(root: Path, pictures: list) -> None:
    for split, part in (("train", pictures[:4]), ("val", pictures[4:])):
        _save(root / "images" / split, part)
        (root / "labels" / split).mkdir(parents=True)
        for name, _, polygons in part:
            lines = [
                " ".join([str(LABELS.index(label)), *(f"{x / SIZE[1]:.8f} {y / SIZE[0]:.8f}" for x, y in points)])
                for label, points in polygons
            ]
            (root / "labels" / split / name).with_suffix(".txt").write_text("\n".join(lines))
    names = "".join(f"  {id}: {name}\n" for id, name in enumerate(LABELS))
    (root / "data.yaml").write_text(f"path: ../datasets/yolo\ntrain: images/train\nval: images/val\nnames:\n{names}")


def _write_cvat(root: Path, archive: Path, pictures: list) -> None:
    images = ""
    for id, (name, _, polygons) in enumerate(pictures):
        shapes = "".join(
            f'<polygon label="{label}" z_order="{order}" points="{";".join(f"{x}.00,{y}.00" for x, y in points)}"/>'
            for order, (label, points) in enumerate(polygons)
        )
        sides = f'width="{SIZE[1]}" height="{SIZE[0]}"'
        subset = "Train" if id < 4 else "Validation"
        images += f'<image id="{id}" name="{name}" subset="{subset}" {sides}>{shapes}</image>'
    labels = "".join(f"<label><name>{name}</name></label>" for name in LABELS)
    meta = f"<meta><task><labels>{labels}</labels></task></meta>"
    (root / "annotations.xml").write_text(f"<annotations><version>1.1</version>{meta}{images}</annotations>")
    with zipfile.ZipFile(archive, "w") as opened:
        for path in sorted(root.rglob("*.*")):
            opened.write(path, path.relative_to(root))


def _write_labelme(root: Path, pictures: list) -> None:
    for name, _, polygons in pictures:
        shapes = [{"label": label, "points": points, "shape_type": "polygon"} for label, points in polygons]
        content = {
            "imagePath": name,
            "imageHeight": SIZE[0],
            "imageWidth": SIZE[1],
            "shapes": shapes,
            "imageData": None,
        }
        (root / name).with_suffix(".json").write_text(json.dumps(content))


def _write_label_studio(root: Path, pictures: list) -> None:
    tasks = []
    for name, _, polygons in pictures:
        results = [
            {
                "type": "polygonlabels",
                "original_width": SIZE[1],
                "original_height": SIZE[0],
                "value": {
                    "points": [[100 * x / SIZE[1], 100 * y / SIZE[0]] for x, y in points],
                    "polygonlabels": [label],
                },
            }
            for label, points in polygons
        ]
        tasks.append({"data": {"image": f"/data/upload/1/0a1b2c3d-{name}"}, "annotations": [{"result": results}]})
    (root / "export.json").write_text(json.dumps(tasks))


def _alto(name: str, polygons: Polygons) -> str:
    tags = "".join(f'<OtherTag ID="T{id}" LABEL="{label}#1"/>' for id, label in enumerate(LABELS))
    blocks = "".join(
        f'<TextBlock ID="b{LABELS.index(label)}" TAGREFS="T{LABELS.index(label)}"><Shape>'
        f'<Polygon POINTS="{" ".join(f"{x} {y}" for x, y in points)}"/></Shape></TextBlock>'
        for label, points in reversed(polygons)
    )
    sides = f'WIDTH="{SIZE[1]}" HEIGHT="{SIZE[0]}"'
    page = f'<Page ID="p" PHYSICAL_IMG_NR="0" {sides}><PrintSpace>{blocks}</PrintSpace></Page>'
    description = (
        "<Description><MeasurementUnit>pixel</MeasurementUnit><sourceImageInformation><fileName>"
        f"{Path(name).with_suffix('.tif')}</fileName></sourceImageInformation></Description>"
    )
    start = '<alto xmlns="http://www.loc.gov/standards/alto/ns-v4#">'
    return f"{start}{description}<Tags>{tags}</Tags><Layout>{page}</Layout></alto>"


def _page(name: str, polygons: Polygons) -> str:
    regions = "".join(
        f'<TextRegion id="r{id}" custom="structure {{type:{label}:left#{id};}}">'
        f'<Coords points="{" ".join(f"{x},{y}" for x, y in points)}"/></TextRegion>'
        for id, (label, points) in enumerate(polygons)
    )
    start = '<PcGts xmlns="http://schema.primaresearch.org/PAGE/gts/pagecontent/2019-07-15">'
    page = f'<Page imageFilename="{name}" imageWidth="{SIZE[1]}" imageHeight="{SIZE[0]}">'
    return f"{start}{page}{regions}</Page></PcGts>"
