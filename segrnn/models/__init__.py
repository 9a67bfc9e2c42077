"""Networks that need neither Lightning, Hydra nor wandb."""

from segrnn.models.fcn import FCN
from segrnn.models.insertion import add_context
from segrnn.models.reseg import ReSeg
from segrnn.models.segmenter import Segmenter

__all__ = ["FCN", "ReSeg", "Segmenter", "add_context"]
