"""What configurations may name."""

from segrnn.models.architecture import MODEL_TARGETS

DATA_TARGETS = ("segrnn.datasets.",)
"""What the data of a checkpoint may name."""

TARGETS = (
    *MODEL_TARGETS,
    *DATA_TARGETS,
    "segrnn.losses.",
    "segrnn.training.",
    "torch.nn.",
    "torch.optim.",
    "pytorch_lightning.loggers.",
)
"""What the user's own configuration may name, besides the prefixes in ``allow``."""
