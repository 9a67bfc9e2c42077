from pathlib import Path

import onnx
import pytest
import torch
from export_networks import CONTEXTS, NETWORKS, make, make_small

from segrnn.errors import ExportError
from segrnn.export import Exported, OnnxModel, export_onnx, quantize_int8

SIZE = (64, 96)


def agreement(exported: Exported, path: Path) -> float:
    """The share of pixels that an 8-bit file labels as the network does."""
    image = exported.draw_input(1, SIZE, seed=3)
    labels = torch.from_numpy(OnnxModel(path)(image.numpy()))
    assert len(labels.unique()) > 1
    return (labels == exported(image)).float().mean().item()


@pytest.mark.parametrize(
    ("context", "recurrence"),
    [
        pytest.param("renet_gru", "GRU", marks=pytest.mark.thorough),
        pytest.param("renet_lstm", "DynamicQuantizeLSTM", marks=pytest.mark.slow),
    ],
)
def test_an_8_bit_file_runs_and_agrees(context: str, recurrence: str, tmp_path: Path) -> None:
    exported = Exported(make_small(CONTEXTS[context]), None, argmax=True)
    export_onnx(exported, tmp_path / "model.onnx", SIZE, {"classes": "[]"})
    quantize_int8(tmp_path / "model.onnx", tmp_path / "int8.onnx")

    operators = [node.op_type for node in onnx.load(tmp_path / "int8.onnx").graph.node]
    assert recurrence in operators
    assert "ConvInteger" in operators
    assert "Conv" not in operators
    kept = OnnxModel(tmp_path / "model.onnx").metadata.items()
    assert kept <= OnnxModel(tmp_path / "int8.onnx").metadata.items()
    assert agreement(exported, tmp_path / "int8.onnx") > 0.9
    assert sorted(path.name for path in tmp_path.iterdir()) == ["int8.onnx", "model.onnx"]


@pytest.mark.thorough
@pytest.mark.parametrize("network", NETWORKS)
def test_real_networks_shrink_and_agree(network: str, tmp_path: Path) -> None:
    exported = Exported(make(network, CONTEXTS["renet_gru"]), None, argmax=True)
    export_onnx(exported, tmp_path / "model.onnx", None, {})
    quantize_int8(tmp_path / "model.onnx", tmp_path / "int8.onnx")
    assert (tmp_path / "int8.onnx").stat().st_size < 0.3 * (tmp_path / "model.onnx").stat().st_size
    assert agreement(exported, tmp_path / "int8.onnx") > 0.8


def test_a_file_from_elsewhere_is_refused(tmp_path: Path) -> None:
    value = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1])
    graph = onnx.helper.make_graph([], "nothing", [value], [value])
    onnx.save(
        onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=10),
        tmp_path / "model.onnx",
    )
    with pytest.raises(ExportError, match="was not written by export_onnx"):
        quantize_int8(tmp_path / "model.onnx", tmp_path / "int8.onnx")


def test_what_is_no_network_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_text("no network")
    with pytest.raises(ExportError, match=r"model.onnx can't be loaded"):
        quantize_int8(tmp_path / "model.onnx", tmp_path / "int8.onnx")
    assert not (tmp_path / "int8.onnx").exists()
