"""Tracing a network into a graph of torch operators."""

import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, redirect_stderr, redirect_stdout

import torch
from torch.export import Dim, ExportedProgram

from segrnn.errors import ExportError
from segrnn.export.fixed_padding import with_fixed_padding
from segrnn.export.graph import Exported, Size

TRACED = (96, 160)
"""The height and width at which a graph for any size is traced. No map down to stride 32 then has a side of 1."""

FIX = "export it for one fixed size with size=[H,W]; larger images are then cut into windows outside of the graph"


def trace(
    exported: Exported, size: Size | None, any_batch: bool, replacements: AbstractContextManager[object]
) -> ExportedProgram:
    """Trace a network into a graph.

    Args:
        exported: the network.
        size: height and width of the images, or None for any size.
        any_batch: whether the graph takes any number of images, or only one.
        replacements: a context manager in which the network is traced.

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
    except Exception as error:  # the network's own code and the tracer can raise anything
        raise refusal(error, size) from error


def refusal(error: Exception, size: Size | None) -> ExportError:
    """Make the error for a failed export. It quotes the first line of the error that caused the failure."""
    while error.__cause__ is not None and isinstance(error.__cause__, Exception):
        error = error.__cause__
    lines = [line.strip() for line in str(error).splitlines()]
    reason = next((line for line in lines if line), type(error).__name__)[:300]
    if size:
        return ExportError(f"the network can't be exported for images of {size[0]} x {size[1]}: {reason}")
    return ExportError(f"the network can't be exported for images of any size: {reason}\n{FIX}")


@contextmanager
def quiet() -> Iterator[None]:
    """Silence exporters inside the block. Everything that matters is checked or raised."""
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)
