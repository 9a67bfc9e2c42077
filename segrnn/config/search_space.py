"""The overrides that a search varies, and the range of each."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from segrnn.errors import ConfigError

Value = bool | int | float | str | None
"""A value of an override."""

_FORMS = (
    "{low: 1e-4, high: 1e-1}, optionally with log: true or step: 0.1, or {choices: [none, renet_gru]}; "
    "see python -m segrnn.search --help"
)


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, both included. They are whole numbers if `low`, `high` and `step` are."""

    low: float
    high: float
    step: float | None = None
    log: bool = False

    @property
    def whole(self) -> bool:
        """Return whether the range holds whole numbers only."""
        return all(isinstance(number, int) for number in (self.low, self.high, self.step or 1))

    @property
    def extremes(self) -> tuple[Value, ...]:
        """Return the values to try when the override is checked: the two ends."""
        return (self.low, self.high)


@dataclass(frozen=True)
class Choices:
    """A choice among several values."""

    values: tuple[Value, ...]

    @property
    def extremes(self) -> tuple[Value, ...]:
        """Return the values to try when the override is checked: all of them."""
        return self.values


def read_space(space: Any) -> dict[str, Range | Choices]:
    """Read ``study.space``.

    Args:
        space: a plain dictionary from the key of an override to its range.

    Raises:
        ConfigError: a range is empty or can't be read. The message names its key.

    Example:
        >>> read_space({"optimizer.lr": {"low": 1e-4, "high": 1e-1, "log": True}})
        {'optimizer.lr': Range(low=0.0001, high=0.1, step=None, log=True)}
    """
    if not isinstance(space, Mapping) or not space:
        raise ConfigError(
            f"study.space={space!r} must give a range for at least one override: {{KEY: RANGE}}, "
            f"where RANGE is {_FORMS}"
        )
    return {str(key): _read(str(key), given) for key, given in space.items()}


def _read(key: str, given: Any) -> Range | Choices:
    name = f"study.space: {key}"
    keys = set(given) if isinstance(given, Mapping) else set()
    if keys == {"choices"}:
        return _read_choices(name, given["choices"])
    if not {"low", "high"} <= keys <= {"low", "high", "step", "log"}:
        raise ConfigError(f"{name}={given!r} is not a range; write {_FORMS}")
    numbers = [given[each] for each in ("low", "high", "step") if given.get(each) is not None]
    if not all(isinstance(number, int | float) and not isinstance(number, bool) for number in numbers):
        raise ConfigError(f"{name}={given!r} must have numbers for low, high and step")
    read = Range(given["low"], given["high"], given.get("step"), given.get("log", False))
    _check_range(name, read)
    return read


def _read_choices(name: str, values: Any) -> Choices:
    if not isinstance(values, list) or len(values) < 2:
        raise ConfigError(f"{name} has choices={values!r}: they must be a list of at least two values")
    if not all(value is None or isinstance(value, bool | int | float | str) for value in values):
        raise ConfigError(f'{name} has choices={values!r}: put quotes around those that are lists or mappings, "[1,2]"')
    if len({repr(value) for value in values}) < len(values):
        raise ConfigError(f"{name} has choices={values!r}: each value must occur only once")
    return Choices(tuple(values))


def _check_range(name: str, read: Range) -> None:
    if not isinstance(read.log, bool):
        raise ConfigError(f"{name} has log={read.log!r}: it must be true or false")
    if not read.low < read.high:
        raise ConfigError(f"{name} goes from low={read.low} to high={read.high}: low must be below high")
    if read.log and (read.low <= 0 or read.step is not None):
        raise ConfigError(f"{name} has log=true: low must be above 0, not {read.low}, and there must be no step")
    if read.step is None:
        return
    if read.step <= 0:
        raise ConfigError(f"{name} has step={read.step}: it must be above 0")
    # decimals are exact: with floats, steps of 0.1 would not lead from 0.1 to 0.5
    low, high, step = (Decimal(str(number)) for number in (read.low, read.high, read.step))
    if rest := (high - low) % step:
        below = f"high={high - rest} or " if high - rest > low else ""
        raise ConfigError(
            f"{name} has step={step}, which does not lead from low={low} to high={high}: "
            f"take {below}high={high - rest + step}"
        )
