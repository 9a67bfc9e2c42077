"""Building a dataset from the configuration."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from omegaconf import OmegaConf

from segrnn.config.data_knobs import Data
from segrnn.config.schema import Scored
from segrnn.datasets import SegmentationDataset
from segrnn.datasets.sharded import Sharded
from segrnn.datasets.statistics import read_statistics_of
from segrnn.errors import ConfigError, DataError
from segrnn.images import Bands
from segrnn.images.object_store import is_address
from segrnn.images.reading import MAX_PIXELS
from segrnn.inference import ModelInfo
from segrnn.instantiate import call, check_plain, find, instantiate, matches
from segrnn.text import shorten

_DATASETS = ("segrnn.datasets.",)
"""The import prefixes of the classes of datasets."""


def lay_over(chosen: Mapping[str, Any], info: ModelInfo) -> Data:
    """Return the configuration of the data that a network was trained on, with the user's choices in place of its own.

    The training configuration comes from a stranger's file. An interpolation in it, such as ``${oc.env:HOME}``, is not
    resolved.

    Args:
        chosen: the configuration of the group ``data``. A value of null keeps the value of the training.
        info: the network's description, with its training configuration.

    Raises:
        ConfigError: a needed value is in neither of them.
    """
    config = info.provenance.get("config")
    recipe = config.get("data") if isinstance(config, Mapping) else None
    trained_on = recipe if isinstance(recipe, Mapping) else {}  # a bundle that was made by hand has no configuration
    told = {key: value for key, value in chosen.items() if value is not None}
    if "root" in told:
        trained_on = {**trained_on, "stream": None}
    if not {"dataset"} & (trained_on.keys() | told.keys()):
        raise ConfigError(
            "the network's file does not say which data it was trained on: choose data=<dataset> and data.root=<folder>"
        )
    texts: list[str] = []
    data = _replace_texts({**chosen, **trained_on, **told}, lambda text: _stand_in(text, texts))
    checked = Scored.parse(OmegaConf.create({"data": data})).data
    return Data(**_replace_texts(asdict(checked), lambda text: _restore(text, texts)))


def _stand_in(text: str, texts: list[str]) -> str:
    """Return a placeholder for a text that OmegaConf would resolve, for use while OmegaConf checks types."""
    if "${" not in text:
        return text
    texts.append(text)
    return f"{_MARK}{len(texts) - 1}"


def _restore(text: str, texts: Sequence[str]) -> str:
    place = text.removeprefix(_MARK)
    return texts[int(place)] if place != text else text


_MARK = "\0interpolation "


def _replace_texts(value: Any, replace: Callable[[str], str]) -> Any:
    """Replace every text in plain containers, except keys."""
    if isinstance(value, str):
        return replace(value)
    if isinstance(value, Mapping):
        return {key: _replace_texts(inner, replace) for key, inner in value.items()}
    if isinstance(value, Sequence):
        return [_replace_texts(inner, replace) for inner in value]
    return value


def build_scored(
    chosen: Mapping[str, Any], info: ModelInfo, allow: Sequence[str] = ()
) -> tuple[SegmentationDataset, Data]:
    """Build the split that a trained network is scored on.

    Args:
        chosen: the configuration of the group ``data``. A value of null keeps the value of the training.
        info: the network's description, with its training configuration.
        allow: import paths of the caller's own code that may be named.

    Returns:
        The split, and the configuration of its data.

    Raises:
        ConfigError: the dataset does not exist, or it refuses its arguments.
        DataError: the files are not there, or only the network's file says at which address they are. The demo's scenes
            and pages are not drawn into a folder that only the network's file names.
    """
    data = lay_over(chosen, info)
    key, chose = "stream" if data.stream else "root", any(chosen.get(key) is not None for key in ("root", "stream"))
    if not chose and is_address(data.source):  # the file may be a stranger's
        raise DataError(
            f"the data was at {data.source} during training, and a network's file can't send this machine to an "
            f"address: say that you want this with data.{key}={data.source}, or give a folder with data.root=<folder>"
        )
    if not chose and not Path(data.source).exists():
        raise DataError(
            f"the data was in {data.source} during training, and this folder does not exist here: say where the data "
            f"is with data.{key}=<folder>. The scenes or pages of a demo are drawn into data.root if it is missing"
        )
    return build_dataset(data, data.split, allow), data


def build_chosen(chosen: Mapping[str, Any], allow: Sequence[str] = ()) -> tuple[SegmentationDataset, Data]:
    """Build the split on which masks are scored that no known network wrote.

    Args:
        chosen: the configuration of the group ``data``.
        allow: import paths of the caller's own code that may be named.

    Returns:
        The split, and the configuration of its data.

    Raises:
        ConfigError: no dataset was chosen, it does not exist, or it refuses its arguments.
        DataError: the files are not there.
    """
    told = {key: value for key, value in chosen.items() if value is not None}
    if "dataset" not in told:
        raise ConfigError("masks do not say which data they belong to: choose data=<dataset> and data.root=<folder>")
    data = Scored.parse(OmegaConf.create({"data": told})).data
    return build_dataset(data, data.split, allow), data


def build_dataset(data: Data, split: str, allow: Sequence[str] = (), strict: bool = True) -> SegmentationDataset:
    """Build a split of a dataset, or several of them together.

    Args:
        data: the configuration of the group ``data``.
        split: the name of the split, or several names, such as ``train+val``.
        allow: import paths of the caller's own code that may be named.
        strict: whether an image without a label is an error.

    Raises:
        ConfigError: the dataset does not exist, or it refuses its arguments.
        DataError: the files are not there.
    """
    path, component = "data.dataset", data.dataset
    target = find(component.get("_target_"), path, (*_DATASETS, *allow))
    if not matches(component["_target_"], allow):  # other objects in the package may write files
        if not (isinstance(target, type) and issubclass(target, SegmentationDataset)):
            raise ConfigError(f"{path}._target_={component['_target_']!r} is not a dataset")
        check_plain({key: value for key, value in component.items() if key != "_target_"}, path)
    names = split.split("+")
    if twice := [name for name in names if names.count(name) > 1]:
        raise ConfigError(f"the split {split} names {twice[0]} twice: name each split once")
    parts: list[SegmentationDataset]
    if data.stream:
        parts = [_open_stream(data, data.stream, name) for name in names]
    else:
        make = instantiate({**component, "_partial_": True}, path, (*_DATASETS, *allow))
        parts = [call(make, path, root=data.root, split=name, strict=strict) for name in names]
    dataset = reduce(lambda joined, part: joined.join(part), parts)
    dataset.bands = Bands(data.channels, data.white)
    return dataset


def settings_of(data: Data) -> dict[str, Any]:
    """Return the class that reads a dataset, as ``_target_``, and the arguments that have a value."""
    return {key: value for key, value in data.dataset.items() if key != "_partial_" and value is not None}


def _open_stream(data: Data, stream: str, split: str) -> Sharded:
    """Open a split of a stream, and check that it was packed from the data that the configuration names.

    An argument that is null takes the value with which the data was packed.
    """
    chosen = settings_of(data)
    dataset = Sharded(stream, split, data.mixed_shards, int(chosen.pop("max_pixels", MAX_PIXELS)))
    for key, value in chosen.items():
        if dataset.settings.get(key) != value:
            names = ", ".join(shorten(name, 40) for name in dataset.labels.class_names[:_NAMED])
            raise ConfigError(
                f"data.stream={stream} was packed from {dataset.name} with the classes {names}, ... and with "
                f"{key}={dataset.settings.get(key)}, but data.dataset.{key}={value}: choose data={dataset.name} with "
                "the same arguments, or another stream"
            )
    return dataset


_NAMED = 3
"""The most classes that a message names."""


def read_repeats(data: Data, train_set: SegmentationDataset) -> npt.NDArray[np.float64] | None:
    """Return how often to show each training image, ``(N,)``, or None if none is shown more often than others.

    Args:
        data: the configuration of the group ``data``.
        train_set: the split for training.

    Raises:
        ConfigError: a threshold is given without statistics.
        DataError: the statistics are missing, or are about other data.
    """
    threshold = data.repeat_threshold
    if not data.stats:
        if threshold:
            raise ConfigError("data.repeat_threshold needs data.stats=<file>: python -m segrnn.prepare stats writes it")
        return None
    statistics = read_statistics_of(train_set, data.stats)  # read in any case: a loss may take its weights from it
    return statistics.repeats(threshold) if threshold else None
