import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image, ImageChops

from segrnn.datasets import DemoPages, Folder, demo_pages
from segrnn.datasets.demo_drawing import OVERSAMPLING
from segrnn.datasets.demo_pages import draw_page, plan_page, render_page, write_demo_pages
from segrnn.datasets.page_ink import ASCENDER, DESCENDER, Ink, Word, word_width
from segrnn.datasets.page_layout import EDGE, choose_area, lay_out
from segrnn.datasets.page_setting import Layout, Zone
from segrnn.errors import DataError, OutputError
from segrnn.labels import DEMO_PAGES

ID = {label.name: label.id for label in DEMO_PAGES.classes}
TEXT = ("main zone", "running title", "page number", "quire mark", "margin text")
LEAST_SHARE = {
    "background": 0.3,
    "main zone": 0.2,
    "running title": 0.005,
    "page number": 0.001,
    "quire mark": 0.001,
    "drop capital": 0.001,
    "graphic": 0.01,
    "margin text": 0.005,
}


def plans(split, count):
    """The first plans of a split, as `write_demo_pages` makes them."""
    return [plan_page(np.random.default_rng([0, split, number])) for number in range(count)]


@pytest.fixture(scope="module")
def drawn():
    return [(plan, render_page(plan)) for plan in plans(0, 24)]


@pytest.fixture(scope="module")
def layouts():
    return [lay_out(np.random.default_rng([7, number]), 176.0) for number in range(400)]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo") / "pages"
    write_demo_pages(folder, train=3, val=2)
    return folder


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def holds(zone, word):
    left, top, right, bottom = zone.box
    return left <= word.x <= right and top <= word.baseline <= bottom


def words_of(layout, name):
    """The words in the zones of a class."""
    zones = [zone for zone in layout.zones if zone.name == name]
    return [word for word in layout.words if any(holds(zone, word) for zone in zones)]


def has(layout, name):
    return any(zone.name == name for zone in layout.zones)


def test_files_lie_as_a_folder_reads_them(root):
    pages = {"train": 3, "val": 2}
    expected = {
        f"{kind}/{split}/page_{number:03d}.png"
        for kind in ("images", "masks")
        for split, count in pages.items()
        for number in range(count)
    }
    assert set(contents(root)) == expected | {"classes.yaml"}
    for kind, mode in (("images", "RGB"), ("masks", "L")):
        for path in (root / kind).rglob("*.png"):
            with Image.open(path) as image:
                assert (image.mode, image.size) == (mode, (176, 256))


def test_the_file_of_the_classes_has_the_table(root):
    content = yaml.safe_load((root / "classes.yaml").read_text())
    assert {row["name"]: row["id"] for row in content["classes"]} == ID
    assert content["ignore"] == [255]


@pytest.mark.parametrize("dataset", [Folder, DemoPages])
def test_a_folder_reads_what_was_drawn(root, dataset):
    val = dataset(str(root), "val")
    assert val.labels.class_names == DEMO_PAGES.class_names
    assert len(val) == 2
    page = draw_page(np.random.default_rng([0, 1, 1]))
    assert np.array_equal(val[1].image, page.image)
    assert np.array_equal(val[1].mask, page.ids)


def test_the_pages_are_drawn_on_first_use(tmp_path, monkeypatch):
    monkeypatch.setattr(demo_pages.write_demo_pages, "__defaults__", (2, 1, 0, (64, 44)))
    assert len(DemoPages(str(tmp_path / "pages"), "train")) == 2
    before = contents(tmp_path / "pages")
    assert len(DemoPages(str(tmp_path / "pages"), "val")) == 1
    assert contents(tmp_path / "pages") == before


def test_a_folder_of_something_else_is_not_drawn_into(tmp_path):
    (tmp_path / "photos.txt").write_text("mine")
    with pytest.raises(DataError, match=r"classes\.yaml"):
        DemoPages(str(tmp_path), "train")
    assert set(contents(tmp_path)) == {"photos.txt"}


