"""The command that opens the page, and the export that keeps it, in a fresh folder."""

import hashlib
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from browser_page import needs_runtime
from conftest import SMALL, Run

from segrnn.datasets.demo_scenes import write_demo
from segrnn.errors import DownloadError
from segrnn.export.web_runtime import TARBALL
from segrnn.inference import Predictor
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
    assert run("export", CKPT, "format=web", "output=site") == 0
    assert "python -m http.server -d site serves the page" in capsys.readouterr().out
    assert [path.name for path in sorted(Path("site/examples").iterdir())] == ["1.png", "2.png", "3.png"]
    assert Predictor.load("trained/checkpoints/last.ckpt").info.labels.name in Path("site/site.json").read_text()
    assert run("export", CKPT, "format=web", "output=site") == 2
    assert "site exists already" in capsys.readouterr().err
    command = [sys.executable, "-m", "segrnn.demo", CKPT, "open=false", "examples=[site/examples/1.png]"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as server:
        assert server.stdout is not None
        address = next(line for line in server.stdout if "serving " in line).split()[1]
        with urllib.request.urlopen(f"{address}/site.json") as answer:
            assert HEADERS.items() <= dict(answer.headers).items()
            assert answer.read() != Path("site/site.json").read_bytes()  # one example
        server.send_signal(signal.SIGINT)
        assert server.wait(timeout=120) == 130


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["argmax=true"], "argmax=True does not work with format=web: leave it out"),
        (["size=[64,64]"], "size=[64, 64] does not work with format=web: leave it out"),
        (["int8=true"], "int8=true works with format=onnx only, not with web"),
        (["ckpt=missing"], "missing does not exist"),
    ],
)
def test_mistakes_of_a_site(run: Run, arguments: list[str], message: str, capsys) -> None:
    assert run("export", "ckpt=none.ckpt", "format=web", "output=site", *arguments) == 2
    assert message in capsys.readouterr().err
    assert not Path("site").exists()


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
