"""The import paths that the user's own configuration may name."""

ALLOW_LIST = (
    "segrnn.models.pretrained_weights.",
    "segrnn.datasets.statistics.",
    "segrnn.losses.",
    "segrnn.metrics.",
    "segrnn.training.",
    "torch.nn.",
    "torch.optim.",
    "pytorch_lightning.callbacks.",
    "pytorch_lightning.loggers.",
)
"""The prefixes of losses and class weights, optimizers, schedules, callbacks, loggers, metrics and pretrained
weights.

The prefixes in ``allow`` are allowed too. Networks have a list of their own in `segrnn.models.architecture`, and
datasets have one in `segrnn.config.data`.
"""
