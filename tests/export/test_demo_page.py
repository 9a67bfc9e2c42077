"""The command that opens the page, and the export that keeps it, in a fresh folder."""

import hashlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import cast

import onnx
import pytest
from browser_page import needs_runtime
from conftest import SMALL, Run

from segrnn.datasets.demo_scenes import write_demo
from segrnn.errors import DownloadError
from segrnn.export.web_runtime import TARBALL
from segrnn.images import Preprocessing
from segrnn.inference import ModelInfo, Predictor
from segrnn.labels import DEMO
from segrnn.models import Segmenter
from segrnn.tasks import making_site
from segrnn.tasks.demo import HEADERS

ROOT = Path(__file__).parent.parent.parent
CKPT = "ckpt=trained/checkpoints/last.ckpt"


@pytest.fixture
def trained(run: Run) -> None:
    write_demo(Path("data/demo"), train=4, val=2, size=(64, 128))
    assert run("train", *SMALL, "encoder=resnet18", "model.encoder_depth=3", "hydra.run.dir=trained") == 0


@pytest.mark.slow
@needs_runtime
def test_a_site_is_kept_or_served(run: Run, trained: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("export", CKPT, "format=web", "output=site", "int8=true", "max_images=2") == 0
    printed = capsys.readouterr().out
    assert "python -m http.server -d site serves the page" in printed
    said = re.search(r"8-bit weights cost [-\d.]+ points, and change the class of ([\d.]+) % of pixels", printed)
    assert said
    assert float(said[1]) < 20
    assert "ConvInteger" in {node.op_type for node in onnx.load("site/model.onnx").graph.node}
    assert [path.name for path in sorted(Path("site/examples").iterdir())] == ["1.png", "2.png", "3.png"]
    assert Predictor.load("trained/checkpoints/last.ckpt").info.labels.name in Path("site/site.json").read_text()
    assert run("export", CKPT, "format=web", "output=site") == 2
    assert "site exists already" in capsys.readouterr().err
    both = [CKPT, "compare=trained/checkpoints/last.ckpt"]
    command = [sys.executable, "-m", "segrnn.demo", *both, "open=false", "examples=[site/examples/1.png]"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as server:
        try:
            assert server.stdout is not None
            address = next(line for line in server.stdout if "serving " in line).split()[1]
            with urllib.request.urlopen(f"{address}/site.json") as answer:
                assert HEADERS.items() <= dict(answer.headers).items()
                description = json.loads(answer.read())
            assert len(description["examples"]) == 1
            names = [f"{number}: trained/checkpoints/last.ckpt" for number in (1, 2)]
            assert [network["name"] for network in description["networks"]] == names
            server.send_signal(signal.SIGINT)
            assert server.wait(timeout=120) == 130
        finally:
            server.kill()  # otherwise a failure would wait for it without end


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["argmax=true"], "argmax=True does not work with format=web: leave it out"),
        (["size=[64,64]"], "size=[64, 64] does not work with format=web: leave it out"),
        (["format=space", "int8=true"], "int8=true works with format=onnx and format=web only, not with space"),
        (["format=space", "argmax=true"], "argmax=True does not work with format=space: leave it out"),
        (["format=space", "compare=b.ckpt"], "compare=b.ckpt works with format=web only, not with space"),
        (["ckpt=missing"], "missing does not exist"),
    ],
)
def test_mistakes_of_a_site(run: Run, arguments: list[str], message: str, capsys) -> None:
    assert run("export", "ckpt=none.ckpt", "format=web", "output=site", *arguments) == 2
    assert message in capsys.readouterr().err
    assert not Path("site").exists()


def test_networks_are_named_by_what_differs() -> None:
    def predictor(**changes: object) -> Predictor:
        model = {"_target_": "segrnn.models.FCN", "encoder_name": "resnet18"}
        context = {"_target_": "segrnn.context.ReNet", "hidden": 64, **changes}
        info = ModelInfo({"model": model, "context": context}, DEMO, Preprocessing((0.5,) * 3, (0.5,) * 3))
        return Predictor(cast(Segmenter, None), info)

    def names(*predictors: Predictor) -> list[str]:
        return making_site.name_networks([(f"{place}.ckpt", each) for place, each in enumerate(predictors)])

    without = predictor(_target_=None)
    assert names(predictor(), without) == ["context ReNet", "without context"]
    assert names(predictor(), predictor(hidden=8)) == ["context ReNet (hidden 64)", "context ReNet (hidden 8)"]
    assert names(predictor(), predictor()) == ["1: 0.ckpt", "2: 1.ckpt"]
    assert names(without) == ["1: 0.ckpt"]


@pytest.mark.thorough
def test_a_space_of_a_checkpoint(run: Run, trained: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("export", CKPT, "format=space", "output=space") == 0
    assert "python space/app.py show the page" in capsys.readouterr().out
    assert len(list(Path("space/examples").iterdir())) == 3
    assert Path("space/model.onnx").is_file()


def test_a_port_that_can_not_be_used(run: Run, capsys) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        for port in (70000, taken.getsockname()[1]):
            assert run("demo", "ckpt=none.ckpt", f"port={port}", "open=false") == 2
            assert f"port={port} can't be used: " in capsys.readouterr().err


def test_the_package_is_downloaded_once(web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.hub.get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(making_site, "URL", f"{web.url}/package")
    for answer in (b"another file", None):
        web.files = {} if answer is None else {"/package": answer}
        with pytest.raises(DownloadError, match=f"onnxruntime_web=<path of {TARBALL}>"):
            making_site.fetch_runtime()
    assert list((tmp_path / "segrnn").iterdir()) == []
    (tmp_path / "segrnn" / TARBALL).write_bytes(b"here")
    monkeypatch.setattr(making_site, "SHA512", hashlib.sha512(b"here").hexdigest())
    assert making_site.fetch_runtime().read_bytes() == b"here"
