"""Reading the part of Apple's CoreML format that kraken uses: texts about a network, and the arrays of its layers.

A CoreML file is one protobuf message. Only the fields that are needed are declared here, with the numbers that Apple's
specification gives them (``Model.proto`` and ``NeuralNetwork.proto`` of https://github.com/apple/coremltools, BSD-3).
protobuf skips all others. coremltools itself would take 26 MB, several seconds to import, and has no wheels for every
Python that segrnn supports.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

from segrnn.errors import CheckpointError

FloatArray = npt.NDArray[np.float32]

_GATES = ("inputGate", "forgetGate", "blockInput", "outputGate")
"""The gates of an LSTM, in torch's order."""

_MESSAGES: dict[str, dict[str, tuple[int, str]]] = {
    "Model": {"description": (2, "Description"), "neuralNetwork": (500, "Network")},
    "Description": {"metadata": (100, "Metadata")},
    "Metadata": {"userDefined": (100, "Text*")},
    "Text": {"key": (1, "string"), "value": (2, "string")},
    "Network": {"layers": (1, "Layer*")},
    "Layer": {
        "name": (1, "string"),
        "convolution": (100, "Convolution"),
        "biDirectionalLSTM": (430, "BiDirectionalLSTM"),
        "custom": (500, "Custom"),
    },
    "Convolution": {"weights": (90, "Weights"), "bias": (91, "Weights")},
    "BiDirectionalLSTM": {"weightParams": (20, "LSTM*")},
    "Custom": {"className": (10, "string"), "weights": (20, "Weights*")},
    "LSTM": {
        f"{gate}{kind}": (first + at, "Weights")
        for kind, first in (("WeightMatrix", 1), ("RecursionMatrix", 20), ("BiasVector", 40))
        for at, gate in enumerate(_GATES)
    },
    "Weights": {"floatValue": (1, "float*")},
}
"""The fields of each message: number and type. A star stands for a field that is repeated."""


class Layer(NamedTuple):
    """A layer with weights.

    Args:
        name: the layer's name in the file.
        kind: ``convolution``, ``groupnorm`` or ``lstm`` (in both directions).
        arrays: its arrays, flat, in the order of the parameters of torch's module of that kind.
    """

    name: str
    kind: str
    arrays: list[FloatArray]


def read_coreml(path: Path) -> tuple[dict[str, str], list[Layer]]:
    """Read the texts that describe a network, and its layers with weights in the order of their computation.

    Raises:
        CheckpointError: the file is missing, can't be read, or is not a CoreML file.
    """
    if not path.is_file():
        raise CheckpointError(f"{path} is not a file: file= needs a CoreML file of kraken (.mlmodel)")
    try:
        model = _message_class("Model").FromString(path.read_bytes())
    except OSError as error:
        raise CheckpointError(f"{path} can't be read: {error.strerror}") from error
    except DecodeError as error:
        raise CheckpointError(
            f"{path} ({path.stat().st_size} bytes) can't be read as a CoreML file (.mlmodel): it is damaged, or it has "
            "another format. Download it again"
        ) from error
    texts = {text.key: text.value for text in model.description.metadata.userDefined}
    return texts, list(_layers(model.neuralNetwork))


def _layers(network: Any) -> Iterator[Layer]:
    for layer in network.layers:
        if layer.HasField("convolution"):
            arrays = [_array(layer.convolution.weights), _array(layer.convolution.bias)]
            yield Layer(layer.name, "convolution", arrays)
        elif layer.HasField("biDirectionalLSTM"):
            directions = layer.biDirectionalLSTM.weightParams
            yield Layer(layer.name, "lstm", [array for one in directions for array in _lstm(one)])
        elif layer.custom.className == "groupnorm":
            yield Layer(layer.name, "groupnorm", [_array(weights) for weights in layer.custom.weights])


def _lstm(direction: Any) -> list[FloatArray]:
    inputs, states, bias = (
        np.concatenate([_array(getattr(direction, f"{gate}{kind}")) for gate in _GATES])
        for kind in ("WeightMatrix", "RecursionMatrix", "BiasVector")
    )
    return [inputs, states, np.zeros_like(bias), bias]  # torch has two biases and adds them


def _array(weights: Any) -> FloatArray:
    return np.array(weights.floatValue, np.float32)


def _message_class(name: str) -> Any:
    """Return protobuf's class for a message. All of them are declared in a pool of their own, not in protobuf's."""
    pool = descriptor_pool.DescriptorPool()
    pool.Add(_declaration())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"coreml.{name}"))


def _declaration() -> Any:
    """Return `_MESSAGES` in protobuf's own form."""
    kinds = descriptor_pb2.FieldDescriptorProto
    simple = {"string": kinds.TYPE_STRING, "float": kinds.TYPE_FLOAT}
    file = descriptor_pb2.FileDescriptorProto(name="coreml.proto", package="coreml", syntax="proto3")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, (number, starred) in fields.items():
            kind = starred.removesuffix("*")
            label = kinds.LABEL_REPEATED if starred.endswith("*") else kinds.LABEL_OPTIONAL
            declared = message.field.add(name=field, number=number, label=label)
            declared.type = simple.get(kind, kinds.TYPE_MESSAGE)
            if kind not in simple:
                declared.type_name = f".coreml.{kind}"
    return file
