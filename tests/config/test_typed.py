"""Texts of the command line come through as they were typed; other values get a sentence where they don't fit."""

from pathlib import Path

import pytest
import yaml
from conftest import SMALL, Run
from hydra.core.override_parser.overrides_parser import OverridesParser

from segrnn.config.command import CONF
from segrnn.config.composition import compose
from segrnn.config.schema import Evaluate, Predict
from segrnn.config.typed import quote_texts
from segrnn.errors import ConfigError

ODD = ["2031_01_02", "7e5", "0x1F", "007", "1.50", "yes", "TRUE", "nan", "-inf", "1:30", "null", "+5", "3_", "1e", ".5"]
ODD += [
    "a=b",
    "a b",
    "(1)",
    "[x]",
    "{y}",
    "a,b",
    "~me",
    "$5",
    "été",
    "it's",
    "#1",
    "a;b",
    "x\\y",
    "c:\\z",
    'a"b',
    "@",
    "'",
    "日本",
]


def read(argument: str, config_name: str = "train") -> object:
    (quoted,) = quote_texts([argument], config_name, CONF)
    return OverridesParser.create().parse_override(quoted).value()


@pytest.mark.parametrize("text", ODD)
@pytest.mark.parametrize(
    ("config_name", "key"),
    [
        ("train", "run_id"),
        ("train", "++data.root"),
        ("train", "hydra.run.dir"),
        ("evaluate", "data.split"),
        ("predict", "output"),
        ("prepare_extract", "archive"),
        ("prepare_import_kraken", "file"),
        ("search", "study.name"),
        ("train", "logger.project"),
    ],
)
def test_a_text_is_what_was_typed(text: str, config_name: str, key: str) -> None:
    if "logger" in key:
        if text in ("[x]", "{y}"):
            pytest.skip("an argument of a component can be a list or hold keys")
        (_, quoted) = quote_texts(["logger=wandb", f"{key}={text}"], config_name, CONF)
        value = OverridesParser.create().parse_override(quoted).value()
        assert value == (None if text == "null" else text)
    else:
        assert read(f"{key}={text}", config_name) == text


@pytest.mark.slow
@pytest.mark.parametrize("text", sorted({*ODD} - {"[x]"}))
@pytest.mark.parametrize("command", [Evaluate, Predict])
def test_a_text_stands_for_a_list_of_one(text: str, command: type[Evaluate] | type[Predict]) -> None:
    others = [] if command is Evaluate else ["input=a", "output=b"]
    if (command, text) == (Evaluate, "null"):
        assert compose(Evaluate, ["ckpt=null", "masks=a"]).ckpt is None
    elif text == "null":
        with pytest.raises(ConfigError, match="ckpt=null must be a list of texts"):
            compose(Predict, ["ckpt=null", *others])
    else:
        assert compose(command, [f"ckpt={text}", *others]).ckpt == [text]


def test_lists_of_checkpoints() -> None:
    for text, expected in {
        "[a]": ["a"],
        "[2031_01_02, 7e5,été,a b]": ["2031_01_02", "7e5", "été", "a b"],
        """["a (1)",'[b]']""": ["a (1)", "[b]"],
        "[a].ckpt": ["[a].ckpt"],
    }.items():
        assert compose(Predict, [f"ckpt={text}", "input=a", "output=b"]).ckpt == expected
    for wrong in ("ckpt=[a,[b]]", "ckpt=[{a: b}]"):
        with pytest.raises(ConfigError, match="must be a list of texts"):
            compose(Predict, [wrong, "input=a", "output=b"])
    _, sweep, list_of_two = quote_texts(["-m", "ckpt=1_0,b", "++ckpt=[1_0,b]"], "evaluate", CONF)
    assert (sweep, list_of_two) == ("ckpt='1_0',b", "++ckpt=['1_0',b]")
    for nothing in ("ckpt=", "ckpt=[]"):
        with pytest.raises(ConfigError, match=r"ckpt=\[\] must contain at least one checkpoint"):
            compose(Predict, [nothing, "input=a", "output=b"])


