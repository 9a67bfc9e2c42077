"""The verdict on recurrent context, by rules that were fixed before the runs, and the table and the picture of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path

import pytest
import worth
from comparisons import COMPARISONS, RECURRENT
from matplotlib.figure import Figure
from records import Record, compose_settings, is_recorded, place
from verdict import dominators, judge


def scores(**arms: list[float]) -> dict[str, dict[int, float]]:
    return {name: dict(enumerate(own)) for name, own in arms.items()}


@pytest.mark.parametrize(
    ("arms", "verdict"),
    [
        ({"none": [40, 41, 42], "renet_gru": [44, 45, 46]}, "worth it: over the seeds 1, 2, renet_gru has 45.50"),
        ({"none": [40, 41, 42], "renet_gru": [44, 41.5, 42.6]}, "undecided: over the seeds 1, 2"),  # less than a point
        ({"none": [40, 41, 42], "renet_gru": [44, 50, 41]}, "undecided: over the seeds 1, 2"),  # not in every seed
        ({"none": [40, 41, 42], "renet_gru": [60, 40, 42]}, "refuted: over the seeds 1, 2"),
        ({"none": [40, 41], "aspp": [30, 45], "renet_gru": [44, 46]}, "best without recurrence, aspp, has 45.00"),
        # seed 0 chooses, however well another does later
        ({"none": [40, 41], "renet_gru": [44, 42], "renet_lstm": [43, 99]}, "renet_gru has 42.00"),
        ({"none": [40], "renet_gru": [44]}, "undecided: renet_gru is chosen, and no arm without recurrence shares"),
        ({"none": [40, 41]}, "undecided: no arm with recurrence has a run of seed 0"),
    ],
)
def test_the_verdict(arms: dict[str, list[float]], verdict: str) -> None:
    assert verdict in judge(scores(**arms), RECURRENT)


def test_an_arm_without_the_seeds_that_confirm_is_no_rival() -> None:
    assert "none, has 41.00" in judge(scores(none=[40, 41], aspp=[90], renet_gru=[44, 45]), RECURRENT)


def test_the_front_of_score_against_cost() -> None:
    points = {"a": (1.0, 50.0), "b": (2.0, 60.0), "c": (2.0, 55.0), "d": (3.0, 60.0), "e": (1.0, 50.0)}
    assert {name: dominators(points, name) for name in points} == {
        "a": [],
        "b": [],
        "c": ["b"],
        "d": ["b"],
        "e": [],
    }


def test_every_question_can_be_answered() -> None:
    for name, comparison in COMPARISONS.items():
        assert set(comparison.arms) - RECURRENT, name
        assert set(comparison.arms) & RECURRENT, name
        assert set(comparison.front) <= set(comparison.arms), name
        assert comparison.whole in {"", *comparison.arms}, name


def arm(name: str, *mious: float, parameters: int = 1000) -> worth.Arm:
    """An arm with a run of each seed, on one class."""
    scores = [{"miou": miou / 100, "pixel_accuracy": 0.9, "per_class": {"sky": {"iou": miou / 100}}} for miou in mious]
    records = [Record(name, {"seed": seed}, 1, own) for seed, own in enumerate(scores)]
    return worth.Arm(records, parameters, 0, 10.0, 20.0)


def test_an_ablation_has_differences_and_no_verdict(tmp_path: Path) -> None:
    arms = {"recipe": arm("recipe", 60, 62), "renet_gru": arm("renet_gru", 63)}
    worth.report("camvid_recipe", ["experiment=camvid"], arms, tmp_path)
    page = (tmp_path / "camvid_recipe.md").read_text()
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in page.splitlines() if line.startswith("| r")]
    assert [row[3:6] for row in rows[:2]] == [["61.00", "", "60.00, 62.00"], ["63.00", "+3.00", "63.00"]]
    assert "Verdict" not in page


def test_every_arm_is_inside_the_picture(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    drawn = []

    @contextmanager
    def kept(path: Path, size: tuple[float, float]) -> Iterator[Figure]:
        drawn.append(Figure(size))
        yield drawn[-1]

    monkeypatch.setattr(worth, "picture", kept)
    worth.draw({"none": arm("none", 60), "renet_gru": arm("renet_gru", 63, parameters=9_000_000)}, tmp_path / "a.png")
    for axes in drawn[0].axes:
        (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
        points = [tuple(marks.get_offsets()[0]) for marks in axes.collections]
        assert len(points) == 2
        assert all(left < x < right and low < y < high for x, y in points)


def test_a_record_is_known_by_its_whole_configuration(tmp_path: Path) -> None:
    settings = compose_settings(["experiment=camvid"], 1)
    assert not is_recorded(place(tmp_path, "recipe", 1), settings)
    Record("recipe", settings, 1, {}).write(tmp_path)
    assert is_recorded(place(tmp_path, "recipe", 1), settings)

    same = deepcopy(settings)
    same["data"]["workers"] = 3  # as on another machine
    assert is_recorded(place(tmp_path, "recipe", 1), same)

    for group, key, value in [("loss", "losses", {}), ("optimizer", "lr", 0.5), ("data", "color", 0.9)]:
        other = deepcopy(settings)
        other[group][key] = value  # as when a file in conf/ has changed: the overrides would be the same
        with pytest.raises(SystemExit, match=rf"recipe-seed1\.json is of a run with other settings \({group}\.{key}"):
            is_recorded(place(tmp_path, "recipe", 1), other)


def test_an_option_that_is_newer_than_a_record_has_its_default(tmp_path: Path) -> None:
    settings = compose_settings(["experiment=camvid"], 0)
    older = deepcopy(settings)
    del older["trainer"]["compile"]
    Record("recipe", older, 1, {}).write(tmp_path)
    assert is_recorded(place(tmp_path, "recipe", 0), settings)
    settings["trainer"]["compile"] = True
    with pytest.raises(SystemExit, match=r"\(trainer\.compile: False -> True\): choose another --results"):
        is_recorded(place(tmp_path, "recipe", 0), settings)


@pytest.mark.parametrize(
    "content", ["", "{}", "[]", '{"arm": "none", "settings": {"nonsense": 1}, "seconds": 1, "scores": {}}']
)
def test_a_broken_record_is_refused(content: str, tmp_path: Path) -> None:
    path = place(tmp_path, "none", 0)
    path.write_text(content)
    with pytest.raises(SystemExit, match=r"none-seed0\.json is not the record of a run .*delete it to train the run"):
        is_recorded(path, {})


def test_an_override_that_is_not_possible_is_told() -> None:
    with pytest.raises(SystemExit, match=r"^error: .*breadth"):
        compose_settings(["experiment=camvid", "model.breadth=3"], 0)