def test_a_second_run_writes_the_same_bytes(root, tmp_path):
    write_demo_pages(tmp_path / "again", train=3, val=2)
    assert contents(tmp_path / "again") == contents(root)


def test_a_page_does_not_depend_on_how_many_there_are(root, tmp_path):
    write_demo_pages(tmp_path / "fewer", train=1, val=1)
    assert contents(tmp_path / "fewer").items() <= contents(root).items()


def test_another_seed_draws_other_pages(root, tmp_path):
    write_demo_pages(tmp_path / "other", train=3, val=2, seed=1)
    ours, others = contents(root), contents(tmp_path / "other")
    assert ours.keys() == others.keys()
    assert {path for path in ours if ours[path] == others[path]} == {"classes.yaml"}


@pytest.mark.parametrize("split", [0, 1])
def test_each_class_has_its_share_of_a_split(split):
    pages = [render_page(plan) for plan in plans(split, 40)]
    counts = np.bincount(np.concatenate([page.ids.ravel() for page in pages]), minlength=256)
    shares = {name: counts[ident] / counts.sum() for name, ident in ID.items()}
    assert counts.sum() == counts[: len(ID)].sum()
    assert {name for name in ID if shares[name] < LEAST_SHARE[name]} == set()


def test_no_class_is_on_every_page_except_background_and_main_zone(layouts):
    for name in set(ID) - {"background", "main zone"}:
        assert 0.2 < np.mean([has(layout, name) for layout in layouts]) < 0.8, name
    assert all(has(layout, "main zone") for layout in layouts)


def test_other_classes_of_the_zones_change_the_labels_only(drawn):
    swapped = dict(zip(TEXT, (*TEXT[1:], TEXT[0]), strict=True))
    for plan, page in drawn[:6]:
        zones = [Zone(swapped.get(zone.name, zone.name), zone.box) for zone in plan.front.zones]
        other = render_page(replace(plan, front=replace(plan.front, zones=zones)))
        assert np.array_equal(other.image, page.image)
        expected = page.ids.copy()
        for name, another in swapped.items():
            expected[page.ids == ID[name]] = ID[another]
        assert np.array_equal(other.ids, expected)


def stamp(word):
    """The ink of a word alone, cut out."""
    ink = Ink((256, 176))
    ink.word(Word(60.0, 60.0, word.size, word.letters))
    return ink.layer


def test_a_word_of_a_title_may_stand_in_the_text():
    """The ink of a word depends on its letters and its size only: not on its place, nor on its class."""
    layout = next(
        layout
        for number in range(20)
        if has(layout := lay_out(np.random.default_rng([3, number]), 176.0), "running title")
    )
    title, line = words_of(layout, "running title")[0], words_of(layout, "main zone")[0]
    for word, place in ((title, line), (line, title)):
        ink = Ink((256, 176))
        ink.word(Word(math.floor(place.x), math.floor(place.baseline), word.size, word.letters))
        dx, dy = (3 * (60 - math.floor(side)) for side in (place.x, place.baseline))
        assert np.array_equal(ImageChops.offset(ink.layer, dx, dy), stamp(word))


def test_words_of_all_classes_have_the_same_sizes_and_letters(layouts):
    """Each class draws from the same letters, and has words as short as those of numbers and marks."""
    shares, sizes = {}, {}
    for name in TEXT:
        words = [word for layout in layouts for word in words_of(layout, name)]
        letters = np.concatenate([word.letters for word in words])
        shares[name] = np.bincount(letters, minlength=12) / len(letters)
        sizes[name] = np.mean([word.size for word in words])
        assert min(len(word.letters) for word in words) == 2
    for name in TEXT:
        assert np.abs(shares[name] - 1 / 12).max() < 0.03, name
        assert sizes[name] == pytest.approx(sizes["main zone"], rel=0.03)


