"""A new run with the settings of an earlier one, and the record of how a run was started."""

import shlex
from importlib.metadata import version
from pathlib import Path

import pytest
import segrnn.conf
import torch
import yaml
from conftest import SMALL, Run, composed
from hydra.core.config_store import ConfigStore

import segrnn
from segrnn.config.composition import compose
from segrnn.config.from_run import _REFERENCES
from segrnn.config.parsing import plain
from segrnn.config.schema import Train
from segrnn.training import SegmentationModule

RECIPE = [*SMALL, "data=camvid", "augment=strong", "+model.dropout=0.3", "loss=cross_entropy_dice", "seed=7"]


@pytest.fixture
def losses(monkeypatch: pytest.MonkeyPatch) -> list[torch.Tensor]:
    """The loss of every step that is taken."""
    taken: list[torch.Tensor] = []
    original = SegmentationModule.training_step

    def recorded(module: SegmentationModule, batch: tuple) -> dict:
        result = original(module, batch)
        taken.append(result["loss"])
        return result

    monkeypatch.setattr(SegmentationModule, "training_step", recorded)
    return taken


def save(folder: str, *overrides: str) -> dict:
    """Write the configuration of a run, as the run does."""
    config = plain(composed(*overrides))
    Path(folder).mkdir(parents=True)
    Path(folder, "config.yaml").write_text(yaml.safe_dump(config))
    return config


