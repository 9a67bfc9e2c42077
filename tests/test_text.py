"""Text from elsewhere, in each place where some characters are commands."""

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from conftest import SMALL, Run
from PIL import Image
from rich.table import Table

from segrnn.datasets import Folder, Sample
from segrnn.inference import ModelInfo
from segrnn.inference.bundle import _card
from segrnn.labels import Label, LabelSpace
from segrnn.metrics import Calibration, Scores
from segrnn.paths import safe_path
from segrnn.reports import Gallery, draw_calibration, print_scores, write_panels, write_scores
from segrnn.reports.figures import picture
from segrnn.terminal import PlainConsole
from segrnn.text import markdown, printable, shorten, spreadsheet_cell, tell

NASTY = (
    "[/x]",
    "[red]boom[/red]",
    "[link=http://127.0.0.1]x[/link]",
    ":smile:",
    "$\\frac{$",
    "$$",
    "a_b^c",
    "\x1b[2J\x1b]0;title\x07",
    "\x9b31m",
    "one\ntwo\rthree\ttab",
    "stra\udcdfe",
    "\ud800",
    "\u202eevil\u2066",
    '=HYPERLINK("http://127.0.0.1")',
    "+1",
    "@sum",
    "-2",
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "| a | b |",
    "{{report}}",
    "${oc.env:HOME}",
    "道路",
    "Straße",
    "\U0001f697",
    " ",
    "\0",
    "x" * 5000,
    "%s %d {0}",
)


def space(names: tuple[str, ...] = NASTY) -> LabelSpace:
    return LabelSpace("$\x1b[31m[/x]", [Label(name, i, i, (i, 2 * i, 3 * i)) for i, name in enumerate(names)])


@pytest.mark.parametrize("text", NASTY)
def test_what_is_printable_moves_nothing_and_can_be_encoded(text: str) -> None:
    shown = printable(text)
    shown.encode("utf-8")
    assert not [c for c in shown if ord(c) < 32 and c != "\t"]
    assert not set("\x1b\x9b\u202e\u2066\x7f") & set(shown)
    assert printable(shown) == shown
    assert len(shorten(text, 20)) <= 20


def test_bytes_that_are_not_utf8_are_shown_as_bytes() -> None:
    name = b"stra\xdfe".decode("utf-8", "surrogateescape")
    assert printable(name) == "stra\\xdfe"
    assert printable("Straße 道路") == "Straße 道路"


def test_the_terminal_shows_text(capsys: pytest.CaptureFixture[str]) -> None:
    console = PlainConsole(soft_wrap=True)
    table = Table(title=NASTY[1])
    table.add_column(NASTY[0])
    for name in NASTY:
        console.print(name)
        tell(name)
        table.add_row(name)
    console.print(table)
    print_scores(Scores(np.eye(len(NASTY), dtype=np.int64), NASTY), space(), NASTY[0])
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert out.count("[red]boom[/red]") == 5
    assert ":smile:" in out
    assert "\\x1b[2J" in out


def test_messages_keep_their_lines(capsys: pytest.CaptureFixture[str]) -> None:
    tell("one\ntwo \x1b[31m", error=True)
    assert capsys.readouterr().err == "one\ntwo \\x1b[31m\n"


@pytest.mark.slow
def test_pictures_draw_any_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scores = Scores(np.ones((len(NASTY), len(NASTY)), np.int64), NASTY)
    write_scores(scores, tmp_path)
    gallery = Gallery(NASTY[:12], extremes=0, longest=8)
    for name in NASTY[:12]:  # a page of more takes seconds to draw
        sample = Sample(np.zeros((4, 6, 3), np.uint8), np.zeros((4, 6), np.uint8), name)
        gallery.add(sample, sample.mask, 0.5)
    write_panels(gallery.chosen, space(), tmp_path / "panels.png")
    assert "can't be drawn" not in capsys.readouterr().out
    for name in ("confusion.png", "panels.png"):
        with Image.open(tmp_path / name) as drawn:
            assert drawn.size[0] > 100


def test_a_picture_that_cant_be_drawn_ends_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with picture(tmp_path / "a.png", (3, 3)) as figure:
        figure.subplots(0, 0)
    with picture(tmp_path / "b.png", (1e6, 1e6)) as figure:
        figure.add_subplot()
    draw_calibration(Calibration(), tmp_path / "c.png")
    out = capsys.readouterr().out
    assert f"{tmp_path / 'a.png'} can't be drawn: ValueError" in out
    assert f"{tmp_path / 'b.png'} can't be drawn" in out
    assert [path.name for path in tmp_path.iterdir()] == ["c.png"]


def test_logarithmic_axes_have_plain_numbers(tmp_path: Path) -> None:
    with picture(tmp_path / "a.png", (3, 3)) as figure:
        axes = figure.add_subplot()
        axes.loglog([1, 1000], [0.001, 1])
    labels = {label.get_text() for label in [*axes.get_xticklabels(which="both"), *axes.get_yticklabels(which="both")]}
    assert {"0.001", "1", "1000"} <= labels
    assert not any("$" in label for label in labels)


