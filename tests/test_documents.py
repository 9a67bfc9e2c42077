"""What README and pages tell people to type, copied out of the text and run."""

import os
import re
import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from conftest import Run, write_own_trees
from PIL import Image
from polygon_trees import write_polygon_trees
from torch import nn

from segrnn.context import ReNet, Residual
from segrnn.datasets.demo_pages import write_demo_pages
from segrnn.datasets.demo_scenes import write_demo
from segrnn.inference import write_video

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "data/README.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
INLINE = re.compile(r"`(python (?:-m segrnn|-c|benchmarks|scripts)[^`]+)`")

# what is not run, by a part of it, and why
NOT_RUN = {
    "/data/camvid": "CamVid is licensed",
    "<camvid>": "CamVid is licensed",
    "/data/cityscapes": "Cityscapes is licensed",
    "<bucket>": "needs an account",
    "torchrun --nproc-per-node 2": "tests/test_shared_work.py runs these commands",
    "engine=ray": "tests/test_ray.py runs it",
    "storage=sqlite": "tests/test_search_together.py runs it",
    "/data/pages": "the scans are for research only",
    "leftImg8bit_trainvaltest.zip": "Cityscapes is licensed",
    "download data=cityscapes": "Cityscapes is licensed",
    "inference_choices.py": "CamVid is licensed",
    "<that checkpoint>": "of CamVid, which is licensed",
    "ckpt=<last.ckpt>": "of CamVid, which is licensed",
    "model.safetensors": "the weights of DINOv2 are not here",
    "pip download": "kraken's weights are not here",
    "blla.mlmodel": "kraken's weights are not here",
    "=lines ": "kraken's weights are not here",
    "--ckpt lines": "kraken's weights are not here",
    "format=pseudo": "a network of two steps is not sure of any pixel",
    "data.root=pseudo": "pseudo labels are not here",
    "segrnn.demo": "serves until it is stopped; tests/export/test_demo_page.py runs it",
    "format=web ": "needs the package of onnxruntime-web; tests/export/test_site.py makes a site",
    "format=space": "tests/export/test_space_folder.py makes a Space",
    "http.server": "serves until it is stopped",
    "pip install": "installs; .ci/run does so",
    "python3 -m venv": "makes an environment; .ci/run does so",
    "-m pytest": "this is it; .ci/run does so",
    "mkdocs serve": "serves until it is stopped; .ci/run builds the site",
    "wandb sweep": "needs an account",
    "logger=mlflow": "needs a server; tests/training/test_mlflow.py runs it",
    "wandb agent": "needs an account",
    "--entity <you>": "needs an account",
    "source ": "for an interactive shell",
    "hydra/launcher=segrnn_slurm": "needs a cluster",
    "benchmarks/": "takes minutes; tests/test_benchmark_scripts.py runs it, smaller",
}

# what is cut short
SHORT = {
    "segrnn.train": (STEPS := ["trainer.max_steps=2", "trainer.validate_every_n_steps=2"]),
    "segrnn.search": [*STEPS, "study.trials=2"],
    "segrnn.benchmark contexts": ["sizes=[[8,8]]", "field_size=[8,8]", "repeats=1"],
}
# what serves until it is stopped, and what it says when it does
SERVES = {"tensorboard": "http://localhost:"}

# what a page takes to be there already, and the command that makes it
THERE = {
    "runs/train/first": "python -m segrnn.train run_id=first",
    "bundle": "python -m segrnn.export ckpt=runs/train/first/checkpoints/best.ckpt output=bundle",
}


class Block(NamedTuple):
    page: str
    line: int
    kind: str
    text: str


@cache
def blocks(page: Path) -> list[Block]:
    text = page.read_text()
    return [
        Block(page.name, text[: found.start()].count("\n") + 1, found[1], found[2]) for found in FENCE.finditer(text)
    ]


def typed(page: Path) -> list[Block]:
    return [block for block in blocks(page) if block.kind in ("bash", "console", "python")]


def commands(text: str) -> list[str]:
    """The commands of a block, one a line but for a backslash at a line's end, or joined by &&; python is this one."""
    joined = re.sub(r"\\\n\s*", "", text).replace(".venv/bin/", "")
    lines = [line for line in joined.splitlines() if line.strip() and not line.startswith("#")]
    return [command for line in lines for command in line.split(" && ")]


def inline(page: Path) -> list[str]:
    """The commands in the text between blocks."""
    return INLINE.findall(FENCE.sub("", page.read_text()))


def reason(command: str) -> str | None:
    return next((why for part, why in NOT_RUN.items() if part in command), None)


@pytest.fixture
def sandbox(run: Run) -> Path:
    """The working folder as the pages take it to be: a clone with drawn scenes and pages, photos and a video."""
    folder = Path.cwd()
    for name in ("conf", "scripts"):
        (folder / name).symlink_to(ROOT / name)
    write_demo(folder / "data" / "demo", train=16, val=4)
    write_demo_pages(folder / "data" / "demo_pages", train=8, val=21)
    (folder / "scans").symlink_to(folder / "data" / "demo_pages" / "images" / "train")
    frames = np.random.default_rng(0).integers(0, 256, (3, 48, 64, 3), np.uint8)
    (folder / "photos").mkdir()
    (folder / "damaged").mkdir()
    for path in ("street.png", "photos/street.png", "damaged/street.png"):
        Image.fromarray(frames[0]).save(folder / path)
    (folder / "damaged" / "cut.jpg").write_bytes(b"\xff\xd8")
    write_video(folder / "drive.mp4", 10, iter(frames))
    write_own_trees(folder)
    write_polygon_trees(folder)
    return folder


