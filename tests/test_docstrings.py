"""What is public says what it is, and which shapes it handles; what networks and scores are built of has examples."""

import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable, Iterator

import pytest

import segrnn

ROOMS = [
    name
    for _, name, package in pkgutil.iter_modules(segrnn.__path__, "segrnn.")
    if package and hasattr(importlib.import_module(name), "__all__")
]
PUBLIC = [(room, name) for room in ROOMS for name in importlib.import_module(room).__all__]
BUILT_OF = ("segrnn.ops", "segrnn.context", "segrnn.losses", "segrnn.metrics")

ARRAYS = re.compile(r"Tensor|Array|Picture")  # in an annotation
# (B, C, H, W), (H', W') or (T, N, 2 D), or the answer of an example
SIDE = r"(?:\d+|\.\.\.|(?:\d )?[A-Za-z]'?)"
SHAPE = re.compile(rf"\({SIDE}(?:, {SIDE})+\)|torch\.Size")


def public(room: str, name: str) -> object:
    return getattr(importlib.import_module(room), name)


def functions(thing: object) -> Iterator[Callable[..., object]]:
    """A function itself, or what can be called of a class."""
    if inspect.isclass(thing):
        members = vars(thing).items()
        yield from (
            member
            for name, member in members
            if inspect.isfunction(member) and (name == "__call__" or not name.startswith("_"))
        )
    elif inspect.isfunction(thing):
        yield thing


def described(thing: object) -> bool:
    return inspect.isclass(thing) or inspect.isfunction(thing)


def test_rooms_are_found() -> None:
    assert len(ROOMS) > 10
    assert set(BUILT_OF) < set(ROOMS)
    assert len(PUBLIC) > 100


@pytest.mark.parametrize(("room", "name"), PUBLIC)
def test_says_what_it_is(room: str, name: str) -> None:
    thing = public(room, name)
    if described(thing):
        for part in (thing, *functions(thing)):
            assert inspect.cleandoc(part.__doc__ or "").splitlines()[:1], f"{part.__qualname__} has no docstring"


@pytest.mark.parametrize(("room", "name"), PUBLIC)
def test_says_the_shapes_of_what_it_handles(room: str, name: str) -> None:
    thing = public(room, name)
    for function in functions(thing):
        if any(ARRAYS.search(str(annotation)) for annotation in inspect.get_annotations(function).values()):
            text = f"{function.__doc__}{thing.__doc__}"
            assert SHAPE.search(text), f"{function.__qualname__} does not say which shapes it takes or gives"


@pytest.mark.parametrize(("room", "name"), [one for one in PUBLIC if one[0] in BUILT_OF])
def test_shows_an_example(room: str, name: str) -> None:
    thing = public(room, name)
    if described(thing):
        assert ">>> " in (thing.__doc__ or ""), f"{room}.{name} has no example"
