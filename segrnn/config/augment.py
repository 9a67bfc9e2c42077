"""Building the augmentation of training images from the configuration."""

import inspect
import os
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from segrnn.config.data_knobs import Data
from segrnn.datasets import Augmentation
from segrnn.datasets.transforms import Transform, check_transforms, fills
from segrnn.errors import ConfigError
from segrnn.images import Bands
from segrnn.instantiate import call, find, instantiate
from segrnn.labels import IGNORE_INDEX

_TRANSFORMS = ("albumentations.",)
"""The import prefix of transforms. albumentations is imported only if the configuration names one."""


_ADVICE = r"\w+ is an? (special|alias)|This augmenter is very slow"
"""The beginnings of warnings of albumentations that are no mistakes: another transform does the same, or is faster."""


def build_augmentation(data: Data, classes: int, seed: int, allow: Sequence[str] = ()) -> Augmentation:
    """Build the augmentation of training images, and try the user's transforms on drawn samples.

    Args:
        data: the configuration of the group ``data``.
        classes: the number of classes.
        seed: the seed of the whole run.
        allow: import paths of the caller's own code that may be named.

    Raises:
        ConfigError: a value is out of range; or a transform does not exist, refuses its arguments or can't be used.
    """
    photos = Bands(data.channels, data.white).are_rgb
    if data.augment and not photos:
        raise ConfigError("data.augment changes photos only, that is, data.channels=3 and data.white=255")
    transforms = dict(_build(f"data.augment[{i}]", each, allow) for i, each in enumerate(data.augment))
    for name, transform in transforms.items():
        if unknown := fills(transform) - {*range(classes), IGNORE_INDEX}:
            raise ConfigError(
                f"{name}: fill_mask={min(unknown)} must be the train id of a class, 0 to {classes - 1}, or "
                f"{IGNORE_INDEX} for void"
            )
    check_transforms(transforms, data.crop)
    crops = (data.crop, data.scale, data.max_class_share, data.flip, data.color if photos else 0)
    augmentation: Augmentation = call(Augmentation, "data", *crops, seed, data.base_size, transforms)
    return augmentation


def _build(path: str, config: Mapping[str, Any], allow: Sequence[str]) -> tuple[str, Transform]:
    """Return a transform with its name for messages."""
    os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"  # otherwise its import looks for newer versions on the internet
    if "_target_" not in config:
        raise ConfigError(f"{path} needs a _target_: the import path of a transform, such as albumentations.Rotate")
    name = f"{path} ({config['_target_']})"
    filled = _fill_with_void(config, path, allow)
    with warnings.catch_warnings():
        # instead of raising an error, albumentations warns of a wrong argument and takes the default
        warnings.simplefilter("error", UserWarning)
        warnings.filterwarnings("ignore", _ADVICE, UserWarning)
        try:
            transform = instantiate(filled, path, (*_TRANSFORMS, *allow))
        except UserWarning as warning:
            raise ConfigError(f"{name}: {warning}") from None
        except ConfigError as error:
            raise ConfigError(_shorten(error)) from error
    if not isinstance(transform, Transform):
        raise ConfigError(
            f"{name} is not a transform: it must subclass albumentations.DualTransform, or ImageOnlyTransform if no "
            "pixel moves"
        )
    return name, transform


def _fill_with_void(config: Any, path: str, allow: Sequence[str]) -> Any:
    """Let transforms, also those inside of others, fill masks with void where albumentations fills them with 0."""
    if isinstance(config, list):
        return [_fill_with_void(each, f"{path}[{i}]", allow) for i, each in enumerate(config)]
    if not isinstance(config, Mapping):
        return config
    inner = config.get("transforms", [])
    if not (isinstance(inner, list) and all(isinstance(each, Mapping) and "_target_" in each for each in inner)):
        raise ConfigError(f"{path}.transforms={inner!r} must be a list of transforms, each with its _target_")
    filled = {key: _fill_with_void(value, f"{path}.{key}", allow) for key, value in config.items()}
    if "_target_" in config:
        target = find(config["_target_"], path, (*_TRANSFORMS, *allow))
        if _fills_with_zero(target):
            filled.setdefault("fill_mask", IGNORE_INDEX)
    return filled


def _fills_with_zero(target: Any) -> bool:
    try:
        fill = inspect.signature(target).parameters.get("fill_mask")
    except (TypeError, ValueError):  # not callable, or a C function without a signature
        return False
    return fill is not None and fill.default == 0


def _shorten(error: ConfigError) -> str:
    """Return the message of an error, in a line if it lists what pydantic has found wrong with arguments."""
    cause = error.__cause__.__cause__ if error.__cause__ else None
    if cause is None or not hasattr(cause, "errors"):
        return str(error)
    found = []
    for each in cause.errors():
        # for an argument that is missing, and for arguments that do not go together, the input is all arguments
        value = "" if isinstance(each["input"], Mapping) else f"={each['input']!r}"
        found.append(f"{'.'.join(map(str, each['loc']))}{value}: {each['msg']}".removeprefix(": "))
    return f"{str(error).partition(': ')[0]}: {'; '.join(found)}"
