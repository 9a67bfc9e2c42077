"""Files of polygons hold the mask of the network."""

import json
import os
import subprocess
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from lxml import etree
from PIL import Image

from segrnn.dataset_tools.polygon_import import FolderWriter, Reading, find_sources, make_labels, open_pictures
from segrnn.inference import polygon_formats
from segrnn.labels import Label, LabelSpace
from segrnn.polygons import Notes, Outliner, Painter

CLASSES = ["background", "Main zone", 'a;{b} <&">\\', "title"]
LABELS = LabelSpace("pages", [Label(name, id, id, (id, id, id)) for id, name in enumerate(CLASSES)])


def predictor(mask: np.ndarray) -> SimpleNamespace:
    return SimpleNamespace(info=SimpleNamespace(labels=LABELS), mask=lambda image: torch.from_numpy(mask))


def random_mask(number: int) -> np.ndarray:
    rng = np.random.default_rng(number)
    size = [(30, 41), (1, 7), (23, 1), (36, 20)][number]
    return np.kron(rng.integers(0, 4, size), np.ones((number + 1, 1), int)).astype(np.uint8)


@pytest.mark.parametrize("format", ["pagexml", "alto"])
def test_out_and_in_again_gives_the_same_mask(format: str, tmp_path: Path) -> None:
    made = polygon_formats(Outliner(tolerance=0))[format]
    for number in range(4):
        mask = random_mask(number)
        Image.fromarray(mask).convert("RGB").save(tmp_path / f"{number}.png")
        made.write(tmp_path / f"{number}{made.suffix}", predictor(mask), None, Path(f"{number}.png"))
    assert made.remarks() == {"regions with holes, which the format lacks, were cut into pieces without holes": 1}
    notes = Notes()
    reading = Reading(format, notes)
    for source in find_sources(tmp_path, format):
        reading.add(source, open_pictures(tmp_path, ""), "train")
    labels = make_labels(reading.class_names(CLASSES[1:]), "background")
    painter = Painter(labels.class_names, CLASSES[1:], 0)
    writer = FolderWriter(tmp_path / "out", labels, painter, True, notes)
    for entry in reading.entries:
        writer.write(entry)
    assert (writer.count, notes.lines(), reading.faults) == (4, [], [])
    for number in range(4):
        with Image.open(tmp_path / f"out/masks/train/{number}.png") as written:
            np.testing.assert_array_equal(np.asarray(written), random_mask(number))


@pytest.mark.skipif(
    "SEGRNN_SCHEMAS" not in os.environ, reason="SEGRNN_SCHEMAS=<folder of published schemas> is not set"
)
@pytest.mark.parametrize(("format", "schema"), [("pagexml", "page.xsd"), ("alto", "alto-4-4.xsd")])
@pytest.mark.parametrize("tolerance", [0.0, 1.0])
def test_files_keep_the_published_schemas(format: str, schema: str, tolerance: float, tmp_path: Path) -> None:
    folder = Path(os.environ["SEGRNN_SCHEMAS"])
    text = (folder / schema).read_text(encoding="utf-8")
    local = text.replace("http://www.loc.gov/standards/xlink/xlink.xsd", (folder / "xlink.xsd").resolve().as_uri())
    rules = etree.XMLSchema(etree.fromstring(local.encode()))
    write = polygon_formats(Outliner(tolerance))[format].write
    for mask in [*map(random_mask, range(4)), np.zeros((5, 6), np.uint8)]:
        write(tmp_path / "a.xml", predictor(mask), None, Path("a & \udcdf\x01.png"))
        rules.assertValid(etree.parse(tmp_path / "a.xml"))


READ_BY_KRAKEN = """
import json, sys
from kraken.lib.xml import XMLPage
for path in sys.argv[1:]:
    regions = XMLPage(path).regions
    print(json.dumps(sorted([name, region.boundary] for name, own in regions.items() for region in own)))
"""


@pytest.mark.skipif(
    "SEGRNN_KRAKEN_PYTHON" not in os.environ, reason="SEGRNN_KRAKEN_PYTHON=<a Python that has kraken> is not set"
)
def test_kraken_reads_the_same_regions(tmp_path: Path) -> None:
    outliner, expected, paths = Outliner(), [], []
    for number in range(4):
        mask = random_mask(number)
        picture = Path(tmp_path, f"{number}.png")
        Image.fromarray(mask).save(picture)
        regions, _ = outliner.regions_without_holes(LABELS, mask)
        plain = [[region.label.name, np.asarray(region.outline).tolist()] for region in regions]
        for format in ("pagexml", "alto"):
            paths.append(tmp_path / f"{number}-{format}.xml")
            polygon_formats(outliner)[format].write(paths[-1], predictor(mask), None, picture)
            expected.append(sorted(plain))
    python = os.environ["SEGRNN_KRAKEN_PYTHON"]
    done = subprocess.run([python, "-c", READ_BY_KRAKEN, *paths], capture_output=True, text=True, check=True)
    escaped = r'a\u003b\u007bb\u007d <&">\u005c'  # kraken leaves the escapes of PAGE as they are
    for line, own in zip(done.stdout.splitlines(), expected, strict=True):
        found = [[CLASSES[2] if name == escaped else name, points] for name, points in json.loads(line)]
        assert sorted(found) == own


def test_regions_of_pages_are_named_as_pages_name_them(tmp_path: Path) -> None:
    """kraken and eScriptorium read the structure type of a region of PAGE, and the tag of a block of ALTO."""
    mask = np.array([[1, 1, 0], [0, 0, 3]], np.uint8)
    for format in ("pagexml", "alto"):
        polygon_formats(Outliner())[format].write(tmp_path / format, predictor(mask), None, Path("a.png"))
    page = etree.parse(tmp_path / "pagexml")
    assert page.xpath("//@custom") == ["structure {type:Main zone;}", "structure {type:title;}"]
    assert page.xpath("//@points") == ["0,0 2,0 2,1 0,1", "2,1 3,1 3,2 2,2"]
    alto = etree.parse(tmp_path / "alto")
    tags = dict(zip(*(alto.xpath(f"//*[local-name()='OtherTag']/@{key}") for key in ("ID", "LABEL")), strict=True))
    assert [tags[reference] for reference in alto.xpath("//@TAGREFS")] == ["Main zone", "title"]
    assert alto.xpath("//@POINTS") == ["0 0 2 0 2 1 0 1", "2 1 3 1 3 2 2 2"]
