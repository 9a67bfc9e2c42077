"""The configuration of each part of ``benchmark``."""

from dataclasses import dataclass
from typing import Any

from segrnn.config.encoder_knobs import Encoder
from segrnn.config.knobs import ALLOW, DEVICE, LOGGER, Limits, knob
from segrnn.config.parsing import Config

_COUNT, _SEED, _SIDES = Limits(at_least=1), Limits(at_least=0), Limits(above=0, length=2)


@dataclass(kw_only=True)
class BenchmarkInference(Config):
    """The configuration `conf/benchmark_inference.yaml`."""

    ckpt: str | None = knob(
        "a checkpoint or a bundle; null measures an untrained network, which model, context and encoder describe", None
    )
    model: dict[str, Any] = knob("the decoder and the head of an untrained network")
    context: dict[str, Any] = knob("the context module of an untrained network")
    encoder: Encoder
    classes: int = knob("the number of classes of an untrained network", 19, _COUNT)
    sizes: list[list[int]] = knob("height and width of each image", [[360, 480], [1024, 2048]])
    runtimes: list[str] = knob(
        "the ways to run it: eager, prepared (as predict does it), compiled, onnx, onnx_int8",
        ["eager", "prepared", "compiled", "onnx"],
    )
    repeats: int = knob("the number of rounds; the table shows medians over them", 5, _COUNT)
    seed: int = knob("the seed of the weights", 0, _SEED)
    logger: dict[str, Any] = knob(LOGGER)
    allow: list[str] = knob(ALLOW, [])


@dataclass(kw_only=True)
class BenchmarkContexts(Config):
    """The configuration `conf/benchmark_contexts.yaml`."""

    contexts: list[str] = knob("the names of files in conf/context/; an empty list measures all of them", [])
    hidden: int | None = knob("the hidden size of all contexts; null takes the size in each file", 64, _COUNT)
    channels: int = knob("the number of channels of the map", 128, _COUNT)
    batch: int = knob("the number of maps in a batch", 1, _COUNT)
    sizes: list[list[int]] = knob(
        "height and width of each map; a map is smaller than its image", [[32, 64], [64, 128], [128, 256]]
    )
    field_size: list[int] = knob(
        "height and width of the map for the picture of receptive fields, which shows what the map's centre sees",
        [64, 128],
        _SIDES,
    )
    repeats: int = knob("the number of rounds; the table shows medians over them", 5, _COUNT)
    device: str = knob(DEVICE, "auto")
    seed: int = knob("the seed of the weights", 0, _SEED)
    logger: dict[str, Any] = knob(LOGGER)
    allow: list[str] = knob(ALLOW, [])
