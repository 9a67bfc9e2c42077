"""Networks that need neither Lightning, Hydra nor wandb."""

from segrnn.models.activation_checkpointing import checkpoint_activations
from segrnn.models.auxiliary import Auxiliary
from segrnn.models.blla import BLLA
from segrnn.models.fcn import FCN
from segrnn.models.freezing import Frozen
from segrnn.models.insertion import add_context
from segrnn.models.loading import load_weights
from segrnn.models.reseg import ReSeg
from segrnn.models.segmenter import Segmenter

__all__ = [
    "BLLA",
    "FCN",
    "Auxiliary",
    "Frozen",
    "ReSeg",
    "Segmenter",
    "add_context",
    "checkpoint_activations",
    "load_weights",
]
