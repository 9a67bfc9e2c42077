from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segrnn.datasets import Cityscapes, Demo, demo_scenes
from segrnn.datasets.demo_scenes import draw_scene, plan_scene, render, write_demo
from segrnn.errors import OutputError
from segrnn.labels import CITYSCAPES, DEMO

ID = {label.name: label.id for label in CITYSCAPES.labels}
OTHER = {"building": "wall", "wall": "building", "car": "bus", "bus": "car"}


@pytest.fixture(scope="module")
def scenes() -> list[demo_scenes.Scene]:
    return [draw_scene(np.random.default_rng([7, index])) for index in range(40)]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("demo") / "deep" / "demo"
    write_demo(root, train=3, val=2)
    return root


def files(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_layout_is_that_of_cityscapes(root: Path) -> None:
    names = files(root)
    assert len(names) == 3 * 5
    assert "leftImg8bit/train/arden/arden_000000_000019_leftImg8bit.png" in names
    assert "gtFine/val/dunmere/dunmere_000000_000019_gtFine_instanceIds.png" in names
    with Image.open(root / "gtFine/train/arden/arden_000000_000019_gtFine_instanceIds.png") as instances:
        assert instances.mode == "I;16"
    assert len(Cityscapes(str(root), "train")) == 3
    sample = Demo(str(root), "val")[0]
    assert sample.image.shape == (128, 256, 3)
    assert set(np.unique(sample.mask)) <= {*range(DEMO.num_classes), 255}


def test_the_same_seed_gives_the_same_bytes(root: Path, tmp_path: Path) -> None:
    write_demo(tmp_path / "again", train=3, val=2)
    assert files(tmp_path / "again") == files(root)
    write_demo(tmp_path / "other", train=3, val=2, seed=1)
    assert files(tmp_path / "other").keys() == files(root).keys()
    assert not set(files(tmp_path / "other").values()) & set(files(root).values())


def test_every_class_occurs_and_no_other(scenes: list[demo_scenes.Scene]) -> None:
    ids = {int(value) for scene in scenes for value in np.unique(scene.label_ids)}
    assert ids - {ID["static"], ID["ego vehicle"]} == {label.id for label in DEMO.classes}


def test_instances_are_numbered_from_zero(scenes: list[demo_scenes.Scene]) -> None:
    for scene in scenes:
        things = scene.instance_ids >= 1000
        assert (np.where(things, scene.instance_ids // 1000, scene.instance_ids) == scene.label_ids).all()
        assert (things == np.isin(scene.label_ids, [ID["person"], ID["car"], ID["bus"]])).all()
        for kind in ("person", "car", "bus"):
            numbers = {int(value) % 1000 for value in np.unique(scene.instance_ids) if value // 1000 == ID[kind]}
            assert len(numbers) <= 12


@pytest.mark.parametrize("index", range(6))
def test_the_pairs_differ_in_their_cues_alone(index: int) -> None:
    plan = plan_scene(np.random.default_rng(index))
    swapped = replace(
        plan,
        blocks=tuple(replace(block, kind=OTHER[block.kind]) for block in plan.blocks),
        lanes=tuple(replace(lane, kind=OTHER[lane.kind]) for lane in plan.lanes),
    )
    one, two = render(plan), render(swapped)
    differ = (one.image != two.image).any(axis=2)
    assert differ.any()
    bunting = one.label_ids == ID["static"]
    panels = np.zeros_like(bunting)
    panels[88:, :16] = panels[88:, -16:] = True
    cues = bunting | panels
    cues[:9] = True  # half-covered pixels at the bunting's hem
    assert not (differ & ~cues).any()
    for name, other in OTHER.items():
        assert ((one.label_ids == ID[name]) == (two.label_ids == ID[other])).all()


def test_most_of_each_pair_is_far_from_its_cue(scenes: list[demo_scenes.Scene]) -> None:
    labels = np.stack([scene.label_ids for scene in scenes])
    rows, columns = np.mgrid[:128, :256]
    below_bunting = np.broadcast_to(rows - 8, labels.shape)[np.isin(labels, [ID["building"], ID["wall"]])]
    from_panel = np.broadcast_to(np.minimum(columns - 16, 240 - columns), labels.shape)[
        np.isin(labels, [ID["car"], ID["bus"]])
    ]
    assert (below_bunting >= 48).mean() > 0.85
    assert (from_panel >= 64).mean() > 0.85


def test_each_class_of_a_pair_is_as_frequent_as_the_other() -> None:
    kinds = [
        [part.kind for part in (*plan.blocks, *plan.lanes)]
        for plan in (plan_scene(np.random.default_rng([1, index])) for index in range(300))
    ]
    flat = [kind for scene in kinds for kind in scene]
    for one, other in (("building", "wall"), ("car", "bus")):
        assert 0.45 < flat.count(one) / (flat.count(one) + flat.count(other)) < 0.55


def test_nothing_is_overwritten(root: Path) -> None:
    before = files(root)
    with pytest.raises(OutputError, match=f"{root} exists already"):
        write_demo(root)
    assert files(root) == before


def test_a_failure_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = []

    def fail_on_the_third(rng: np.random.Generator) -> demo_scenes.Scene:
        drawn.append(1)
        if len(drawn) == 3:
            raise OSError("No space left on device")
        return draw_scene(rng)

    monkeypatch.setattr(demo_scenes, "draw_scene", fail_on_the_third)
    with pytest.raises(OutputError, match="No space left on device"):
        write_demo(tmp_path / "demo")
    assert list(tmp_path.iterdir()) == []


def test_the_loser_of_a_race_drops_its_copy(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "demo"

    def meanwhile_another_process(rng: np.random.Generator) -> demo_scenes.Scene:
        if not target.exists():
            target.mkdir()
            (target / "theirs").write_text("first")
        return draw_scene(rng)

    monkeypatch.setattr(demo_scenes, "draw_scene", meanwhile_another_process)
    write_demo(target, train=1, val=1)
    assert files(target) == {"theirs": b"first"}
    assert list(tmp_path.iterdir()) == [target]


def test_a_narrow_scene_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1.75 times as wide as high, got 128 x 200"):
        draw_scene(np.random.default_rng(0), (128, 200))
