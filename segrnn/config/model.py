"""Building the networks that a configuration describes."""

from collections.abc import Sequence

from segrnn.config.allow_list import ALLOW_LIST
from segrnn.config.data_knobs import Data
from segrnn.config.encoder_knobs import Encoder, TrainedEncoder
from segrnn.config.measuring import BenchmarkInference
from segrnn.config.parsing import plain
from segrnn.config.schema import Train
from segrnn.errors import ConfigError
from segrnn.images import Preprocessing
from segrnn.inference import ModelInfo
from segrnn.instantiate import call, instantiate
from segrnn.labels import Label, LabelSpace
from segrnn.models import Frozen, Segmenter
from segrnn.models.architecture import build_segmenter
from segrnn.text import counted


def build_preprocessing(encoder: Encoder, data: Data) -> Preprocessing:
    """Build the preprocessing of every image: the normalisation of the encoder, and the size that the data sets.

    Raises:
        ConfigError: the encoder's mean or std has another number of channels than the data.
    """
    height, width = data.base_size or (None, None)
    base_size = None if height is None or width is None else (height, width)
    for name, numbers in {"mean": encoder.mean, "std": encoder.std}.items():
        if len(numbers) != data.channels:
            raise ConfigError(
                f"encoder.{name} has {counted(len(numbers), 'number')}, but data.channels={data.channels}: python -m "
                f"segrnn.prepare stats data=... data.channels={data.channels} prints the mean and std of each channel"
            )
    return Preprocessing(tuple(encoder.mean), tuple(encoder.std), data.eval_scale, base_size, data.white)


def build_model(config: Train, labels: LabelSpace, allow: Sequence[str]) -> tuple[Segmenter, ModelInfo]:
    """Build the network of a training configuration without weights, and the description that its users will need.

    Args:
        config: the configuration of `segrnn.train`.
        labels: the classes.
        allow: import paths of the caller's own code that may be named.

    Raises:
        ConfigError: a component does not exist, or does not fit the others.
    """
    return _build(config, labels, build_preprocessing(config.encoder, config.data), allow)


def build_untrained(
    config: Train | BenchmarkInference, classes: int, allow: Sequence[str] = ()
) -> tuple[Segmenter, ModelInfo]:
    """Build a network without weights for measurements.

    Args:
        config: a configuration with the groups ``model``, ``context`` and ``encoder``.
        classes: the number of classes, which get no real names.
        allow: import paths of the caller's own code that may be named.

    Raises:
        ConfigError: a component does not exist, or does not fit the others.
    """
    labels = LabelSpace("untrained", [Label(f"class {i}", i, i, (i, i, i)) for i in range(classes)])
    return _build(config, labels, Preprocessing(tuple(config.encoder.mean), tuple(config.encoder.std)), allow)


def _build(
    config: Train | BenchmarkInference, labels: LabelSpace, preprocessing: Preprocessing, allow: Sequence[str]
) -> tuple[Segmenter, ModelInfo]:
    whole = plain(config)
    architecture = {part: whole[part] for part in ("model", "context")}
    info = ModelInfo(architecture, labels, preprocessing, provenance={"config": whole})
    return build_segmenter(whole, labels.num_classes, allow, preprocessing.channels), info


def freeze(segmenter: Segmenter, encoder: TrainedEncoder) -> Frozen | None:
    """Freeze what ``encoder.freeze`` names.

    Raises:
        ConfigError: there is no such stage, or ``encoder.thaw_at`` has nothing to thaw.
    """
    chosen = encoder.freeze.lower()
    if chosen == "false":
        if encoder.thaw_at is not None:
            raise ConfigError(f"encoder.thaw_at={encoder.thaw_at}: nothing is frozen; add encoder.freeze=true")
        return None
    if chosen != "true" and not chosen.isdecimal():
        raise ConfigError(f"encoder.freeze={encoder.freeze} must be true, false or a number of stages, such as 3")
    frozen: Frozen = call(Frozen, "encoder.freeze", segmenter.encoder, None if chosen == "true" else int(chosen))
    return frozen


def load_pretrained(segmenter: Segmenter, encoder: Encoder, allow: Sequence[str]) -> None:
    """Load the weights that ``encoder.weights`` names into the encoder. Do nothing if it is null."""
    if encoder.weights:
        load = instantiate(encoder.weights, "encoder.weights", (*ALLOW_LIST, *allow))
        call(load, "encoder.weights", segmenter.encoder, encoder.name)
