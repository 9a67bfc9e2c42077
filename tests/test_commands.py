"""Whole commands, as a person types them."""

import csv
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import segrnn.conf
import torch
from conftest import SMALL, Run, blocks, draw_camvid, write_pair
from PIL import Image

import segrnn
from segrnn.inference import KEY
from segrnn.train import main


@pytest.fixture(scope="module")
def trained_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run directory with a CamVid model of three steps, whose data lie at ``../camvid`` of the working folder."""
    folder = tmp_path_factory.mktemp("trained") / "work"
    folder.mkdir()
    draw_camvid(folder.parent / "camvid")
    overrides = [*SMALL, "data=camvid", "data.root=../camvid", "hydra.run.dir=trained"]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sys, "argv", ["segrnn.train", *overrides])
        main()
    return folder / "trained"


@pytest.fixture
def trained(trained_once: Path, run: Run, camvid: Path) -> Path:
    """A copy of it, with its data beside."""
    shutil.copytree(trained_once, "trained")
    return Path("trained")


def losses(folder: Path) -> list[str]:
    with (folder / "csv" / "metrics.csv").open() as file:
        return [row["train/loss"] for row in csv.DictReader(file) if row["train/loss"]]


def test_train_leaves_what_it_promises(run: Run, camvid: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trained = Path("promised")
    assert run("train", *SMALL, "data=camvid", f"data.root={camvid}", f"hydra.run.dir={trained}") == 0
    out = capsys.readouterr().out
    for name in ("checkpoints/best.ckpt", "checkpoints/last.ckpt", "metrics.json", "panels.png"):
        assert (trained / name).is_file()
        assert name in out
    for name in ("config.yaml", "per_class.csv", "confusion.npz", "confusion.png", "csv/metrics.csv"):
        assert (trained / name).is_file()
    assert "step 2/3" in out
    assert "step 3/3" in out  # validates at the end although 2 does not divide 3
    metrics = json.loads((trained / "metrics.json").read_text())
    assert 0 <= metrics["miou"] <= 1
    assert 0 <= metrics["pixel_accuracy"] <= 1
    assert set(metrics["per_class"]) >= {"sky", "building", "road", "car"}


def test_the_checkpoint_holds_tensors_and_primitives(trained: Path) -> None:
    checkpoint = torch.load(trained / "checkpoints" / "last.ckpt", weights_only=True)
    assert checkpoint["global_step"] == 3
    assert checkpoint[KEY]["config"]["data"]["name"] == "camvid"
    info = segrnn.load(trained / "checkpoints" / "last.ckpt").info
    assert info.labels.class_names[0] == "sky"
    assert info.provenance["step"] == 3


def score_files(predictions: Path, labels: Path) -> np.ndarray:
    """The ten lines that anyone could write: label files against label files."""
    counts = np.zeros((11, 11), np.int64)
    for path in sorted(labels.glob("*.png")):
        truth, predicted = np.array(Image.open(path)), np.array(Image.open(predictions / path.name))
        valid = truth != 11
        np.add.at(counts, (truth[valid], predicted[valid]), 1)
    return counts


def test_round_trip(trained: Path, camvid: Path, run: Run) -> None:
    ckpt = f"ckpt={trained}/checkpoints/last.ckpt"
    assert run("evaluate", ckpt, "hydra.run.dir=scored") == 0
    assert run("predict", ckpt, f"input={camvid}/val", "output=masks") == 0
    counts = np.load("scored/confusion.npz")["counts"]
    assert (score_files(Path("masks"), camvid / "valannot") == counts).all()
    assert (np.load(trained / "confusion.npz")["counts"] == counts).all()
    scores, of_training = (json.loads((Path(run) / "metrics.json").read_text()) for run in ("scored", trained))
    assert scores.keys() - of_training.keys() == {"boundary", "calibration", "official", "images", "metrics"}
    assert {key: scores[key] for key in of_training} == of_training
    assert 0 <= scores["boundary"]["miou"] <= scores["miou"]
    assert sum(row["pixels"] for row in scores["calibration"]["per_bin"]) == counts.sum()


@pytest.mark.slow
def test_the_score_does_not_depend_on_the_batch_size(trained: Path, run: Run) -> None:
    scores = []
    for size in (1, 3, 8):
        folder = Path(f"by_{size}")
        ckpt = f"ckpt={trained}/checkpoints/best.ckpt"
        assert run("evaluate", ckpt, f"data.eval_batch_size={size}", f"hydra.run.dir={folder}") == 0
        scores.append((folder / "metrics.json").read_text())
    assert scores[0] == scores[1] == scores[2]


@pytest.mark.slow
def test_evaluate_takes_another_split_and_place(trained: Path, camvid: Path, run: Run) -> None:
    moved = camvid.rename(camvid.with_name("moved"))
    ckpt = f"ckpt={trained}/checkpoints/best.ckpt"
    assert run("evaluate", ckpt) == 2
    for wrong in ("data.eval_batch_size=abc", "data.eval_batch_size=0", "data.workers=-1"):
        assert run("evaluate", ckpt, f"data.root={moved}", wrong) == 2
    assert run("evaluate", ckpt, f"data.root={moved}", "data.split=test", "hydra.run.dir=test") == 0
    assert run("evaluate", ckpt, "data=camvid", f"data.root={moved}", "data.workers=0", "hydra.run.dir=again") == 0


@pytest.mark.slow
def test_one_seed_gives_one_run(run: Run, camvid: Path) -> None:
    for name, changes in {"a": [], "b": [], "workers": ["data.workers=2"], "c": ["seed=1"]}.items():
        overrides = [*SMALL, "data=camvid", f"data.root={camvid}", f"hydra.run.dir={name}", *changes]
        assert run("train", *overrides, "+data.unused=0") == 2  # a typo of a run changes nothing
        assert run("train", *overrides) == 0
    assert losses(Path("a")) == losses(Path("b")) == losses(Path("workers"))
    assert losses(Path("a")) != losses(Path("c"))
    state = [torch.load(f"{name}/checkpoints/last.ckpt", weights_only=True)["state_dict"] for name in "ab"]
    assert all(torch.equal(state[0][name], state[1][name]) for name in state[0])


@pytest.mark.parametrize(
    "loss",
    [
        pytest.param("ohem", marks=pytest.mark.slow),
        *(pytest.param(loss, marks=pytest.mark.thorough) for loss in ("dice", "lovasz", "focal")),
        "cross_entropy_dice",
        pytest.param("cross_entropy_lovasz", marks=pytest.mark.thorough),
    ],
)
def test_every_loss_trains(run: Run, camvid: Path, loss: str) -> None:
    data = ["data=camvid", f"data.root={camvid}"]
    assert run("train", *SMALL, *data, f"loss={loss}", "trainer.precision=bf16-mixed", "hydra.run.dir=run") == 0
    values = [float(value) for value in losses(Path("run"))]
    assert all(0 < value < 10 for value in values)


@pytest.mark.slow
def test_a_base_size_is_kept_from_training_to_prediction(run: Run, camvid: Path) -> None:
    overrides = [*SMALL, "data=camvid", f"data.root={camvid}", "data.base_size=[24,30]", "hydra.run.dir=run"]
    assert run("train", *overrides, "optimizer.encoder_layer_decay=0.9") == 0
    checkpoint = torch.load("run/checkpoints/last.ckpt", weights_only=True)
    assert checkpoint[KEY]["preprocessing"]["base_size"] == [24, 30]
    ckpt = "ckpt=run/checkpoints/last.ckpt"
    assert run("evaluate", ckpt, "hydra.run.dir=scored") == 0
    assert run("evaluate", ckpt, "data=camvid", f"data.root={camvid}", "hydra.run.dir=again") == 0
    assert run("predict", ckpt, f"input={camvid}/val", "output=masks") == 0
    counts = score_files(Path("masks"), camvid / "valannot")
    for folder in ("run", "scored", "again"):
        assert (np.load(f"{folder}/confusion.npz")["counts"] == counts).all()


@pytest.mark.parametrize("format", ["label_ids", "train_ids", "color", "overlay", "uncertainty"])
def test_predictions_keep_size_and_stem(trained: Path, run: Run, format: str) -> None:
    sizes = {"photos/wide.jpg": (61, 9), "photos/sub/dot.png": (1, 1), "photos/tall.v2.png": (7, 40)}
    for name, size in sizes.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", size, 90).save(name)
    ckpt = f"ckpt={trained}/checkpoints/best.ckpt"
    assert run("predict", ckpt, "input=photos", "output=out", f"format={format}") == 0
    for name, size in sizes.items():
        with Image.open(Path(name.replace("photos", "out")).with_suffix(".png")) as mask:
            assert mask.size == size
            assert mask.mode == ("RGB" if format in ("color", "overlay") else "L")
    assert len([path for path in Path("out").rglob("*") if path.is_file()]) == 4  # with predict.json


def test_cityscapes_and_sgd(run: Run, cityscapes: Path) -> None:
    data = ["data=cityscapes", f"data.root={cityscapes}"]
    overrides = [*SMALL, *data, "optimizer=sgd", "schedule=poly", "context=convolutions", "hydra.run.dir=run"]
    assert run("train", *overrides) == 0
    assert run("predict", "ckpt=run/checkpoints/last.ckpt", f"input={cityscapes}/leftImg8bit/val", "output=masks") == 0
    masks = sorted(Path("masks").rglob("*.png"))
    assert [mask.parent.name for mask in masks] == ["frankfurt"] * 3
    evaluated = {7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33}
    assert set(np.unique([np.array(Image.open(mask)) for mask in masks])) <= evaluated


def test_a_run_of_one_step_with_an_all_void_crop(run: Run, camvid: Path) -> None:
    rng = np.random.default_rng(0)
    for path in (camvid / "trainannot").glob("*.png"):
        image = next((camvid / "train").glob(f"{path.stem}.*"))
        write_pair(image, path, blocks(rng, [11]), rng)
    overrides = [*SMALL, "data=camvid", f"data.root={camvid}", "trainer.max_steps=1", "hydra.run.dir=run"]
    assert run("train", *overrides) == 0
    assert losses(Path("run")) == ["0.0"]


def test_help_names_groups_and_examples(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("train", "evaluate", "predict"):
        assert run(command, "--help") == 0
        out = capsys.readouterr().out
        assert out.count(f"python -m segrnn.{command}") >= 3
    assert run("train", "--help") == 0
    line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("context: "))
    leaves = Path(segrnn.conf.__file__).parent.glob("context/*.yaml")
    assert line.removeprefix("context: ").split(", ") == sorted(leaf.stem for leaf in leaves)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["trainer.max_step=3"], "no 'trainer.max_step' in the configuration (did you mean trainer.max_steps?)"),
        (["context=none", "context.hidden=3"], "no 'context.hidden' in the configuration"),
        (["contxt=none"], "no 'contxt' in the configuration (did you mean context?)"),
        (
            ["context=renet_gr"],
            "context has no option 'renet_gr' (did you mean renet_gru?); it has ",
        ),
        (["trainer.max_steps=abc"], "trainer.max_steps=abc must be a whole number"),
        (["trainer.max_steps"], "trainer.max_steps"),
        (["optimizer.lr=0.1 (1)"], "optimizer.lr=0.1 (1) can't be read: put quotes around"),
        (["data=camvid", "data.root=/nowhere"], "{train,val,test}annot"),
        (["data=as_trained"], "data.name"),
        (["context.stride=16"], "there are no features at stride 16 for a context; the decoder reads the strides [8]"),
        (["context.order=diagonal"], "order must be one of columns_rows, rows_columns; got 'diagonal'"),
        (["context.cell=gnu"], "cell must be one of rnn, irnn, gru, lstm, mingru, minlstm; got 'gnu'"),
        (["context.hidden=0"], "hidden must be a whole number of at least 1, got 0"),
        (["context.patch=5"], "a patch of 5 x 5 is larger than the map of 4 x 4"),
        (["encoder.name=resnet19"], "resnet19"),
        (["model=unet", "+model.decoder=3"], "decoder"),
        (["trainer.accelerator=warp"], "warp"),
        (["trainer.precision=3"], "precision"),
        (["logger=wandb", "logger.mode=loud"], "logger.mode='loud' must be one of offline, online, disabled"),
        (["optimizer.optimizer._target_=os.system"], "is not allowed"),
        (["optimizer.optimizer.lr=3"], "lr"),
        (["+optimizer.optimizer.momentumm=0.9"], "got an unexpected keyword argument 'momentumm'"),
        (["optimizer.encoder_layer_decay=2"], "optimizer.encoder_layer_decay=2 must be above 0 and at most 1"),
        (
            ["schedule=warmup_poly"],
            "schedule.warmup_steps=1500 must be at least 0 and less than the 3 steps of the run: ",
        ),
        (["loss.class_weights=[1,2]"], "loss.class_weights has 2 weights, but there are 11 classes"),
        (
            ["loss=cross_entropy_dice", "+loss.weights.lovasz=1"],
            "there are 3 loss.weights (cross_entropy, dice, lovasz)",
        ),
        (["data.base_size=[2048,512]"], "base_size must be two sides above 0, the shorter one first, got [2048, 512]"),
        (["data.scale=[2,1]"], "the smaller one first"),
        (["-m", "context=renet_gru,renet_gr"], "context has no option 'renet_gr'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_mistakes_are_explained(overrides: list[str], message: str, run: Run, camvid: Path, capsys) -> None:
    data = [] if any(o.startswith("data=") for o in overrides) else ["data=camvid", f"data.root={camvid}"]
    small = [o for o in SMALL if not (o.startswith("model") and "model=unet" in overrides)]
    small = [o for o in small if o.split("=")[0] not in {other.split("=")[0] for other in overrides}]
    assert run("train", *overrides, *small, *data) == 2
    err = capsys.readouterr().err
    assert message in err
    assert "Traceback" not in err
    assert not list(Path().rglob("*.ckpt"))


@pytest.mark.parametrize("workers", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_a_broken_file_stops_training_with_its_name(run: Run, camvid: Path, workers: int, capsys) -> None:
    path = camvid / "val" / "0001TP_000002.png"
    path.write_bytes(path.read_bytes()[:200])
    small = [o for o in SMALL if o != "data.workers=0"]
    assert run("train", *small, "data=camvid", f"data.root={camvid}", f"data.workers={workers}") == 2
    err = capsys.readouterr().err
    assert err.startswith(f"error: {path} (200 bytes) can't be decoded: ")
    assert "Traceback" not in err


@pytest.mark.slow
def test_a_folder_that_cannot_be_made(run: Run, camvid: Path, capsys) -> None:
    Path("file").write_bytes(b"")
    assert run("train", *SMALL, "data=camvid", f"data.root={camvid}", "hydra.run.dir=file/run") == 2
    assert capsys.readouterr().err == "error: file/run: Not a directory\n"


def test_home_is_where_the_tilde_is(run: Run, camvid: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.setenv("HOME", str(camvid.parent))
    overrides = [*SMALL, "data=camvid", "data.root=~/camvid", "hydra.run.dir=run"]
    assert run("train", *overrides, "trainer.max_steps=1") == 0
    assert "6 training and 5 validation images" in capsys.readouterr().out


def test_a_run_is_not_overwritten(trained: Path, run: Run, camvid: Path, capsys) -> None:
    before = (trained / "checkpoints" / "best.ckpt").read_bytes()
    assert run("train", *SMALL, "data=camvid", f"data.root={camvid}", "hydra.run.dir=trained") == 2
    assert "trained holds a run already" in capsys.readouterr().err
    assert (trained / "checkpoints" / "best.ckpt").read_bytes() == before


@pytest.mark.parametrize("resume", [[], ["ckpt=auto"]])
def test_a_finished_run_without_checkpoints_is_not_overwritten(
    resume: list[str], run: Run, camvid: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("run").mkdir()
    Path("run/metrics.json").write_text("{}")
    assert run("train", *SMALL, "data=camvid", f"data.root={camvid}", "hydra.run.dir=run", *resume) == 2
    assert "run holds a finished run whose checkpoints were deleted, so it can't go on" in capsys.readouterr().err


def test_a_checkpoint_of_other_classes_shows_both_lists(trained: Path, run: Run, cityscapes: Path, capsys) -> None:
    ckpt = f"ckpt={trained}/checkpoints/best.ckpt"
    assert run("evaluate", ckpt, "data=cityscapes", f"data.root={cityscapes}") == 2
    err = capsys.readouterr().err
    assert "sky, building, pole, road, pavement" in err
    assert "road, sidewalk, building, wall" in err


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ([], "nothing to score is given: choose a network with ckpt=<checkpoint>, or masks with masks=<folder or zip>"),
        (["ckpt=best.ckpt", "masks=here"], "ckpt=best.ckpt and masks=here are both given: choose a network with ckpt="),
        (["masks=here"], "masks do not say which data they belong to: choose data=<dataset>"),
        (["masks=here", "data=camvid", "flip=true"], "masks=here: flip would change nothing, because no network runs"),
    ],
)
def test_either_a_network_or_masks_are_scored(
    overrides: list[str], message: str, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("evaluate", *overrides) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("command", ["evaluate", "predict"])
def test_unusable_checkpoints(trained: Path, run: Run, camvid: Path, command: str, capsys) -> None:
    good = trained / "checkpoints" / "best.ckpt"
    more = [f"input={camvid}/val", "output=masks"] if command == "predict" else []
    Path("cut.ckpt").write_bytes(good.read_bytes()[:5000])
    torch.save({"state_dict": {}}, "foreign.ckpt")
    checkpoint = torch.load(good, weights_only=True)
    checkpoint[KEY]["config"]["model"]["_target_"] = "os.system"
    torch.save(checkpoint, "evil.ckpt")
    for name, reason in {
        "cut": "can't be loaded",
        "foreign": "segrnn",
        "evil": "is not allowed",
        "no": "not exist",
    }.items():
        assert run(command, f"ckpt={name}.ckpt", *more) == 2
        err = capsys.readouterr().err
        assert f"{name}.ckpt" in err
        assert reason in err
    assert run(command, *more) == 2
    wanted = (
        "ckpt needs a value: add ckpt=<value>" if command == "predict" else "choose a network with ckpt=<checkpoint>"
    )
    assert wanted in capsys.readouterr().err
    assert not Path("masks").exists()


def test_predict_refuses_and_reports(trained: Path, run: Run, camvid: Path, capsys) -> None:
    base = [f"ckpt={trained}/checkpoints/best.ckpt", f"input={camvid}/val"]
    assert run("predict", *base, "output=out", "format=colour") == 2
    formats = "label_ids, train_ids, color, overlay, uncertainty, probabilities, geotiff, geojson, pagexml, alto, coco"
    formats += ", submission, pseudo"
    assert f"format=colour must be one of {formats} (did you mean color?)" in capsys.readouterr().err
    for wrong, message in {
        "scales=[]": "scales=[] must contain at least one factor",
        "scales=[1.0,0]": "scales=[1.0, 0.0] must be above 0",
        "windows.size=[64]": "windows.size=[64] must be a list of 2 numbers",
        "windows.size=[0,4]": "windows.size=[0, 4] must be above 0",
        "flip=often": "flip=often must be true or false",
    }.items():
        assert run("predict", *base, "output=out", wrong) == 2
        assert message in capsys.readouterr().err
    assert run("predict", *base, "output=out", "windows.size=[8,8]", "windows.stride=[9,8]") == 2
    assert "windows: stride [9, 8] must not exceed size [8, 8]: it would leave gaps" in capsys.readouterr().err
    assert run("predict", *base, "output=out", "overwrite=maybe") == 2
    assert "overwrite=maybe must be true or false" in capsys.readouterr().err
    assert run("predict", *base, "output=out", "device=warp") == 2
    assert "device=warp can't be used" in capsys.readouterr().err
    Path("file").write_bytes(b"")
    assert run("predict", *base, "output=file/out") == 2
    assert "can't be written" in capsys.readouterr().err

    broken = camvid / "val" / "0001TP_000001.png"
    broken.write_bytes(b"")
    assert run("predict", *base, "output=out") == 2
    err = capsys.readouterr().err
    assert "1 of 5 images have no mask" in err
    assert f"{broken} (0 bytes)" in err
    masks = {path: path.read_bytes() for path in Path("out").glob("*.png")}
    assert len(masks) == 4  # the good ones are there

    broken.unlink()
    assert run("predict", *base, "output=out", "format=color") == 2
    assert "4 of 4 masks exist already" in capsys.readouterr().err
    assert masks == {path: path.read_bytes() for path in Path("out").glob("*.png")}
    assert run("predict", *base, "output=out", "format=color", "overwrite=true") == 0
    assert masks != {path: path.read_bytes() for path in Path("out").glob("*.png")}