def test_a_spreadsheet_computes_nothing(tmp_path: Path) -> None:
    write_scores(Scores(np.eye(len(NASTY), dtype=np.int64), NASTY), tmp_path)
    rows = list(csv.reader(io.StringIO((tmp_path / "per_class.csv").read_text(encoding="utf-8"), newline="")))
    assert len(rows) == len(NASTY) + 1
    for name, *_ in rows[1:]:
        assert name[:1] not in tuple("=+-@\t\r")
    assert spreadsheet_cell(" =1") == "' =1"
    assert spreadsheet_cell("\uff1d1") == "'\uff1d1"
    assert spreadsheet_cell(-1.5) == -1.5
    assert set(json.loads((tmp_path / "metrics.json").read_text(encoding="utf-8"))["per_class"]) == set(NASTY)


def test_a_model_card_holds_no_markup() -> None:
    from segrnn.images import Preprocessing

    info = ModelInfo({}, space(), Preprocessing((0.5,) * 3, (0.5,) * 3), {"mIoU on | <b>": 0.5})
    text = _card(info).content
    text.encode("utf-8")
    assert "<script>" not in text
    assert "<b>" not in text
    assert "[link=" not in text
    assert markdown("a*b") == "a&#42;b"


def nasty_folder(root: Path) -> Path:
    """Images and masks whose names, and classes whose names, are all nasty; as far as a file system has such names."""
    rng = np.random.default_rng(0)
    names = [name for name in NASTY if name.strip() and not set("/\0") & set(name) and len(name) < 200]
    classes = [{"name": name, "id": i} for i, name in enumerate(NASTY)]
    for split in ("train", "val"):
        for kind in ("images", "masks"):
            (root / kind / split).mkdir(parents=True)
        for number, name in enumerate(names):
            try:
                file = f"{name}.png".encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")
            except UnicodeEncodeError:
                continue  # no file system has it
            ids = rng.integers(0, len(NASTY), (8, 9)).astype(np.uint8).repeat(5, 0).repeat(5, 1)
            ids[number % 8] = number
            Image.fromarray(np.stack([ids * 8] * 3, -1)).save(root / "images" / split / file)
            Image.fromarray(ids).save(root / "masks" / split / file)
    text = yaml.safe_dump({"name": NASTY[4], "classes": classes}, allow_unicode=False)
    (root / "classes.yaml").write_text(text, encoding="utf-8")
    return root


ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


@pytest.mark.parametrize(
    ("locale", "prepares"),
    [
        pytest.param(ASCII, False, marks=pytest.mark.thorough),
        pytest.param(ASCII, True, marks=pytest.mark.thorough),
        pytest.param({}, True, marks=pytest.mark.thorough),
    ],
)
def test_a_training_of_nothing_but_nasty_names(
    locale: dict[str, str], prepares: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In processes of their own, as the locale is that of a process."""
    root = nasty_folder(tmp_path / "data")
    count = len(Folder(str(root), "val"))
    assert count > 15
    for name, value in locale.items():
        monkeypatch.setenv(name, value)

    def run(module: str, *arguments: str, code: int = 0) -> str:
        command = [sys.executable, "-m", f"segrnn.{module}", *arguments]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
        out, err = done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")
        assert done.returncode == code, err
        assert "Traceback" not in err
        assert "\x1b" not in out + err
        return out + err

    data = ["data=folder", f"data.root={root}"]
    out = run("train", *SMALL, *data, "run_id=nasty")
    assert "can't be drawn" not in out
    run("evaluate", "ckpt=runs/train/nasty/checkpoints/best.ckpt", "data.workers=0", "hydra.run.dir=scores")
    assert (tmp_path / "scores" / "report.html").read_bytes().count(b"</script>") == 2
    run("predict", "ckpt=runs/train/nasty/checkpoints/best.ckpt", f"input={root / 'images/val'}", "output=masks")
    assert len(list((tmp_path / "masks").rglob("*.png"))) == count
    if not prepares:
        return
    run("export", "ckpt=runs/train/nasty/checkpoints/best.ckpt", "output=bundle")
    run("prepare", "stats", *data, "workers=0", "output=stats.json")
    assert "is not portable" in run("prepare", "pack", *data, "workers=0", "output=packed", code=2)
    assert not (tmp_path / "packed").exists()
    for path in [path for path in root.rglob("*.png") if str(safe_path(path.name)) != path.name]:
        path.unlink()
    portable = len(Folder(str(root), "val"))
    assert portable > 5
    run("prepare", "pack", *data, "workers=0", "output=packed")
    packed = Folder(str(tmp_path / "packed"), "val")
    assert len(packed) == portable
    assert packed.labels.class_names == Folder(str(root), "val").labels.class_names


@pytest.mark.slow
def test_names_reach_the_curves(run: Run, tmp_path: Path) -> None:
    root = nasty_folder(tmp_path / "data")
    assert run("train", *SMALL, "data=folder", f"data.root={root}", "hydra.run.dir=run") == 0
    with Path("run/csv/metrics.csv").open(encoding="utf-8", newline="") as file:
        columns = next(csv.reader(file))
    assert "val/iou/stra\\xdfe" in columns
    assert "val/iou/道路" in columns