def test_quoting_twice_changes_nothing() -> None:
    """Lightning starts its processes with this process's command line."""
    for text in ODD:
        once = quote_texts([f"run_id={text}"], "train", CONF)
        if len(text) > 1 or text != "'":
            assert quote_texts(once, "train", CONF) == once


def test_what_need_not_change_stays() -> None:
    same = [
        "ckpt=null",
        "weights=NULL",
        "ckpt=auto",
        "run_id=mine",
        "data.root='a b'",
        'data.root="7e5"',
        "~logger.tags",
    ]
    same += [
        "hydra.run.dir=runs/${run_id}",
        "trainer.max_steps=1_000",
        "seed=1,2",
        "data.crop=[64,64]",
        "examples.names=x",
    ]
    same += [
        "optimizer.lr=1e-3",
        "context.hidden=1_0",
        "nonsense",
        "nonsense.key=1_0",
        "--cfg",
        "study=1_0",
        "data.workers=0",
    ]
    assert quote_texts(same, "train", CONF) == same


def test_lists_sweeps_and_arguments() -> None:
    for argument, config_name, expected in [
        ("splits=[2031_1, 2_0,a]", "prepare_check", ["2031_1", "2_0", "a"]),
        ("examples.names=[7e5,été]", "train", ["7e5", "été"]),
        ("allow=[mine.,1_0]", "train", ["mine.", "1_0"]),
        ("contexts=[1_0]", "benchmark_contexts", ["1_0"]),
    ]:
        assert read(argument, config_name) == expected
    _, sweep = quote_texts(["-m", "run_id=1_0,2_0,a"], "train", CONF)
    assert sweep == "run_id='1_0','2_0',a"
    _, tags, entity = quote_texts(["logger=wandb", "logger.tags=[1_0]", "logger.entity=7e5"], "train", CONF)
    assert (tags, entity) == ("logger.tags=['1_0']", "logger.entity='7e5'")


@pytest.mark.slow
def test_a_run_lies_where_it_was_told(run: Run, camvid: Path) -> None:
    data = camvid.rename(camvid.with_name("1_000 (é)"))
    arguments = [*SMALL, "data=camvid", f"data.root={data}", "trainer.max_steps=1", "data.name=1.0"]
    assert run("train", *arguments, "run_id=7e5") == 0
    assert [path.name for path in Path("runs/train").iterdir()] == ["7e5"]
    config = yaml.safe_load(Path("runs/train/7e5/config.yaml").read_text(encoding="utf-8"))
    assert (config["run_id"], config["data"]["name"], config["data"]["root"]) == ("7e5", "1.0", str(data))
    ckpt = "ckpt=runs/train/7e5/checkpoints/last.ckpt"
    assert run("predict", ckpt, f"input={data}/val", "output=2031_01_02") == 0
    assert len(list(Path("2031_01_02").glob("*.png"))) == 5
    assert run("evaluate", ckpt, "hydra.run.dir=1_0", "data.workers=0") == 0
    assert Path("1_0/metrics.json").is_file()


@pytest.mark.slow
def test_the_runs_of_a_sweep_lie_where_they_were_told(run: Run, camvid: Path) -> None:
    arguments = [*SMALL, "data=camvid", f"data.root={camvid}", "trainer.max_steps=1", "hydra.sweep.dir=2031_1"]
    assert run("train", "-m", *arguments, "run_id=1_0,2_0") == 0
    found = [yaml.safe_load(path.read_text(encoding="utf-8"))["run_id"] for path in Path("2031_1").rglob("config.yaml")]
    assert sorted(found) == ["1_0", "2_0"]


