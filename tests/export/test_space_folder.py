"""The folder of a Gradio Space: what is in it, and what its program shows without an internet connection."""

import json
import os
import re
import socket
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from export_networks import CONTEXTS, make_small
from huggingface_hub import SpaceCard
from PIL import Image

from segrnn.datasets.demo_scenes import draw_scene
from segrnn.errors import ExportError
from segrnn.export import as_example, write_space
from segrnn.images import Preprocessing
from segrnn.inference import ModelInfo, Predictor
from segrnn.labels import Label, LabelSpace

EVIL = "<script>alert(1)</script>"
LABELS = LabelSpace("toy", [Label(EVIL if i == 1 else f"class {i}", 9 * i, i, (50 * i, 9, 0)) for i in range(5)])
PYTHON = os.environ.get("SEGRNN_GRADIO_PYTHON")
ASK = """
import json, sys
from gradio_client import Client, handle_file
found = Client(sys.argv[1], verbose=False).predict(handle_file(sys.argv[2]), api_name="/label")
print(json.dumps({each["label"]: each["image"] for each in found["annotations"]}))
"""


def predictor_of(preprocessing: Preprocessing) -> Predictor:
    network = make_small(CONTEXTS["renet_gru"]).eval()
    return Predictor(network, ModelInfo({}, LABELS, preprocessing))


PHOTOS = Preprocessing((0.4, 0.5, 0.6), (0.2, 0.3, 0.25))


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("space")
    pixels = draw_scene(np.random.default_rng(1), (64, 128)).image
    write_space(predictor_of(PHOTOS), folder, [as_example("a street", pixels)])
    return folder


@pytest.mark.slow
def test_the_folder_is_whole(space: Path) -> None:
    names = {path.relative_to(space).as_posix() for path in space.rglob("*") if path.is_file()}
    needed = {"app.py", "predict_onnx.py", "requirements.txt", "README.md", "model.onnx", "examples/1.png"}
    assert names == needed
    card = SpaceCard.load(space / "README.md")
    assert (card.data.sdk, card.data.app_file) == ("gradio", "app.py")
    assert "class 2" in card.text
    assert EVIL not in card.text
    compile((space / "app.py").read_text(), "app.py", "exec")
    wanted = [line.partition(">")[0] for line in (space / "requirements.txt").read_text().split()]
    assert wanted == ["gradio", "numpy", "onnxruntime", "pillow"]


@contextmanager
def started(space: Path, temporary: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """The program, with an internet connection that fails: its address, and the environment of its client."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    nowhere = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
    environment = {
        **{name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        **nowhere,
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
        "GRADIO_SERVER_PORT": str(port),
        "GRADIO_TEMP_DIR": str(temporary),
        "PYTHONUNBUFFERED": "1",
    }
    command = [str(PYTHON), "app.py"]
    with subprocess.Popen(command, cwd=space, env=environment, stdout=subprocess.PIPE, text=True) as program:
        try:
            assert program.stdout is not None
            found = (re.search(r"Running on local URL: +(\S+)", line) for line in program.stdout)
            yield next(match[1] for match in found if match), environment
        finally:
            program.terminate()


@pytest.mark.slow
@pytest.mark.skipif(PYTHON is None, reason="SEGRNN_GRADIO_PYTHON=<a Python that has gradio and onnxruntime> is not set")
def test_the_program_labels_as_the_predictor(space: Path, tmp_path: Path) -> None:
    picture = space / "examples" / "1.png"
    with started(space, tmp_path) as (address, environment):
        with urllib.request.urlopen(address) as answer:
            assert answer.headers["Content-Security-Policy"].startswith("default-src 'self' ")
            assert not re.findall(r'(?:src|href)="?https?://', answer.read().decode())
        command = [str(PYTHON), "-c", ASK, address, str(picture)]
        asked = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    mask = predictor_of(PHOTOS)(picture)
    areas = json.loads(asked.stdout.splitlines()[-1])
    assert set(areas) == {LABELS.class_names[k] for k in np.unique(mask)}
    for name, path in areas.items():
        with Image.open(path) as area:
            shown = np.asarray(area.convert("RGBA"))[..., 3] > 0
        assert (shown != (mask == LABELS.class_names.index(name))).sum() <= 1  # a tie


def test_a_network_of_four_bands_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="takes 4 channels in which 65535 counts as 1"):
        write_space(predictor_of(Preprocessing((0.5,) * 4, (0.5,) * 4, white=65535)), tmp_path)
