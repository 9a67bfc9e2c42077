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
        'trainer.epochs=2 is trainer.max_steps=46, with 16 crops a step and 367 images'
        >>> describe_length(compose(Train, ["trainer.max_steps=46"]).trainer, images=367, batch_size=16)
        'trainer.max_steps=46 is trainer.epochs=2.01, with 16 crops a step and 367 images'
    """
    steps = count_steps(trainer, images, batch_size)
    length, epochs = f"trainer.max_steps={steps}", trainer.epochs
    if epochs is not None:
        length = f"trainer.epochs={epochs:g} is {length}"
    else:
        length += f" is trainer.epochs={steps * batch_size / images:.3g}"
    return f"{length}, with {batch_size} crops a step and {images:g} images"