def execute(command: str, run: Run) -> int:
    """Run a command; segrnn's own in this process, which saves seconds of importing for each. Gives the exit code."""
    words = shlex.split(command, comments=True)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path}
    if words[0] in SERVES:
        return serve(words, SERVES[words[0]], environment)
    if words[0] == "segrnn":  # the entry of this checkout, whatever is installed
        words = ["python", "-m", "segrnn", words[1]] if words[1][:1] == "-" else ["python", "-m", f"segrnn.{words[1]}"]
        words, command = [*words, *shlex.split(command)[2:]], shlex.join([*words, *shlex.split(command)[2:]])
    if words[:2] == ["python", "-m"] and words[2].startswith("segrnn."):
        called = " ".join(words[2:])
        words += next((more for start, more in SHORT.items() if called.startswith(start)), [])
        if "trainer=ddp_cpu" not in words:  # which starts its own command once more, as another process
            return run(words[2].removeprefix("segrnn."), *words[3:])
        command = shlex.join(words)
    return subprocess.run(["bash", "-euo", "pipefail", "-c", command], env=environment).returncode


def write_named_file(text: str) -> bool:
    """Write a block to the file that its first comment names, if the file lies in a folder. Say whether it does."""
    found = re.match(r"(?:# @package \S+\n)?# (\S+/\S+\.(?:yaml|py))\n", text)
    if found:
        Path(found[1]).parent.mkdir(parents=True, exist_ok=True)
        Path(found[1]).write_text(text)
    return found is not None


def serve(words: list[str], ready: str, environment: dict[str, str]) -> int:
    """Start a server, wait until it says that it is one, and stop it."""
    with subprocess.Popen(
        words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as server:
        assert server.stdout is not None
        serves = any(ready in line for line in server.stdout)
        server.terminate()
    return 0 if serves else 1


def test_every_block_says_what_it_is_and_every_exception_is_one() -> None:
    kinds = {block.kind for page in PAGES for block in blocks(page)}
    assert kinds <= {"bash", "console", "python", "yaml", ""}  # the last are drawings and trees
    drawings = [block for page in PAGES for block in blocks(page) if not block.kind]
    assert not [block for block in drawings if re.search(r"^(python|pip|\$) ", block.text, re.MULTILINE)]
    lines = [line for page in PAGES for block in typed(page) for line in commands(block.text)]
    lines += [command for page in PAGES for command in inline(page)]
    for part in NOT_RUN:
        assert any(part in line for line in lines), f"nothing says {part} any more"


INNER = {"data": {"as_trained"}, "encoder": {"blla"}, "schedule": {"lr_range"}}
"""Files of `conf/` that other files and commands choose, and nobody types."""


def test_the_readme_names_every_choice_of_a_group() -> None:
    """Contexts and experiments have tables of their own."""
    rows = [line.split("|")[1:3] for line in (ROOT / "README.md").read_text().splitlines() if line.startswith("| `")]
    for groups, choices in rows:
        for group in re.findall(r"`(\w+)=`", groups):
            if group not in ("context", "experiment"):
                there = {path.stem for path in (ROOT / "conf" / group).glob("*.yaml")} - INNER.get(group, set())
                assert there <= set(re.findall(r"`(\w+)`", choices)), group


def test_a_renet_goes_into_a_trained_smp_model_in_five_lines() -> None:
    trained, lines, *_ = typed(ROOT / "docs/smp.md")
    assert len(lines.text.splitlines()) <= 5
    names: dict[str, Any] = {}
    for block in (trained, lines):
        exec(compile(block.text, block.page, "exec"), names)
    unet, model = names["unet"].eval(), names["model"].eval()
    (added,) = (module for module in model.modules() if isinstance(module, Residual))
    assert isinstance(added.context, ReNet)
    image = torch.rand(1, 3, 96, 128)
    assert torch.equal(model(image), unet(image))  # as it was
    nn.init.ones_(added.project.weight)
    assert not torch.equal(model(image), unet(image))  # and the context is in it


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, marks=pytest.mark.slow if page.name == "README.md" else pytest.mark.thorough)
        for page in PAGES
        if typed(page) or inline(page)
    ],
    ids=lambda page: page.relative_to(ROOT).as_posix(),
)
def test_a_page_can_be_followed(
    page: Path, sandbox: Path, run: Run, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.syspath_prepend(Path.cwd())  # as `python -m` does
    own = [command for block in typed(page) if block.kind == "bash" for command in commands(block.text)]
    text = page.read_text()
    missing = []
    for name, command in reversed(THERE.items()):
        if name in text and command not in own:
            missing.append(command)
            text += command  # may need what stands above it
    for command in reversed(missing):
        assert execute(command, run) == 0
    names: dict[str, object] = {}
    for block in (block for block in blocks(page) if block.kind):
        where = f"{block.page}:{block.line}"
        if write_named_file(block.text) or block.kind == "yaml":
            continue
        if block.kind == "python":
            exec(compile(block.text, where, "exec"), names)  # each goes on where the one before it ended
        elif block.kind == "bash":
            for command in filter(lambda command: not reason(command), commands(block.text)):
                assert execute(command, run) == 0, f"{where}: {command}\n{capfd.readouterr()}"
        else:
            command, *expected = block.text.splitlines()
            capfd.readouterr()
            assert execute(command.removeprefix("$ "), run) == 2, where
            errors = capfd.readouterr().err
            assert [line for line in expected if line.strip() not in errors] == [], where
    for command in dict.fromkeys(inline(page)):
        if command not in own and not reason(command):
            assert execute(command, run) == 0, f"{page.name}: {command}\n{capfd.readouterr()}"
