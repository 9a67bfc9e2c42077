import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import torch
from export_networks import CONTEXTS, EACH, make, make_blla, make_small, share_of_context
from torch import nn

from segrnn.context import SCNN, ReNet
from segrnn.errors import ExportError
from segrnn.export import Exported, export_torch
from segrnn.export import torch_export as module

SIZE = (40, 51)


@pytest.mark.parametrize(
    "context",
    [pytest.param(name, marks=pytest.mark.slow if name == "renet_gru" else pytest.mark.thorough) for name in CONTEXTS],
)
def test_a_file_for_any_size_computes_the_same(context: str, tmp_path: Path) -> None:
    model = make_small(CONTEXTS[context])
    assert share_of_context(model) > 0.1
    path = tmp_path / "model.pt2"
    assert export_torch(Exported(model, None, argmax=False), path, None, {"classes": "[]"}) < 1e-5

    facts = {"classes": "", "size": ""}
    loaded = torch.export.load(path, extra_files=facts).module()
    assert facts == {"classes": "[]", "size": "dynamic", "input": "normalized", "output": "logits"}
    image = torch.randn(1, 3, 64, 40)
    with torch.no_grad():
        torch.testing.assert_close(loaded(image), model(image), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("network", "context"), EACH)
def test_real_networks_compute_the_same_at_any_size(network: str, context: str, tmp_path: Path) -> None:
    exported = Exported(make(network, CONTEXTS[context]), None, argmax=False)
    assert export_torch(exported, tmp_path / "model.pt2", None, {}) < 1e-4


@pytest.mark.slow
def test_blla_computes_the_same_at_any_size(tmp_path: Path) -> None:
    assert export_torch(Exported(make_blla(), None, argmax=False), tmp_path / "model.pt2", None, {}) < 1e-5


@pytest.mark.slow
def test_a_file_of_one_size_needs_torch_alone(tmp_path: Path) -> None:
    exported = Exported(make_small(partial(ReNet, hidden=4)), None, argmax=True)
    export_torch(exported, tmp_path / "model.pt2", SIZE, {})
    image = exported.draw_input(1, SIZE, seed=5)
    torch.save((image, exported(image)), tmp_path / "pair.pt")
    code = (
        "import sys; sys.modules['segrnn'] = None; import torch\n"
        "image, labels = torch.load('pair.pt')\n"
        "assert torch.equal(torch.export.load('model.pt2').module()(image), labels)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)


@pytest.mark.thorough
def test_a_context_that_is_written_step_by_step_has_one_size(tmp_path: Path) -> None:
    exported = Exported(make_small(partial(SCNN, hidden=4, kernel=3)), None, argmax=False)
    with pytest.raises(ExportError, match=r"export it for one fixed size with size=\[H,W\]"):
        export_torch(exported, tmp_path / "model.pt2", None, {})
    assert not list(tmp_path.iterdir())
    assert export_torch(exported, tmp_path / "model.pt2", SIZE, {}) < 1e-5


@pytest.mark.slow
def test_a_file_that_computes_something_else_is_never_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trace = module.trace

    def broken(exported: Exported, *arguments: object) -> object:
        program = trace(exported, *arguments)
        program.state_dict["model.head.0.bias"] = nn.Parameter(program.state_dict["model.head.0.bias"] + 1)
        return program

    monkeypatch.setattr(module, "trace", broken)
    exported = Exported(make_small(CONTEXTS["renet_gru"]), None, argmax=False)
    with pytest.raises(ExportError, match="logits differ from the network's by"):
        export_torch(exported, tmp_path / "model.pt2", SIZE, {})
    assert not list(tmp_path.iterdir())


def test_another_ending_is_refused(tmp_path: Path) -> None:
    exported = Exported(make_small(CONTEXTS["renet_gru"]), None, argmax=False)
    with pytest.raises(ExportError, match=r"must end in \.pt2"):
        export_torch(exported, tmp_path / "model.pt", SIZE, {})
