"""The wheel, used where there is no repository."""

import os
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml

import segrnn

ROOT = Path(__file__).parent.parent


def tracked(folder: str, suffix: str) -> set[str]:
    listed = subprocess.run(["git", "ls-files", folder], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return {line for line in listed.splitlines() if line.endswith(suffix)}


def test_every_package_is_listed() -> None:
    with (ROOT / "pyproject.toml").open("rb") as file:
        listed = set(tomllib.load(file)["tool"]["setuptools"]["packages"])
    folders = {path.parent.relative_to(ROOT).as_posix().replace("/", ".") for path in (ROOT / "segrnn").rglob("*.py")}
    assert listed == folders | {"segrnn.conf"}


@pytest.mark.slow
def test_the_wheel_trains_in_an_empty_folder(tmp_path: Path) -> None:
    def run(*arguments: str, **environment: str) -> str:
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=tmp_path,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    subprocess.run(["git", "clone", "-q", str(ROOT), str(tmp_path / "clone")], check=True)
    run("-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", "dist", "./clone")
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    assert set().union(*(tracked("segrnn", suffix) for suffix in (".py", ".html", ".css", ".js"))) <= names
    assert {name.replace("conf/", "segrnn/conf/", 1) for name in tracked("conf", ".yaml")} <= names

    run("-m", "pip", "install", "-q", "--no-deps", "--target", "site", str(wheel))
    site = str(tmp_path / "site")
    assert run("-c", "import segrnn.conf; print(segrnn.conf.__file__)", PYTHONPATH=site).startswith(site)
    assert "max_steps" in run("-m", "segrnn.train", "--cfg", "job", PYTHONPATH=site)
    small = ["trainer.max_steps=2", "data.workers=0", "hydra.run.dir=run"]
    assert "best checkpoint" in run("-m", "segrnn.train", *small, PYTHONPATH=site)
    assert (tmp_path / "run" / "checkpoints" / "best.ckpt").is_file()
    assert len(list((tmp_path / "data" / "demo").rglob("*_labelIds.png"))) > 100


def test_the_citation_is_of_this_version() -> None:
    with (ROOT / "pyproject.toml").open("rb") as file:
        version = tomllib.load(file)["project"]["version"]
    assert version == segrnn.__version__
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))["version"] == version