def test_the_text_has_many_words_as_short_as_a_number(layouts):
    lengths = {name: [len(word.letters) for page in layouts for word in words_of(page, name)] for name in TEXT}
    assert max(lengths["page number"] + lengths["quire mark"]) == 4
    for name in ("main zone", "running title", "margin text"):
        assert np.mean(np.array(lengths[name]) <= 4) > 0.3, name


def patches(layout):
    """How much ink is in the box of each short word of a page, by its class."""
    ink = Ink((256, 176))
    for word in layout.words:
        ink.word(word)
    shares = {}
    for name in TEXT:
        for word in words_of(layout, name):
            if len(word.letters) <= 4:
                top, bottom = (word.baseline - ASCENDER * word.size, word.baseline - DESCENDER * word.size)
                sides = word.x, top, word.x + word_width(word.letters, word.size), bottom
                patch = ink.layer.crop([round(OVERSAMPLING * side) for side in sides])
                shares.setdefault(name, []).append(np.asarray(patch).mean() / 255)
    return shares


def test_the_ink_of_a_patch_does_not_tell_the_classes_apart(layouts):
    """A guess from the darkness of a word is right half of the time, for each class against the text."""
    pages = [patches(layout) for layout in layouts[:150]]
    shares = {name: np.concatenate([page.get(name, []) for page in pages]) for name in TEXT}
    for name in TEXT[1:]:
        right = (shares[name][:, None] > shares["main zone"]).mean()
        assert 0.44 < right < 0.56, name


def test_the_place_on_the_picture_does_not_tell_the_classes_apart(layouts):
    """Many texts begin higher than the head line of other pages stands, and end lower than their foot line."""
    lines = {name: [[word.baseline for word in words_of(layout, name)] for layout in layouts] for name in TEXT}
    starts, ends = (np.array([pick(page) for page in lines["main zone"]]) for pick in (min, max))
    titles, numbers, marks = (np.concatenate(lines[name]) for name in ("running title", "page number", "quire mark"))
    for head in (titles, numbers[numbers < 90]):
        assert len(head) > 100
        assert (starts[:, None] < head).mean() > 0.1
    for foot in (marks, numbers[numbers >= 90]):
        assert len(foot) > 100
        assert (ends[:, None] > foot).mean() > 0.1


def test_a_heading_stands_where_a_title_would_stand(layouts):
    """The first line of a page may be a title or a heading; only what follows it tells."""
    first = {True: [], False: []}
    for layout in layouts:
        word = min(layout.words, key=lambda word: word.baseline)
        first[any(holds(zone, word) for zone in layout.zones if zone.name == "main zone")].append(word.baseline)
    assert min(len(heights) for heights in first.values()) > 40
    assert np.mean(np.array(first[True]) < np.quantile(first[False], 0.9)) > 0.2


def test_outer_corners_have_the_numbers_of_a_head_line(layouts):
    sides = []
    for layout in layouts:
        block = np.array([zone.box for zone in layout.zones if zone.name == "main zone"])
        left, top, right = block[:, 0].min(), block[:, 1].min(), block[:, 2].max()
        for zone in layout.zones:
            if zone.name == "page number" and zone.box[3] <= top + 4:
                at_left, at_right = abs(zone.box[0] - left) < 1, abs(zone.box[2] - right) < 1
                assert at_left != at_right
                sides.append(at_right)
    assert len(sides) > 60
    assert 0.35 < np.mean(sides) < 0.65  # versos and rectos


def test_marks_keep_their_place_at_the_foot_where_the_text_ends_early(layouts):
    distances = []
    for layout in layouts:
        foot = max(zone.box[3] for zone in layout.zones if zone.name in ("main zone", "graphic"))
        for zone in layout.zones:
            if zone.name == "quire mark":
                assert zone.box[1] > foot - 5
                distances.append(zone.box[1] - foot)
    assert np.mean(np.array(distances) > 25) > 0.05
    assert np.mean(np.array(distances) < 15) > 0.4


