"""``prepare paste_zones``, in a fresh folder."""

from pathlib import Path

import numpy as np
import pytest
from conftest import SMALL, Run

from segrnn.datasets import Folder
from segrnn.datasets.demo_pages import write_demo_pages

ZONES = "classes=['running title','page number','quire mark','margin text']"
PASTE = ("prepare", "paste_zones", "data.root=pages", "body='main zone'", ZONES, "output=more", "workers=0")


@pytest.fixture
def pages(run: Run) -> Path:
    write_demo_pages(Path("pages"), train=8, val=2)
    return Path("pages")


def files(folder: str) -> dict[str, bytes]:
    paths = sorted(path for path in Path(folder).rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def test_a_copy_has_the_pages_and_their_variants_and_trains(pages: Path, run: Run, capsys) -> None:
    assert run(*PASTE) == 0
    told = capsys.readouterr().out
    assert "zones were pasted: running title " in told
    assert "python -m segrnn.train data=folder data.root=more trains on the copy and the variants" in told
    copy, original = Folder("more", "train"), Folder("pages", "train")
    variants = [pair.name for pair in copy.pairs if pair.name.startswith("variant_")]
    assert len(copy) == len(original) + len(variants)
    assert {name.partition("/")[0] for name in variants} == {"variant_1", "variant_2"}
    own = {pair.name: copy[index] for index, pair in enumerate(copy.pairs)}
    for sample in original:
        assert np.array_equal(own[sample.name].image, sample.image)
        assert np.array_equal(own[sample.name].mask, sample.mask)
    for name in variants:
        page = own[name.partition("/")[2]]
        new = set(np.unique(own[name].mask)) - set(np.unique(page.mask))
        assert new
        assert new <= {2, 3, 4, 7}
        same = own[name].mask == page.mask
        assert np.array_equal(own[name].image[same], page.image[same])
    both = Folder("more", "val"), Folder("pages", "val")
    assert [pair.name for pair in both[0].pairs] == [pair.name for pair in both[1].pairs]
    data = ["data=folder", "data.root=more", "data.crop=[64,44]", "data.flip=0"]
    assert run("train", *SMALL, *data, "data.crop=[32,32]") == 0


def test_the_number_of_processes_does_not_matter_and_the_seed_does(pages: Path, run: Run) -> None:
    for output, changes in {"one": [], "two": ["workers=2"], "other": ["seed=1"], "single": ["variants=1"]}.items():
        assert run(*PASTE, f"output={output}", *changes) == 0
    assert files("one") == files("two")
    assert files("one") != files("other")
    assert files("single") == {name: held for name, held in files("one").items() if "variant_2" not in name}


def test_mistakes_are_told_and_leave_nothing_behind(pages: Path, run: Run, capsys) -> None:
    cases = {
        "body='main zon'": "body has 'main zon' (did you mean main zone?); the classes are background, main zone",
        "classes=[title]": "classes has 'title'; the classes are",
        "classes=['main zone']": "classes has main zone, which is the body or the background: leave it out",
        "classes=[]": "classes=[]",
        "background=paper": "background has 'paper'; the classes",
        "splits=[val]": "splits=['val'] does not have data.train_split=train: add it",
        "body=graphic": "no page of train has bare paper for a zone that it lacks",
        "variants=0": "variants=0",
        "chance=2": "chance=2",
        "output=pages": "pages exists already",
        "data.root=nowhere": "nowhere",
        "body='page number' classes=['running title']": "nothing can be pasted from 8 pages of train",
    }
    for overrides, told in cases.items():
        assert run(*PASTE, *overrides.replace(" classes", "|classes").split("|")) == 2, overrides
        error = capsys.readouterr().err
        assert told in error
        assert "Traceback" not in error
        assert not Path("more").exists()
