"""Networks that need neither Lightning, Hydra nor wandb."""

from segrnn.models.fcn import FCN
from segrnn.models.segmenter import Segmenter

__all__ = ["FCN", "Segmenter"]
