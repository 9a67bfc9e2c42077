"""The knobs of encoders."""

from dataclasses import dataclass
from typing import Any

from segrnn.config.knobs import Limits, knob


@dataclass(kw_only=True)
class Encoder:
    """The choice of an encoder, and the normalisation of its images."""

    name: str = knob("an encoder of segmentation_models_pytorch, or tu-<name> for one of timm")
    mean: list[float] = knob("the mean of each channel, for values from 0 to 1", limits=Limits(filled="channel"))
    std: list[float] = knob("the standard deviation of each channel", limits=Limits(above=0, filled="channel"))
    weights: dict[str, Any] | None = knob("the function that loads trained weights; null trains from scratch")


@dataclass(kw_only=True)
class TrainedEncoder(Encoder):
    """The choice of an encoder, and how much of it is trained."""

    freeze: str = knob(
        "true trains none of the encoder; a number of stages, such as 3, trains nothing that the map at stride 8 "
        "depends on; batch norms keep their statistics, too",
        "false",
    )
    thaw_at: int | None = knob(
        "the step from which on the frozen part is trained as well, in runs of one process", None, Limits(at_least=1)
    )
