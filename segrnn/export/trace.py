"""From a network to a graph of torch operators."""

import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, redirect_stderr, redirect_stdout

import torch
from torch.export import Dim, ExportedProgram

from segrnn.errors import ExportError
from segrnn.export.graph import Exported, Size
from segrnn.export.padding import with_fixed_padding

TRACED = (96, 160)
"""Height and width that a graph for any size is traced at: no map of it, down to stride 32, has a side of 1."""

FIX = "size=[H,W] exports one fixed size; larger images are cut into windows outside of the graph"


def trace(
    exported: Exported, size: Size | None, any_batch: bool, replacements: AbstractContextManager[object]
) -> ExportedProgram:
    """The network as a graph.

    Args:
        exported: the network.
        size: height and width, or None for any.
        any_batch: take any number of images, not one.
        replacements: a block in which the network is traced.

    Raises:
        ExportError: the network can't be traced.
    """
    image = exported.draw_input(2 if any_batch else 1, size or TRACED, seed=0)
    dynamic = [*([0] if any_batch else []), *([] if size else [2, 3])]
    try:
        with quiet(), torch.no_grad(), replacements:
            return torch.export.export(
                with_fixed_padding(exported), (image,), dynamic_shapes=(dict.fromkeys(dynamic, Dim.DYNAMIC),)
            )
    except Exception as error:  # whatever the network's own code and the tracer come upon
        raise refusal(error, size) from error


def refusal(error: Exception, size: Size | None) -> ExportError:
    """What a user is told where an exporter fails: the first line of what was at the bottom of it."""
    while error.__cause__ is not None and isinstance(error.__cause__, Exception):
        error = error.__cause__
    lines = [line.strip() for line in str(error).splitlines()]
    reason = next((line for line in lines if line), type(error).__name__)[:300]
    if size:
        return ExportError(f"the network can't be exported for images of {size[0]} x {size[1]}: {reason}")
    return ExportError(f"the network can't be exported for images of any size: {reason}\n{FIX}")


@contextmanager
def quiet() -> Iterator[None]:
    """A block in which exporters keep what they have to say to themselves; what matters of it is checked or raised."""
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)
