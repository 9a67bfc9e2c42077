"""Small files in the format of kraken's models, written byte by byte, and a drawn page. They need numpy only."""

import json
from pathlib import Path

import numpy as np

SPEC = (
    "[1,48,0,3 Cr{C_0}7,7,8,2,2 Gn{Gn_1}4 Cr{C_2}3,3,16,2,2 Gn{Gn_3}4 Cr{C_4}3,3,16 Gn{Gn_5}4 Cr{C_6}3,3,32 Gn{Gn_7}4 "
    "Cr{C_8}3,3,32 Gn{Gn_9}4 Lbx{L_10}4 Lby{L_11}4 Cr{C_12}1,1,4 Gn{Gn_13}4 Lby{L_14}4 Lbx{L_15}4 O{l_16}2l4]"
)
"""The network of blla.mlmodel with an eighth of its channels, for pages of 48 rows."""
META = {
    "model_type": "segmentation",
    "one_channel_mode": "1",
    "hyper_params": {},
    "class_mapping": {
        "aux": {"_start_separator": 0, "_end_separator": 1},
        "baselines": {"default": 2},
        "regions": {"text": 3},
    },
}
CONVOLUTIONS = [("C_0", 3, 8, 7), ("C_2", 8, 16, 3), ("C_4", 16, 16, 3), ("C_6", 16, 32, 3), ("C_8", 32, 32, 3)]
SIZE = (48, 61)
SEED = 14
"""With this seed, the mask of the page has the background and three classes."""


def varint(number: int) -> bytes:
    low, rest = number & 127, number >> 7
    return bytes([low | 128]) + varint(rest) if rest else bytes([low])


def field(number: int, *values: int | str | bytes) -> bytes:
    """A field of a protobuf message, once for each value."""
    written = b""
    for value in values:
        if isinstance(value, int):
            written += varint(number << 3) + varint(value)
        else:
            content = value.encode() if isinstance(value, str) else value
            written += varint(number << 3 | 2) + varint(len(content)) + content
    return written


def weights(array: np.ndarray) -> bytes:
    return field(1, array.astype("<f4").tobytes())


def convolution(
    draw: np.random.RandomState, name: str, channels: int, filters: int, kernel: int, scale: float = 1
) -> bytes:
    sizes = field(1, filters) + field(2, channels) + field(20, bytes([kernel, kernel])) + field(70, 1)
    arrays = field(90, weights(scale * draw.randn(filters, channels, kernel, kernel) / (kernel * channels**0.5)))
    arrays += field(91, weights(0.3 * draw.randn(filters)))
    return field(1, f"{name}_conv") + field(100, sizes + arrays)


def group_norm(draw: np.random.RandomState, name: str, channels: int) -> bytes:
    arrays = field(20, weights(draw.uniform(0.5, 1.5, channels)), weights(0.3 * draw.randn(channels)))
    sizes = field(30, field(1, "in_channels") + field(2, field(30, channels)))
    return field(1, name) + field(500, field(10, "groupnorm") + arrays + sizes)


def lstm(draw: np.random.RandomState, name: str, channels: int, hidden: int) -> bytes:
    directions = b""
    for _ in range(2):
        gates = b""
        for first, shape in ((1, (hidden, channels)), (20, (hidden, hidden)), (40, (hidden,))):
            gates += b"".join(field(first + gate, weights(draw.uniform(-1, 1, shape))) for gate in range(4))
        directions += field(20, gates)
    sizes = field(1, channels) + field(2, hidden)
    return field(1, name) + field(2, name) + field(3, name) + field(430, sizes + directions)


def transposed_lstm(draw: np.random.RandomState, name: str, channels: int, hidden: int) -> list[bytes]:
    """A sweep along columns: a layer that swaps the axes, and the LSTM."""
    swap = field(1, name) + field(3, f"{name}_transposed") + field(310, field(1, bytes([0, 1, 3, 2])))
    return [swap, lstm(draw, f"{name}_transposed", channels, hidden)]


def layers() -> list[bytes]:
    """The layers of `SPEC` with random weights, which are always the same."""
    draw = np.random.RandomState(SEED)
    found = []
    for number, (name, channels, filters, kernel) in enumerate(CONVOLUTIONS):
        found.append(convolution(draw, name, channels, filters, kernel))
        found.append(field(1, f"{name}_act") + field(2, f"{name}_conv") + field(130, field(10, b"")))  # has no weights
        found.append(group_norm(draw, f"Gn_{2 * number + 1}", filters))
    found += [lstm(draw, "L_10", 32, 4), *transposed_lstm(draw, "L_11", 8, 4)]
    found += [convolution(draw, "C_12", 8, 4, 1), group_norm(draw, "Gn_13", 4)]
    found += [*transposed_lstm(draw, "L_14", 4, 4), lstm(draw, "L_15", 8, 4)]
    return [*found, convolution(draw, "l_16", 8, 4, 1, scale=10)]


def write(
    path: Path, spec: str = SPEC, meta: object = META, content: list[bytes] | None = None, codec: str = ""
) -> Path:
    """A CoreML file: texts about the network, and its layers."""
    texts = {"vgsl": spec, "kraken_meta": "" if meta is None else json.dumps(meta), "codec": codec}
    entries = [field(1, key) + field(2, text) for key, text in texts.items() if text]
    network = field(1, *(layers() if content is None else content))
    path.write_bytes(field(1, 2) + field(2, field(100, field(100, *entries))) + field(500, network))
    return path


def page() -> np.ndarray:
    """Lines of ink on grey paper, ``(H, W, 3)``."""
    height, width = SIZE
    picture = np.full((height, width, 3), (240, 235, 220), np.uint8)
    for row in range(6, height - 6, 7):
        for column in range(8, width - 8, 3):
            picture[row : row + 3, column : column + 1 + (row + column) % 2] = (60, 50, 40)
    return picture
