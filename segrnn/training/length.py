"""The length of a run, in steps or in passes over the training images."""

import math

from segrnn.config.schema import Trainer

_STEPS = 250
"""The number of steps of a run whose length nobody has chosen."""


def count_steps(trainer: Trainer, images: float, batch_size: int) -> int:
    """Return the number of steps of a run. A part of a step counts as a whole one.

    Args:
        trainer: the configuration's group ``trainer``.
        images: the number of images in a pass over the training data, on average.
        batch_size: the number of crops in a step, over all processes.

    Example:
        >>> from segrnn.config.composition import compose
        >>> from segrnn.config.schema import Train
        >>> count_steps(compose(Train, ["trainer.epochs=1.5"]).trainer, images=367, batch_size=16)
        35
    """
    if trainer.epochs is not None:
        return max(1, math.ceil(trainer.epochs * images / batch_size))
    return _STEPS if trainer.max_steps is None else trainer.max_steps


def describe_length(trainer: Trainer, images: float, batch_size: int) -> str:
    """Say how long a run is, by the key that decides it.

    Args:
        trainer: the configuration's group ``trainer``.
        images: the number of images in a pass over the training data, on average.
        batch_size: the number of crops in a step, over all processes.

    Example:
        >>> from segrnn.config.composition import compose
        >>> from segrnn.config.schema import Train
        >>> describe_length(compose(Train, ["trainer.epochs=2"]).trainer, images=367, batch_size=16)
        'trainer.epochs=2: 46 steps of 16 crops, from 367 images'
        >>> describe_length(compose(Train, ["trainer.max_steps=46"]).trainer, images=367, batch_size=16)
        'trainer.max_steps=46: 2.01 passes over 367 images, in steps of 16 crops'
    """
    steps = count_steps(trainer, images, batch_size)
    if trainer.epochs is not None:
        return f"trainer.epochs={trainer.epochs:g}: {steps} steps of {batch_size} crops, from {images:g} images"
    passes = steps * batch_size / images
    return f"trainer.max_steps={steps}: {passes:.3g} passes over {images:g} images, in steps of {batch_size} crops"
