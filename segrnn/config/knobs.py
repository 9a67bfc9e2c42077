"""Knobs: fields of a configuration with their default, range and description in one place."""

from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass
from math import isfinite
from typing import Any, get_type_hints

from segrnn.errors import ConfigError
from segrnn.nested import flatten

REQUIRED = "???"
"""The default of a knob that has none: the user must give a value."""

# descriptions of knobs that several commands have
LOGGER = "where the results are shown, beside the files; the group logger chooses it"
DEVICE = "the device to compute on: auto, cpu, cuda, mps, ..."
CHECKPOINT = (
    "the path of a run's checkpoint, or of a bundle's folder; or its address, hf://, s3://, gs://, "
    "https://...#sha256= or wandb://"
)
COMPARE = (
    "for web: the path or address of a second network, whose masks the page shows beside those of the first; for "
    "example, one without a context"
)
EXAMPLES = "for pages: pictures that the page offers; without them, a network of the demo gets three drawn scenes"
ONNXRUNTIME_WEB = (
    "for web: the npm package of onnxruntime-web, for machines without internet; null downloads it once into a cache"
)
ALLOW = "import prefixes of your own code that a configuration may name, e.g. allow=[my_package.]"

_LARGEST = 2**32 - 1
"""The largest whole number that is allowed. Random generators take no larger seed, and no run makes more steps."""


@dataclass(frozen=True)
class Limits:
    """The limits of a value, beside its type.

    Args:
        at_least: the smallest number that is allowed.
        or_all: whether -1 is allowed too, in the meaning of "all".
        above: a number that each value must be greater than.
        share: whether the value must be between 0 and 1.
        length: the number of values in a list.
        filled: a word for the items of a list that must not be empty. If this text is empty, the list may be empty.
        options: the words that a text may be.
        or_one: whether a single value may stand for a list that holds it alone.
        or_word: the one word that a number may be replaced by.
    """

    at_least: float | None = None
    or_all: bool = False
    above: float | None = None
    share: bool = False
    length: int | None = None
    filled: str = ""
    options: tuple[str, ...] = ()
    or_one: bool = False
    or_word: str = ""

    def check(self, key: str, value: Any) -> None:
        """Refuse a value outside of these limits.

        Raises:
            ConfigError: the value is outside.
        """
        numbers = value if isinstance(value, list) else [value]
        if self.options and str(value).lower() not in self.options:
            raise ConfigError(f"{key}={value} must be one of {', '.join(self.options)}")
        if self.or_word and isinstance(value, str) and value != self.or_word:
            raise ConfigError(f"{key}={value} must be a number or {self.or_word}")
        if self.filled and value == []:
            raise ConfigError(f"{key}=[] must contain at least one {self.filled}")
        if value is None or not all(isinstance(number, int | float) for number in numbers):
            return
        if self.or_all and value == -1:
            return
        if self.at_least is not None and min(numbers) < self.at_least:
            unless = ", or -1 for all that exist" if self.or_all else ""
            raise ConfigError(f"{key}={value} must be at least {self.at_least}{unless}")
        if self.length is not None and len(numbers) != self.length:
            raise ConfigError(f"{key}={value} must be a list of {self.length} numbers")
        if self.above is not None and min(numbers) <= self.above:
            raise ConfigError(f"{key}={value} must be above {self.above}")
        if self.share and not 0 <= value <= 1:
            raise ConfigError(f"{key}={value} must be between 0 and 1")


def knob(about: str, default: Any = MISSING, limits: Limits = Limits()) -> Any:
    """Describe a field of a configuration.

    Args:
        about: one line for the documentation.
        default: the value if nobody chooses another. It is left out if a file of ``conf/`` always has a value.
        limits: the limits of the value, beside its type.

    Example:
        >>> @dataclass
        ... class Search:
        ...     trials: int = knob("How many runs.", 20, Limits(at_least=1))
        >>> Search().trials
        20
    """
    metadata = {"about": about, "limits": limits}
    if isinstance(default, list | dict):
        return field(default_factory=lambda: type(default)(default), metadata=metadata)
    return field(default=default, metadata=metadata)


def defaults(schema: type) -> dict[str, Any]:
    """Return the defaults of a configuration, as a file of ``conf/`` would hold them.

    Args:
        schema: the class of the configuration.
    """
    found: dict[str, Any] = {}
    for each, annotation in _fields(schema):
        if is_dataclass(annotation):
            assert isinstance(annotation, type)
            if inner := defaults(annotation):
                found[each.name] = inner
        elif each.default is not MISSING:
            found[each.name] = each.default
        elif each.default_factory is not MISSING:
            found[each.name] = each.default_factory()
    return found


def check_limits(config: Any, prefix: str = "") -> None:
    """Refuse values of a parsed configuration that are out of range.

    Args:
        config: an object of a class of configurations.
        prefix: the text before each of its keys.

    Raises:
        ConfigError: a value is out of range. The message names its key.
    """
    for each in fields(config):
        key, value = f"{prefix}{each.name}", getattr(config, each.name)
        if is_dataclass(value):
            check_limits(value, f"{key}.")
            continue
        for inner, number in flatten({key: value}):
            numbers = number if isinstance(number, list) else [number]
            if any(_is_too_large(each) for each in numbers):
                raise ConfigError(f"{inner}={number} must be a number below 2^32")
        limits_of(each).check(key, value)


def _is_too_large(number: Any) -> bool:
    return isinstance(number, int | float) and (not isfinite(number) or (isinstance(number, int) and number > _LARGEST))


def limits_of(each: Field[Any]) -> Limits:
    """Return the limits of the value in a field."""
    limits: Limits = each.metadata.get("limits", Limits())
    return limits


def describe_knobs(schema: type, prefix: str = "") -> list[tuple[str, Any, str]]:
    """Return key, default and description of every knob with a default, for the documentation.

    Args:
        schema: the class of a configuration.
        prefix: the text before each of its keys.
    """
    rows: list[tuple[str, Any, str]] = []
    own = defaults(schema)
    for each, annotation in _fields(schema):
        key = f"{prefix}{each.name}"
        if is_dataclass(annotation):
            assert isinstance(annotation, type)
            rows += describe_knobs(annotation, f"{key}.")
        elif each.name in own:
            rows.append((key, own[each.name], each.metadata.get("about", "")))
    return rows


def _fields(schema: type) -> list[tuple[Field[Any], Any]]:
    hints = get_type_hints(schema)
    return [(each, hints[each.name]) for each in fields(schema)]
