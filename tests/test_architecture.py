"""The boundaries that the design promises."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import segrnn

PACKAGE = Path(segrnn.__file__).parent
COMMANDS = ("train", "evaluate", "predict", "export_model", "benchmark", "prepare", "search")
ROOMS = {
    "errors": 0,
    "processes": 0,
    "claims": 0,
    "termination": 0,
    "trouble": 0,
    "components": 0,
    "guard": 0,
    "memory": 0,
    "threads": 1,
    "labels": 0,
    "libraries": 0,
    "text": 0,
    "paths": 0,
    "ops": 1,
    "context": 2,
    "losses": 2,
    "metrics": 2,
    "models": 3,
    "datasets": 3,
    "inference": 3,
    "measure": 3,
    "export": 4,
    "reports": 4,
    "config": 5,
    "training": 5,
    **dict.fromkeys(COMMANDS, 6),
    "__main__": 6,
}
ONLY_IN = {
    "pytorch_lightning": {"training", "train.py"},
    "lightning_fabric": {"training"},
    "wandb": {"training/wandb.py", "training/wandb_media.py"},
    "albumentations": {"datasets/transforms.py"},
    "omegaconf": {
        "config",
        "train.py",
        "evaluate.py",
        "predict.py",
        "export_model.py",
        "benchmark.py",
        "prepare.py",
        "search.py",
    },
    "onnx": {"export"},
    "onnx_ir": {"export"},
    "onnxruntime": {"export"},
    "onnxscript": {"export"},
    "optuna": {"search.py"},
    "hydra": {"config"},
    "matplotlib": {"reports"},
    "cv2": {"datasets/stream.py", "inference/video.py"},
    "pillow_heif": {"datasets/pictures.py"},
    "requests": {"datasets/download.py", "datasets/cityscapes_download.py"},
    "filelock": {"claims.py"},
    "cityscapesscripts": {"datasets/cityscapes_download.py"},
}
FILES = [path for path in PACKAGE.rglob("*.py") if path.parent != PACKAGE or path.stem != "__init__"]


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_lower_rooms_never_import_higher_ones(path: Path) -> None:
    room = ROOMS[path.relative_to(PACKAGE).parts[0].removesuffix(".py")]
    for name in imports(path):
        parts = name.split(".")
        if parts[0] == "segrnn" and parts[1:2] and parts[1] in ROOMS:
            assert ROOMS[parts[1]] <= room, f"imports {name}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_each_library_stays_in_its_room(path: Path) -> None:
    place = path.relative_to(PACKAGE)
    for name in imports(path):
        allowed = ONLY_IN.get(name.split(".")[0])
        assert allowed is None or {place.parts[0], place.as_posix()} & allowed, f"imports {name}"


def loaded_by(statement: str) -> set[str]:
    code = f"{statement}; import sys; print(*(name for name in sys.modules if '.' not in name))"
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())


def test_the_model_lives_alone() -> None:
    loaded = loaded_by("import segrnn.models")
    assert not loaded & {"pytorch_lightning", "lightning_fabric", "hydra", "omegaconf", "wandb", "albumentations"}


def test_importing_segrnn_loads_nothing() -> None:
    assert not loaded_by("import segrnn") & {"torch", "numpy", "hydra"}


def test_a_command_starts_without_torch() -> None:
    """So that --help and a mistyped key answer at once."""
    loaded = loaded_by(f"import {', '.join(f'segrnn.{command}' for command in COMMANDS)}")
    assert not loaded & {"torch", "pytorch_lightning", "optuna"}


@pytest.mark.slow
def test_training_loads_wandb_only_when_chosen() -> None:
    assert "wandb" not in loaded_by("import segrnn.training, segrnn.reports, segrnn.config")
