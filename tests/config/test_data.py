"""The data that a trained network names: it is read as it stands there, and nothing is drawn or written for it."""

import os
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from conftest import composed

from segrnn.config.data import build_dataset, build_scored, lay_over
from segrnn.errors import ConfigError, DataError
from segrnn.images import Preprocessing
from segrnn.inference import ModelInfo
from segrnn.labels import DEMO


def info_with(**data: Any) -> ModelInfo:
    recipe = asdict(composed("data=demo").data) | data
    return ModelInfo({}, DEMO, Preprocessing((0.5,) * 3, (0.5,) * 3), {}, {"config": {"data": recipe}})


@pytest.mark.parametrize(
    "text",
    [
        "${oc.env:SECRET}",
        "a ${oc.env:SECRET} b",
        "${oc.decode:${oc.env:SECRET}}",
        "${hydra:runtime.cwd}",
        "${data.root}",
        "${oc.create:{a: 1}}",
        "\\${oc.env:SECRET}",
        "$" + "{",
        "${now:%Y}",
    ],
)
def test_what_looks_like_an_interpolation_stays_as_it_is(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "s3cr3t")
    dataset = {"_target_": "segrnn.datasets.Cityscapes", "annotations": [text, {"deep": text}], "_partial_": True}
    data = lay_over({"split": None}, info_with(name=text, root=text, dataset=dataset))
    assert (data.name, data.root, data.dataset) == (text, text, dataset)
    assert "s3cr3t" not in str(data)
    assert os.environ["SECRET"] == "s3cr3t"


def test_a_number_is_none_that_an_interpolation_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "7")
    with pytest.raises(ConfigError, match=r"data\.workers"):
        lay_over({}, info_with(workers="${oc.env:SECRET}"))


@pytest.mark.parametrize("config", [7, [], {"data": []}, {"data": "x"}, None])
def test_a_file_without_a_recipe_needs_to_be_told(config: Any) -> None:
    info = ModelInfo({}, DEMO, Preprocessing((0.5,) * 3, (0.5,) * 3), {}, {"config": config})
    with pytest.raises(ConfigError, match="data"):
        lay_over({"name": "x"}, info)


def test_nothing_is_drawn_where_only_the_file_says_so(tmp_path: Path) -> None:
    there = tmp_path / "there"
    with pytest.raises(DataError, match=r"does not exist here: say where the data is with data\.root="):
        build_scored({"root": None}, info_with(root=str(there)))
    assert not there.exists()


@pytest.mark.parametrize(
    "component",
    [
        {"_target_": "segrnn.datasets.demo_scenes.write_demo", "root": "new"},
        {"_target_": "segrnn.dataset_tools.extract.extract_archive", "archive": "x.zip", "output": "new"},
        {"_target_": "segrnn.dataset_tools.download.download_files", "folder": "new", "files": {}},
        {"_target_": "segrnn.datasets.EndlessSampler", "length": 3},
        {"_target_": "os.mkdir", "path": "new"},
        {"_target_": "segrnn.datasets.Cityscapes", "annotations": {"_target_": "segrnn.datasets.Demo", "root": "new"}},
        {
            "_target_": "segrnn.datasets.Cityscapes",
            "annotations": [{"_target_": "segrnn.dataset_tools.extract.extract_archive", "archive": "x.zip"}],
        },
        {"_target_": None},
        {},
    ],
)
def test_only_datasets_are_built(component: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r"data\.dataset"):
        build_dataset(replace(composed().data, root=str(tmp_path), dataset=component), "train")
    assert not list(tmp_path.iterdir())


def test_splits_can_be_used_together(camvid: Path) -> None:
    data = composed("data=camvid", f"data.root={camvid}").data
    parts = [build_dataset(data, split) for split in ("train", "val")]
    both = build_dataset(data, "train+val")
    assert both.split == "train+val"
    assert [pair.image for pair in both.pairs] == [pair.image for part in parts for pair in part.pairs]
    last = both[len(both) - 1]
    assert (last.mask == parts[1][-1].mask).all()
    assert len(parts[0]) + len(parts[1]) == len(both)
    assert len(build_dataset(data, "train")) == len(parts[0])  # nothing was changed


def test_names_of_two_splits_stay_apart(own_folder: Path) -> None:
    data = composed("data=folder", f"data.root={own_folder}").data
    for kind in ("images", "masks"):
        for path in list((own_folder / kind / "train").rglob("*.*")):
            twin = own_folder / kind / "val" / path.relative_to(own_folder / kind / "train")
            twin.parent.mkdir(parents=True, exist_ok=True)
            twin.write_bytes(path.read_bytes())
    both = build_dataset(data, "train+val")
    names = [pair.name for pair in both.pairs]
    assert len(set(names)) == len(names)
    assert {name.partition("/")[0] for name in names} == {"train", "val"}
    assert both[0].name == names[0]


def test_a_split_can_not_be_used_twice(camvid: Path) -> None:
    data = composed("data=camvid", f"data.root={camvid}").data
    with pytest.raises(ConfigError, match=r"the split train\+val\+train names train twice"):
        build_dataset(data, "train+val+train")
    with pytest.raises(DataError, match="holds no images of the split 'tset'"):
        build_dataset(data, "train+tset")
