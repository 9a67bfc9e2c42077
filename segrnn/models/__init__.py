"""Networks that need neither Lightning, Hydra nor wandb."""

from segrnn.models.auxiliary import Auxiliary
from segrnn.models.fcn import FCN
from segrnn.models.info import ModelInfo
from segrnn.models.insertion import add_context
from segrnn.models.loading import load_weights
from segrnn.models.recompute import recompute_encoder
from segrnn.models.reseg import ReSeg
from segrnn.models.segmenter import Segmenter

__all__ = ["FCN", "Auxiliary", "ModelInfo", "ReSeg", "Segmenter", "add_context", "load_weights", "recompute_encoder"]