def test_the_settings_are_those_of_the_run(run: Run) -> None:
    before = save("a", *RECIPE, "data.root=x", "run_id=a", "trainer.patience=3", "encoder.freeze=2", "callbacks=[]")
    after = plain(compose(Train, ["from=a", "run_id=b"]))
    assert after == {**before, "run_id": "b", "from_run": "a"}
    assert "as_in_run.yaml" not in str(ConfigStore.instance().repo)
    assert plain(composed("run_id=c"))["seed"] == 0


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (["context=none"], {"context._target_": None}),
        (["encoder=resnet18"], {"encoder.name": "resnet18", "model.encoder_name": "resnet18", "model.dropout": 0.3}),
        (["model=blla"], {"encoder.name": "blla", "context._target_": None}),
        (["augment=none"], {"data.augment": [], "data.name": "camvid"}),
        (["debug=overfit"], {"trainer.max_steps": 200, "data.split": "train", "data.batch_size": 4}),
        (["experiment=camvid"], {"trainer.max_steps": 1500, "model.detail": 4, "data.batch_size": 8}),
        (["trainer=ddp_cpu"], {"trainer.strategy": "ddp", "trainer.max_steps": 3}),
        (["trainer.epochs=2"], {"trainer.epochs": 2.0, "trainer.max_steps": None}),
        (["loss.weights.dice=3"], {"loss.weights.dice": 3}),
        (["+optimizer.optimizer.eps=1e-5", "~model.dropout"], {"optimizer.optimizer.eps": 1e-5}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_changes_work_as_they_do_on_the_defaults(changes: list[str], expected: dict, run: Run) -> None:
    save("a", *RECIPE, "data.root=x")
    config = plain(compose(Train, ["from=a", *changes]))
    assert config["seed"] == 7
    for key, value in expected.items():
        node = config
        for part in key.split("."):
            node = node[part]
        assert node == value, key


def test_what_follows_another_value_is_known() -> None:
    """A file of conf/ that refers to another group needs a line in _REFERENCES."""
    followers = set()
    for leaf in Path(segrnn.conf.__file__).parent.glob("*/*.yaml"):
        for line in leaf.read_text().splitlines():
            name, _, value = line.partition(": ")
            if "${" in value and "oc.env" not in value and leaf.parent.name not in ("debug", "experiment"):
                followers.add((leaf.parent.name, name.strip(), value.partition("${")[2].partition("}")[0]))
    known = {(key.split(".")[0], key.split(".")[-1], leader) for key, leader in _REFERENCES.items()}
    assert followers == known


@pytest.mark.slow
def test_a_repeated_run_is_the_same_to_the_bit(
    run: Run, camvid: Path, losses: list, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [*RECIPE, f"data.root={camvid}", "trainer.max_steps=20", "trainer.validate_every_n_steps=20"]
    assert run("train", *arguments, "run_id=a") == 0
    first = losses.copy()
    losses.clear()
    capsys.readouterr()
    assert run("train", "from=runs/train/a", "run_id=b") == 0
    assert "the settings are those of runs/train/a\n" in capsys.readouterr().out
    assert len(first) == 20
    assert torch.equal(torch.stack(losses), torch.stack(first))
    losses.clear()
    command = yaml.safe_load(Path("runs/train/b/starts.yaml").read_text())["command"]
    assert run("train", *shlex.split(command)[3:], "run_id=c") == 0  # of a repeated run, too
    assert torch.equal(torch.stack(losses), torch.stack(first))


@pytest.mark.slow
def test_the_record_of_starts_and_what_differs(run: Run, camvid: Path, capsys: pytest.CaptureFixture[str]) -> None:
    typed = [*RECIPE, f"data.root={camvid}", "run_id=a", "trainer.max_steps=1", "examples.count=${trainer.max_steps}"]
    assert run("train", *typed) == 0
    (start,) = yaml.safe_load_all(Path("runs/train/a/starts.yaml").read_text())
    assert start["overrides"] == typed
    assert shlex.split(start["command"])[:3] == ["python", "-m", "segrnn.train"]
    assert set(shlex.split(start["command"])[3:]) == set(start["overrides"]) - {"run_id=a"}
    assert start["folder"] == str(Path.cwd())
    assert start["versions"]["torch"] == version("torch")
    assert start["versions"]["segrnn"] == segrnn.__version__
    assert {"time", "step", "processes", "commit", "python"} <= set(start)

    capsys.readouterr()
    again = ["from=runs/train/a", "run_id=b", "trainer.max_steps=2", "ckpt=auto"]
    assert run("train", *again) == 0
    told = "the settings are those of runs/train/a, except:\n  trainer.max_steps: 1 -> 2\n"
    assert told in capsys.readouterr().out
    assert run("train", *again, "trainer.max_steps=3") == 0  # the new run is continued, not the earlier one
    assert "step 2 of 3" in capsys.readouterr().out.replace("\n", " ")
    starts = list(yaml.safe_load_all(Path("runs/train/b/starts.yaml").read_text()))
    assert [start["step"] for start in starts] == [0, 2]
    assert starts[0]["command"] == "python -m segrnn.train from=runs/train/a trainer.max_steps=2"


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ["from=nowhere"],
            "from=nowhere is not the folder of a run: nowhere/config.yaml can't be read (No such file or",
        ),
        (["from=empty"], "from=empty is not the folder of a run: empty/config.yaml can't be read"),
        (["from=damaged"], "from=damaged: damaged/config.yaml can't be read as YAML: "),
        (["from=list"], "from=list: list/config.yaml must hold the keys of a training, and holds something else"),
        (
            ["from=old"],
            "old/config.yaml has keys that segrnn 0.1.0 does not have: data.warps, trainer.warp, speed. Copy the file",
        ),
        (
            ["from=a", "ckpt=a/last.ckpt"],
            "from=a starts a new run with the settings of another, and ckpt=a/last.ckpt con",
        ),
        (
            ["from=a", "trainer.max_step=3"],
            "no 'trainer.max_step' in the configuration (did you mean trainer.max_steps?)",
        ),
        (["from=a", "context=renet_gr"], "context has no option 'renet_gr' (did you mean renet_gru?)"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_mistakes_are_explained(overrides: list[str], message: str, run: Run, capsys: pytest.CaptureFixture) -> None:
    config = save("a", *RECIPE, "data.root=x")
    for name in ("empty", "damaged", "list", "old"):
        Path(name).mkdir()
    Path("damaged/config.yaml").write_text("trainer: {")
    Path("list/config.yaml").write_text("- 1")
    changed = {"trainer": {**config["trainer"], "warp": 1}, "data": {**config["data"], "warps": 1}, "speed": 9}
    Path("old/config.yaml").write_text(yaml.safe_dump({**config, **changed}, sort_keys=False))
    before = sorted(Path().rglob("*"))
    assert run("train", *overrides) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: {message}") or message in error
    assert "Traceback" not in error
    assert sorted(Path().rglob("*")) == before


def test_a_search_does_not_take_it(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    space = "study.space={optimizer.lr: {low: 1e-4, high: 1e-1}}"
    assert run("search", "study.name=s", space, "from=a") == 2
    assert "from=a repeats one run, and a search has many" in capsys.readouterr().err
