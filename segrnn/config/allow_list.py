"""What the user's own configuration may name."""

ALLOW_LIST = (
    "segrnn.models.weights.",
    "segrnn.datasets.statistics.",
    "segrnn.losses.",
    "segrnn.training.",
    "torch.nn.",
    "torch.optim.",
    "pytorch_lightning.loggers.",
)
"""Losses and class weights, optimizers, schedules, loggers and pretrained weights, besides the prefixes in ``allow``.

Networks have a list of their own in `segrnn.models.architecture`, and data sets one in `segrnn.config.data`.
"""
