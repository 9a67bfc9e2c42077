"""The weights that a run starts from."""

from collections.abc import Sequence

from segrnn.config.composition import compose
from segrnn.config.model import load_pretrained
from segrnn.config.parsing import plain
from segrnn.config.schema import Train
from segrnn.errors import CheckpointError
from segrnn.inference import locate
from segrnn.inference.foreign import HubModel
from segrnn.inference.trained import StartWeights, read_weights
from segrnn.labels import LabelSpace
from segrnn.models import Segmenter, load_weights
from segrnn.text import tell


def load_start_weights(segmenter: Segmenter, labels: LabelSpace, config: Train, allow: Sequence[str]) -> None:
    """Load the weights a run starts from: a trained network's, with or without its head, or the encoder's own.

    Raises:
        CheckpointError: the weights can't be read, or they are of another network or for other classes.
        ConfigError: the encoder's weights can't be loaded.
    """
    path, load_head = config.weights, config.load_head
    if path is None:
        load_pretrained(segmenter, config.encoder, allow)
        return
    start = read_weights(locate(path))
    if start.labels is None:
        _check_foreign(start, path, labels, config)
    elif load_head and start.labels.class_names != labels.class_names:
        raise CheckpointError(
            f"weights={path} are for other classes: load_head=false loads everything except the head\n"
            f"  there: {', '.join(start.labels.class_names)}\n"
            f"  here: {', '.join(labels.class_names)}"
        )
    skip = [*(() if load_head else ("head", "auxiliary")), *(("context", "auxiliary") if start.labels is None else ())]
    try:
        load_weights(segmenter, start.weights, skip)
    except CheckpointError as error:
        raise CheckpointError(f"weights={path}: {error}") from error


def _check_foreign(start: StartWeights, path: str, labels: LabelSpace, config: Train) -> None:
    """Compare the weights of another library with the configured network as far as they say what they are."""
    if start.hub is not None and (overrides := _overrides_for(start.hub, config)):
        raise CheckpointError(f"weights={path} are of another network: add {' '.join(overrides)}")
    there = len(start.weights["head.0.weight"])
    if config.load_head and there != labels.num_classes:
        raise CheckpointError(
            f"weights={path} are for {there} classes, and the data has {labels.num_classes}: "
            "load_head=false loads everything except the head"
        )
    if config.load_head:
        tell(f"weights={path} do not name their classes: they are taken to be {', '.join(labels.class_names)}")


def _overrides_for(hub: HubModel, config: Train) -> list[str]:
    """Return the overrides that turn the configured network into that of the hub."""
    if config.model["_target_"] == hub.target:
        return hub.overrides_for(config.model, config.data.channels)
    choice = [f"model={hub.name.lower()}"]
    other = plain(compose(Train, [*choice, f"encoder.name={config.encoder.name}"]))["model"]
    return choice + hub.overrides_for(other, config.data.channels)
