"""The benchmark command, in a fresh folder."""

import csv
from pathlib import Path

import pytest
from PIL import Image

from segrnn.config.contexts import find_contexts

SMALL = ["hydra.run.dir=out", "sizes=[[6,8],[8,12]]", "field_size=[9,15]", "channels=8", "hidden=4", "repeats=1"]


@pytest.mark.thorough
def test_contexts(run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("benchmark", "contexts", *SMALL, "device=cpu") == 0
    assert "renet_mingru" in capsys.readouterr().out
    with Path("out/costs.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * len(find_contexts())
    by = {(row["name"], row["height"]): row for row in rows}
    assert by["none", "6"]["macs"] == "0"
    # two 3 x 3 convolutions between 8 and 4 channels
    assert int(by["convolutions", "6"]["macs"]) == 2 * 9 * 8 * 4 * 6 * 8
    assert int(by["self_attention", "8"]["macs"]) > 2 * int(by["self_attention", "6"]["macs"])
    assert by["renet_gru", "6"]["parameters"] == by["renet_gru", "8"]["parameters"]
    assert all(float(row["forward_ms"]) > 0 and float(row["peak_mib"]) > 0 for row in rows)
    markdown = Path("out/costs.md").read_text().splitlines()
    assert "torch" in markdown[0]
    assert len(markdown) == 6 + len(rows)
    for name in ("costs.png", "receptive_fields.png"):
        with Image.open(Path("out") / name) as image:
            image.verify()


@pytest.mark.thorough
def test_inference(run, capsys: pytest.CaptureFixture[str]) -> None:
    small = ["hydra.run.dir=out", "sizes=[[40,56],[64,80]]", "encoder=resnet18", "model.width=8", "repeats=2"]
    assert run("benchmark", "inference", *small, "classes=3", "runtimes=[eager,prepared,onnx]") == 0
    printed = capsys.readouterr().out
    assert "FCN, resnet18, ReNet" in printed
    with Path("out/inference.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["runtime"], row["height"]) for row in rows] == [
        *[("eager", "40")] * 2,
        *[("prepared", "40")] * 2,
        *[("onnx", "40")] * 2,
        *[("eager", "64")] * 2,
        *[("prepared", "64")] * 2,
        *[("onnx", "64")] * 2,
    ]
    assert all(float(row["seconds"]) > 0 and float(row["peak_mib"]) > 0 for row in rows)
    markdown = Path("out/inference.md").read_text()
    assert "| 40 x 56 | eager |" in markdown
    assert run("benchmark", "inference", "runtimes=[onyx]") == 2
    assert "runtimes: onyx must be one of eager, prepared, compiled, onnx, onnx_int8 (did you mean onnx?)" in (
        capsys.readouterr().err
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["context"], "benchmark has no command 'context' (did you mean contexts?); it has contexts, inf"),
        (["contexts", "contexts=[renet_gro]"], "context has no option 'renet_gro' (did you mean renet_gru?)"),
        (["contexts", "sizes=[[0,3]]"], "sizes=[[0, 3]] must be a list of [height, width], each at least 1"),
        (["contexts", "sizes=[]"], "sizes=[] must be a list of [height, width]"),
        (["contexts", "hidden=0"], "hidden=0 must be at least 1"),
        (["contexts", "channels=x"], "channels=x must be a whole number"),
        (["contexts", "repeats=0"], "repeats=0 must be at least 1"),
        (["contexts", "size=3"], "there is no 'size' in the configuration (did you mean sizes?)"),
        (["contexts", "contexts=[self_attention]", "hidden=6"], "hidden=6 can't be divided into heads=4"),
    ],
)
def test_mistakes_end_in_one_message(
    run, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("benchmark", *arguments) == 2
    err = capsys.readouterr().err
    assert message in err
    assert "Traceback" not in err
    assert not [path for path in Path().rglob("*") if path.is_file()]


def test_help(run, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in ([], ["--help"]):
        assert run("benchmark", *arguments) == 0
        assert "NAME is one of: contexts" in capsys.readouterr().out
    assert run("benchmark", "contexts", "--help") == 0
    assert "python -m segrnn.benchmark contexts" in capsys.readouterr().out