@pytest.mark.parametrize(
    ("command", "override", "message"),
    [
        (["train"], "data.crop=96", "data.crop=96 must be a list of 2 whole numbers: data.crop=[96,96]"),
        (["train"], "data.scale=0.5", "data.scale=0.5 must be a list of 2 numbers: data.scale=[0.5,0.5]"),
        (["train"], "data.base_size=256", "or null: data.base_size=[256,256]"),
        (["train"], "data.crop=[96,b]", "data.crop=[96,b] must be a list of 2 whole numbers, in brackets"),
        (["train"], "data.crop={a: 1}", "data.crop={a: 1} has another form than what it replaces"),
        (["train"], "encoder.std=1", "encoder.std=[1]"),
        (["train"], "examples.names=a.png", "examples.names=a.png must be a list of texts: examples.names=[a.png]"),
        (["train"], "trainer.max_steps=2.5", "trainer.max_steps=2.5 must be a whole number or null\n"),
        (["train"], "trainer.max_steps=2e3", "must be a whole number or null: trainer.max_steps=2000\n"),
        (["train"], "trainer.max_steps=[3]", "trainer.max_steps=[3] must be a whole number or null\n"),
        (["train"], "trainer.max_steps=9999999999999", "trainer.max_steps=9999999999999 must be a number below 2^32"),
        (["train"], "trainer.epochs=few", "trainer.epochs=few must be a number or null\n"),
        (["train"], "trainer.epochs=0", "trainer.epochs=0.0 must be above 0"),
        (["train"], "trainer.epochs=nan", "trainer.epochs=nan must be a number below 2^32"),
        (["train"], "seed=4294967296", "seed=4294967296 must be a number below 2^32"),
        (["train"], "trainer.gradient_clip_val=nan", "trainer.gradient_clip_val=nan must be a number below 2^32"),
        (["train"], "trainer.ema_decay=half", "trainer.ema_decay=half must be a number\n"),
        (["train"], "trainer.patience=soon", "trainer.patience=soon must be a whole number or null"),
        (["train"], "trainer.compile=perhaps", "trainer.compile=perhaps must be true or false"),
        (["train"], "data.dataset=3", "data.dataset=3 must be a group of keys"),
        (["train"], "checkpoint=3", "checkpoint=3 must be a group of keys: checkpoint.every_n_steps"),
        (["train"], "+trainer.max_step=3", "no 'trainer.max_step' (did you mean trainer.max_steps?)"),
        (["train"], "model=5", "model has no option '5'"),
        (["train"], "trainer=null", "trainer has no option 'null'"),
        (["train"], "run_id=${nope}", "Interpolation key 'nope' not found"),
        (
            ["predict"],
            "windows.size=128",
            "must be a list of 2 whole numbers or null: windows.size=[128,128]",
        ),
        (["predict"], "scales=0.5", "scales=0.5 must be a list of numbers: scales=[0.5]"),
        (["predict"], "windows=3", "windows=3 must be a group of keys: windows.size, "),
        (["export"], "size=128", "size=[128,128]"),
        (["prepare", "check"], "splits=val", "splits=val must be a list of texts: splits=[val]"),
        (["benchmark", "inference"], "sizes=[96,96]", "sizes=[96,96] must be a list of lists: sizes=[[96,96]]"),
        (["benchmark", "contexts"], "sizes=96", "sizes=96 must be a list of lists"),
    ],
)
def test_a_value_that_does_not_fit_gets_a_sentence(
    command: list[str], override: str, message: str, run: Run, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    needed = {
        "predict": ["ckpt=a", "input=b", "output=c"],
        "export": ["ckpt=a", "output=c"],
        "train": ["run_id=a"],
    }
    given = [each for each in needed.get(command[0], []) if each.partition("=")[0] != override.partition("=")[0]]
    data = ["data=camvid"] if command == ["prepare", "check"] else []
    assert run(*command, *given, *data, override) == 2
    error = capsys.readouterr().err
    assert message in error
    assert len(error.splitlines()) == 1
    for word in ("Node", "ListConfig", "DictConfig", "Optional", "Traceback", "Integer"):
        assert word not in error
