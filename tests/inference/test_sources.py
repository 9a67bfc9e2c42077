"""Networks with an address are downloaded and compared with it. For all other names, nothing is asked."""

import hashlib
import socket
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from conftest import SMALL, Run, Web

import segrnn
from segrnn.errors import CheckpointError
from segrnn.inference import locate


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "cache"))


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_a_file_is_downloaded_once(web: Web, capsys: pytest.CaptureFixture[str]) -> None:
    web.files["/nets/best.ckpt"] = b"weights"
    address = f"{web.url}/nets/best.ckpt#sha256={digest(b'weights').upper()}"
    path = Path(locate(address))
    assert (path.name, path.read_bytes()) == ("best.ckpt", b"weights")
    assert f"downloading {web.url}/nets/best.ckpt" in capsys.readouterr().out
    assert locate(address) == str(path)
    assert len(web.requests) == 1


def test_another_file_is_refused(web: Web) -> None:
    web.files["/best.ckpt"] = b"<html>log in first</html>"
    address = f"{web.url}/best.ckpt#sha256={digest(b'weights')}"
    for _ in range(2):  # nothing was kept
        with pytest.raises(CheckpointError, match="best.ckpt is not the file with this sha256: it was changed"):
            locate(address)


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("{url}/best.ckpt", r"best.ckpt: add #sha256=<the 64 digits that sha256sum prints>"),
        ("{url}/best.ckpt#sha256=12", "add #sha256="),
        ("{url}/best.ckpt#md5=0123456789abcdef", "add #sha256="),
        (f"{{url}}/gone.ckpt#sha256={'0' * 64}", "gone.ckpt can't be downloaded: HTTP Error 404"),
        (f"http://127.0.0.1:1/best.ckpt#sha256={'0' * 64}", "can't be downloaded: .*Connection refused"),
    ],
)
def test_addresses_that_lead_nowhere(address: str, message: str, web: Web) -> None:
    with pytest.raises(CheckpointError, match=message):
        locate(address.format(url=web.url))


def test_a_checkpoint_that_a_run_has_logged(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked = []

    class Api:
        def artifact(self, name: str, type: str) -> SimpleNamespace:
            asked.append((name, type))
            return SimpleNamespace(download=lambda: str(tmp_path / "artifact"))

    monkeypatch.setattr("wandb.Api", Api)
    (tmp_path / "artifact").mkdir()
    with pytest.raises(CheckpointError, match=r"must hold one checkpoint, but it holds these: none"):
        locate("wandb://me/streets/model-1:best")
    (tmp_path / "artifact/best.ckpt").touch()
    assert locate("wandb://me/streets/model-1:best") == str(tmp_path / "artifact/best.ckpt")
    assert set(asked) == {("me/streets/model-1:best", "model")}


def test_what_the_service_says_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise ValueError("no API key")

    monkeypatch.setattr("wandb.Api", refuse)
    with pytest.raises(CheckpointError, match=r"wandb://me/x:best can't be downloaded: no API key; wandb login, or"):
        locate("wandb://me/x:best")


@pytest.mark.parametrize("source", ["me/streets", "runs/best.ckpt", "hf:me/x", "ftp://me/x", "file:///etc/passwd", ""])
def test_nothing_else_is_asked_for(source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("the network was asked")

    for name in ("getaddrinfo", "create_connection"):
        monkeypatch.setattr(socket, name, refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    assert locate(source) == source
    with pytest.raises(CheckpointError):
        segrnn.load(source)


@pytest.mark.thorough
def test_commands_take_addresses(run: Run, camvid: Path, web: Web, capsys: pytest.CaptureFixture[str]) -> None:
    small = [*SMALL, "data=camvid", f"data.root={camvid}"]
    assert run("train", *small, "run_id=first") == 0
    content = Path("runs/train/first/checkpoints/best.ckpt").read_bytes()
    web.files["/best.ckpt"] = content
    address = f"{web.url}/best.ckpt#sha256={digest(content)}"
    assert run("train", *small, f"weights={address}", "run_id=second") == 0
    assert run("evaluate", f"ckpt={address}", "data.workers=0") == 0
    assert run("evaluate", f"ckpt=[{address},runs/train/second/checkpoints/best.ckpt]", "data.workers=0") == 0
    assert run("predict", f"ckpt={address}", f"input={camvid}/val", "output=masks") == 0
    assert run("export", f"ckpt={address}", "output=bundle") == 0
    assert run("benchmark", "inference", f"ckpt={address}", "sizes=[[32,32]]", "runtimes=[eager]", "repeats=1") == 0
    assert len(web.requests) == 1
    capsys.readouterr()
    assert run("evaluate", f"ckpt={web.url}/best.ckpt") == 2
    assert f"error: {web.url}/best.ckpt: add #sha256=" in capsys.readouterr().err
