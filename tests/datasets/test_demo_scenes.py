from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segrnn.datasets import demo_scenes
from segrnn.datasets.demo_drawing import CUE_DEPTH
from segrnn.datasets.demo_scenes import (
    BLOCK_CLEARANCE,
    CITIES,
    LANE_CLEARANCE,
    PANEL_WIDTH,
    draw_scene,
    plan_scene,
    render,
    write_demo,
)
from segrnn.errors import OutputError
from segrnn.labels import CITYSCAPES, DEMO

ID = {label.name: label.id for label in CITYSCAPES.labels}
VOID = {ID["static"], ID["ego vehicle"]}
THINGS = {label.id for label in DEMO.classes if label.has_instances}
SWAPPED = {"building": "wall", "wall": "building", "car": "bus", "bus": "car"}


def plans(count):
    return [plan_scene(np.random.default_rng([1, number])) for number in range(count)]


@pytest.fixture(scope="module")
def drawn():
    return [(plan, render(plan)) for plan in plans(120)]


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    root = tmp_path_factory.mktemp("demo") / "scenes"
    write_demo(root, train=3, val=2)
    return root


def contents(root):
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def invert(plan):
    return replace(
        plan,
        blocks=tuple(replace(block, warm=not block.warm) for block in plan.blocks),
        lanes=tuple(replace(lane, warm=not lane.warm) for lane in plan.lanes),
    )


def cue_pixels(plan):
    """Where the cues of a plan of the default size may be."""
    cues = np.zeros(plan.size, bool)
    cues[: int(CUE_DEPTH)] = True
    for lane in plan.lanes:
        columns = slice(0, int(PANEL_WIDTH)) if lane.panel_at_left else slice(-int(PANEL_WIDTH), None)
        cues[int(lane.top) : int(lane.bottom), columns] = True
    return cues


def test_files_lie_and_are_named_as_in_cityscapes(demo):
    names = set(contents(demo))
    scenes = {"train": [("arden", 0), ("arden", 1), ("brook", 0)], "val": [("cliffton", 0), ("dunmere", 0)]}
    assert names == {
        f"{kind}/{split}/{city}/{city}_{sequence:06d}_000019_{suffix}.png"
        for split, frames in scenes.items()
        for city, sequence in frames
        for kind, suffix in (
            ("leftImg8bit", "leftImg8bit"),
            ("gtFine", "gtFine_labelIds"),
            ("gtFine", "gtFine_instanceIds"),
        )
    }
    assert not any("_" in city for cities in CITIES.values() for city in cities)


@pytest.mark.parametrize(("suffix", "mode"), [("leftImg8bit", "RGB"), ("labelIds", "L"), ("instanceIds", "I;16")])
def test_files_have_the_mode_and_size_of_their_kind(demo, suffix, mode):
    paths = list(demo.rglob(f"*{suffix}.png"))
    assert len(paths) == 5
    for path in paths:
        with Image.open(path) as image:
            assert (image.mode, image.size) == (mode, (256, 128))


def test_files_hold_what_was_drawn(demo):
    scene = draw_scene(np.random.default_rng([0, 1, 0]))
    stem = "val/cliffton/cliffton_000000_000019"
    assert np.array_equal(Image.open(demo / f"leftImg8bit/{stem}_leftImg8bit.png"), scene.image)
    assert np.array_equal(Image.open(demo / f"gtFine/{stem}_gtFine_labelIds.png"), scene.label_ids)
    assert np.array_equal(Image.open(demo / f"gtFine/{stem}_gtFine_instanceIds.png"), scene.instance_ids)


def test_every_class_and_no_other_id_is_drawn(drawn):
    present = set(np.unique([scene.label_ids for _, scene in drawn[:10]]).tolist())
    assert present == {label.id for label in DEMO.classes} | VOID


