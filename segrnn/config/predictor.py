"""How a trained network is used, from the configuration of a command."""

from collections.abc import Mapping
from typing import Any

from segrnn.components import call
from segrnn.config.model import load_trained
from segrnn.inference import Predictor, Windows, choose_device


def build_predictor(config: Mapping[str, Any]) -> Predictor:
    """The network of ``ckpt`` on its device, looking as ``scales``, ``flip`` and ``windows`` say.

    Raises:
        CheckpointError: the checkpoint or bundle is missing or damaged.
        ConfigError: a device that is not there, or windows that leave gaps.
    """
    chosen = config["windows"]
    windows = None
    if chosen["size"]:
        windows = call(Windows, "windows", chosen["size"], chosen["stride"], chosen["gaussian"])
    device = choose_device(config["device"])
    return Predictor(
        load_trained(config["ckpt"], config["allow"]).to(device), config["scales"], config["flip"], windows
    )