def test_nothing_leaves_the_page(layouts):
    for layout in layouts:
        for zone in layout.zones:
            left, top, right, bottom = zone.box
            assert 0 < left < right < 176, zone
            assert 0 < top < bottom < 256, zone


def test_text_stands_in_zones(layouts):
    for layout in layouts:
        assert all(any(holds(zone, word) for zone in layout.zones) for word in layout.words)


def test_type_areas_move_and_have_many_sizes():
    areas = [choose_area(np.random.default_rng(number), 176.0, recto=True).box for number in range(200)]
    lefts, tops, rights, bottoms = np.array(areas).T
    assert lefts.min() >= EDGE
    assert rights.max() <= 176 - EDGE
    for values, least in ((lefts, 40), (tops, 25), (rights - lefts, 40), (bottoms - tops, 60)):
        assert np.ptp(values) > least


def test_the_other_side_of_the_leaf_shows_through_on_some_pages(drawn):
    changed = []
    for plan, page in drawn[:12]:
        other = render_page(replace(plan, back=Layout()))
        assert np.array_equal(other.ids, page.ids)
        changed.append(bool((other.image != page.image).any()))
    assert any(changed)
    assert not all(changed)


@pytest.mark.parametrize("size", [(128, 88), (257, 177), (200, 200), (40, 30)])
def test_a_page_of_another_size_has_the_same_parts(size):
    page = draw_page(np.random.default_rng(3), size)
    assert page.image.shape == (*size, 3)
    assert page.ids.shape == size
    assert {ID["background"], ID["main zone"]} < set(page.ids.flat)


@pytest.mark.parametrize("size", [(256, 120), (100, 200)])
def test_a_page_of_a_strange_shape_is_refused(size, tmp_path):
    with pytest.raises(ValueError, match=f"got {size[0]} x {size[1]}"):
        draw_page(np.random.default_rng(0), size)
    with pytest.raises(ValueError, match="as wide as high"):
        write_demo_pages(tmp_path / "pages", train=1, val=1, size=size)
    assert list(tmp_path.iterdir()) == []


def test_an_empty_folder_is_filled(tmp_path):
    write_demo_pages(tmp_path, train=1, val=1)
    assert len(contents(tmp_path)) == 5


@pytest.mark.parametrize("is_file", [True, False])
def test_what_exists_is_not_overwritten(tmp_path, is_file):
    root = tmp_path / "taken"
    note = root if is_file else root / "notes.txt"
    note.parent.mkdir(exist_ok=True)
    note.write_text("mine")
    with pytest.raises(OutputError, match="taken exists already"):
        write_demo_pages(root, train=1, val=1)
    assert note.read_text() == "mine"
    assert list(tmp_path.iterdir()) == [root]


def test_a_split_without_pages_is_refused(tmp_path):
    with pytest.raises(ValueError, match="val=0 demo pages"):
        write_demo_pages(tmp_path / "pages", train=1, val=0)


def test_a_folder_that_can_not_be_made_is_an_output_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="can't write the demo pages"):
        write_demo_pages(tmp_path / "file" / "pages", train=1, val=1)


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_failure_half_way_leaves_nothing_behind(tmp_path, monkeypatch, error):
    def fail(rng, size):
        raise error("power cut")

    monkeypatch.setattr(demo_pages, "draw_page", fail)
    with pytest.raises(error):
        write_demo_pages(tmp_path / "pages", train=2, val=1)
    assert list(tmp_path.iterdir()) == []


def test_the_loser_of_a_race_leaves_the_winner_alone(tmp_path, monkeypatch):
    root = tmp_path / "pages"

    def draw_while_another_finishes(rng, size):
        root.mkdir(exist_ok=True)
        Path(root, "winner.txt").write_text("first")
        return draw_page(rng, size)

    monkeypatch.setattr(demo_pages, "draw_page", draw_while_another_finishes)
    write_demo_pages(root, train=1, val=1)
    assert set(contents(root)) == {"winner.txt"}
    assert list(tmp_path.iterdir()) == [root]