def test_instance_ids_agree_with_the_labels(drawn):
    for _, scene in drawn[:10]:
        things = np.isin(scene.label_ids, list(THINGS))
        assert np.array_equal(scene.instance_ids[things] // 1000, scene.label_ids[things])
        assert np.array_equal(scene.instance_ids[~things], scene.label_ids[~things])


def test_instances_are_numbered_from_zero(drawn):
    for _, scene in drawn[:10]:
        for ident in THINGS & set(scene.label_ids.flat):
            numbers = np.unique(scene.instance_ids[scene.label_ids == ident]) % 1000
            assert numbers.tolist() == list(range(len(numbers)))


def test_flipping_the_coins_changes_the_cues_and_the_labels_only(drawn):
    for plan, scene in drawn[:10]:
        other = render(invert(plan))
        cues = cue_pixels(plan)
        assert np.array_equal(scene.image[~cues], other.image[~cues])
        assert (scene.image[cues] != other.image[cues]).mean() > 0.3
        expected = scene.label_ids.copy()
        for name, swapped in SWAPPED.items():
            expected[scene.label_ids == ID[name]] = ID[swapped]
        assert np.array_equal(other.label_ids, expected)


def test_each_masonry_pixel_stands_under_the_bunting_of_its_class(drawn):
    for plan, scene in drawn[:20]:
        for block in plan.blocks:
            columns = slice(int(block.left), int(block.right))
            found = set(np.unique(scene.label_ids[:, columns]).tolist()) & {ID["building"], ID["wall"]}
            assert found <= {ID["building" if block.warm else "wall"]}
            red, _, blue = scene.image[: int(CUE_DEPTH) - 3, columns].reshape(-1, 3).mean(axis=0)
            assert (red > blue) == block.warm


def test_each_vehicle_pixel_lies_in_the_rows_of_its_panel(drawn):
    for plan, scene in drawn[:20]:
        vehicles = np.isin(scene.label_ids, [ID["car"], ID["bus"]])
        for lane in plan.lanes:
            rows = slice(int(lane.top), int(lane.bottom))
            found = set(np.unique(scene.label_ids[rows]).tolist()) & {ID["car"], ID["bus"]}
            assert found <= {ID["bus" if lane.warm else "car"]}
            vehicles[rows] = False
        assert not vehicles.any()


def test_nine_tenths_of_the_ambiguous_pixels_are_far_from_their_cue(drawn):
    masonry, vehicles = [], []
    for plan, scene in drawn:
        rows, _ = np.nonzero(np.isin(scene.label_ids, [ID["building"], ID["wall"]]))
        masonry.append(rows - CUE_DEPTH)
        for lane in plan.lanes:
            band = scene.label_ids[int(lane.top) : int(lane.bottom)]
            _, columns = np.nonzero(np.isin(band, [ID["car"], ID["bus"]]))
            from_border = columns if lane.panel_at_left else band.shape[1] - 1 - columns
            vehicles.append(from_border - PANEL_WIDTH)
    assert (np.concatenate(masonry) >= BLOCK_CLEARANCE).mean() >= 0.9
    assert (np.concatenate(vehicles) >= LANE_CLEARANCE).mean() >= 0.9


def test_the_classes_of_a_pair_are_equally_common():
    # the coins decide, so the plans tell without drawing: areas follow from the spans
    many = plans(1000)
    blocks = [(block.right - block.left, block.warm) for plan in many for block in plan.blocks]
    lanes = [(1.0, lane.warm) for plan in many for lane in plan.lanes]
    for pair in (blocks, lanes):
        weight, warm = np.array(pair).T
        assert 0.4 < np.average(warm, weights=weight) < 0.6


def test_the_pixels_of_a_pair_are_equally_common(drawn):
    counts = np.bincount(np.concatenate([scene.label_ids.ravel() for _, scene in drawn]), minlength=40)
    for one, other in (("building", "wall"), ("car", "bus")):
        assert 0.4 < counts[ID[one]] / (counts[ID[one]] + counts[ID[other]]) < 0.6


def test_a_scene_of_another_size_has_the_same_parts():
    scene = draw_scene(np.random.default_rng(3), size=(64, 96))
    assert scene.image.shape == (64, 96, 3)
    assert scene.label_ids.shape == scene.instance_ids.shape == (64, 96)
    assert {ID["road"], ID["sky"], ID["sidewalk"]} < set(scene.label_ids.flat)


def test_a_picture_too_narrow_for_the_lanes_is_refused():
    with pytest.raises(ValueError, match="wide"):
        draw_scene(np.random.default_rng(0), size=(128, 128))


def test_a_second_run_writes_the_same_bytes(demo, tmp_path):
    write_demo(tmp_path / "again", train=3, val=2)
    assert contents(tmp_path / "again") == contents(demo)


def test_a_scene_does_not_depend_on_how_many_there_are(demo, tmp_path):
    write_demo(tmp_path / "fewer", train=1, val=1)
    assert contents(tmp_path / "fewer").items() <= contents(demo).items()


def test_another_seed_draws_other_scenes(demo, tmp_path):
    write_demo(tmp_path / "other", train=3, val=2, seed=1)
    ours, others = contents(demo), contents(tmp_path / "other")
    assert ours.keys() == others.keys()
    assert not set(ours.values()) & set(others.values())


def test_an_empty_folder_is_filled(tmp_path):
    root = tmp_path / "empty"
    root.mkdir()
    write_demo(root, train=1, val=1)
    assert len(contents(root)) == 6


@pytest.mark.parametrize("is_file", [True, False])
def test_what_exists_is_not_overwritten(tmp_path, is_file):
    root = tmp_path / "taken"
    note = root if is_file else root / "notes.txt"
    note.parent.mkdir(exist_ok=True)
    note.write_text("mine")
    with pytest.raises(OutputError, match="taken"):
        write_demo(root, train=1, val=1)
    assert note.read_text() == "mine"
    assert list(tmp_path.iterdir()) == [root]


def test_a_split_without_scenes_is_refused(tmp_path):
    with pytest.raises(ValueError, match="val=0"):
        write_demo(tmp_path / "demo", train=1, val=0)


def test_a_folder_that_can_not_be_made_is_an_output_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="file"):
        write_demo(tmp_path / "file" / "demo", train=1, val=1)


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_failure_half_way_leaves_nothing_behind(tmp_path, monkeypatch, error):
    written = []

    def fail_at_the_second(rng, size):
        if written:
            raise error("power cut")
        written.append(True)
        return draw_scene(rng, size)

    monkeypatch.setattr(demo_scenes, "draw_scene", fail_at_the_second)
    with pytest.raises(error):
        write_demo(tmp_path / "demo", train=2, val=1)
    assert written
    assert list(tmp_path.iterdir()) == []


def test_the_loser_of_a_race_leaves_the_winner_alone(tmp_path, monkeypatch):
    root = tmp_path / "demo"

    def draw_while_another_finishes(rng, size):
        root.mkdir(exist_ok=True)
        Path(root, "winner.txt").write_text("first")
        return draw_scene(rng, size)

    monkeypatch.setattr(demo_scenes, "draw_scene", draw_while_another_finishes)
    write_demo(root, train=1, val=1)
    assert set(contents(root)) == {"winner.txt"}
    assert list(tmp_path.iterdir()) == [root]
