"""Choosing the images to show."""

from segrnn.config.schema import Examples
from segrnn.datasets import SegmentationDataset
from segrnn.errors import ConfigError
from segrnn.reports import spread
from segrnn.text import nearest


def choose_examples(examples: Examples, dataset: SegmentationDataset) -> list[str]:
    """Return the names in ``examples.names``, or else ``examples.count`` names spread evenly over the dataset.

    Raises:
        ConfigError: the dataset has no image with one of the names.
    """
    names = [pair.name for pair in dataset.pairs]
    for name in examples.names:
        if name not in names:
            raise ConfigError(
                f"examples.names: {name!r} is not among the {len(names)} images, {names[0]} to {names[-1]}"
                f"{nearest(name, names)}"
            )
    return examples.names or spread(names, examples.count)
