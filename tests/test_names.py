"""Random names of classes, files, data and runs, through whole commands: they end well or in one message."""

import random
from pathlib import Path

import numpy as np
import pytest
import yaml
from conftest import SMALL, Run
from PIL import Image

PIECES = (
    *("[/x]", "[red]", "[/]", "[link=x]", ":smile:", "$\\frac{$", "$", "\\", "^_", "{", "}", "%s"),
    *(
        "\x1b[2J",
        "\x9b",
        "\x07",
        "\x7f",
        "\u202e",
        "\u2066",
        "\u2028",
        "\udcdf",
        "\udc80",
        "\ud800",
        "\0",
        "\n",
        "\r",
        "\t",
    ),
    *(
        "=1+1",
        "+",
        "-",
        "@",
        "|",
        "</script>",
        "<!--",
        "&lt;",
        "${oc.env:HOME}",
        "${",
        "道",
        "ß",
        "e\u0301",
        "\U0001f697",
    ),
    *(" ", ".", "..", "/", "~", "a", "road", "7", "1_0", "1e3", "null", "true", "inf", "CON", "nul", ":", "*", "?"),
    *("'", '"', "`", ",", ";", "#", "!", "(", ")", "[", "]", "x" * 60),
)
ROUNDS = 25
NAMES = 200


def make_names(seed: int, count: int) -> list[str]:
    draw = random.Random(seed)
    return ["".join(draw.choices(PIECES, k=draw.randint(1, 4))) for _ in range(count)]


def is_file_name(name: str) -> bool:
    try:
        encoded = f"{name}.png".encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return False
    return not set("\0/") & set(name) and not name.startswith(".") and len(encoded) < 256  # hidden ones aren't read


def draw_data(root: Path, classes: list[str], files: list[str], name: str) -> list[str]:
    """A small data set whose names are given; which files there are of each split."""
    rng = np.random.default_rng(0)
    names = [file for file in dict.fromkeys(files) if is_file_name(file)] or ["plain"]
    for split in ("train", "val"):
        for kind in ("images", "masks"):
            (root / kind / split).mkdir(parents=True)
        for file in names:
            ids = rng.integers(0, len(classes), (4, 5)).astype(np.uint8).repeat(9, 0).repeat(9, 1)
            Image.fromarray(np.stack([ids * 20] * 3, -1)).save(root / "images" / split / f"{file}.png")
            Image.fromarray(ids).save(root / "masks" / split / f"{file}.png")
    rows = [{"name": each, "id": i} for i, each in enumerate(dict.fromkeys(classes))]
    (root / "classes.yaml").write_text(yaml.safe_dump({"name": name, "classes": rows}), encoding="utf-8")
    return names


@pytest.mark.thorough
@pytest.mark.parametrize("part", range(ROUNDS))
def test_any_names_end_well_or_in_a_message(
    part: int, run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    share = NAMES // ROUNDS
    classes, files, rest = (make_names(1000 * kind + part, share) for kind in range(3))
    root, work = tmp_path / "data", tmp_path / "work"
    names = draw_data(root, classes, files, rest[0])
    outside = {path for path in tmp_path.rglob("*") if not path.is_relative_to(work)}

    def command(name: str, *arguments: str) -> int:
        """Run it; a name that no command line could hold stands for one that Hydra's grammar refuses."""
        if any("\0" in argument for argument in arguments):
            return 2
        code = run(name, *arguments)
        out, err = capsys.readouterr()
        assert code in (0, 2), (name, arguments, err)
        assert "Traceback" not in out + err
        assert "\x1b" not in out.replace("\x1b[?25h", "") + err
        assert code == 0 or err.strip().startswith("error: ")
        assert {path for path in tmp_path.rglob("*") if not path.is_relative_to(work)} == outside, arguments
        return code

    data = ["data=folder", f"data.root={root}"]
    assert command("train", *SMALL, *data, "trainer.max_steps=1", "run_id=plain") == 0
    checkpoint = "ckpt=runs/train/plain/checkpoints/best.ckpt"
    assert command("evaluate", checkpoint, "data.workers=0", "hydra.run.dir=scores") == 0
    assert Path("scores/report.html").read_bytes().count(b"</script>") == 2
    assert command("predict", checkpoint, f"input={root / 'images/val'}", "output=masks") == 0
    masks = {path.relative_to("masks") for path in Path("masks").rglob("*.png")}
    assert {mask.with_suffix("") for mask in masks} == {Path(f"{name}.png").with_suffix("") for name in names}
    assert command("prepare", "stats", *data, "workers=0", "output=stats.json") == 0
    for name in rest:
        code = command("prepare", "stats", *data, "workers=0", f"data.name={name}", f"output=stats/{part}/x.json")
        assert code == 2 or Path(f"stats/{part}/x.json").exists()
    for name in rest[:2]:
        before = set(Path("runs/train").iterdir())
        code = command("train", *SMALL, *data, "trainer.max_steps=1", f"run_id={name}", f"data.name={name}")
        made = set(Path("runs/train").iterdir()) - before
        if code == 0 and not set("/~") & set(name) and name not in (".", ".."):
            assert {path.name for path in made} == {name}
