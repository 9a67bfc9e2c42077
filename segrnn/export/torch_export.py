"""Export as files of torch.export."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch

from segrnn.atomic import write_atomically
from segrnn.errors import ExportError
from segrnn.export.check import check
from segrnn.export.graph import Exported, Size
from segrnn.export.metadata import describe_graph
from segrnn.export.recurrence import AsOperators
from segrnn.export.trace import quiet, refusal, trace


def export_torch(exported: Exported, path: Path, size: Size | None, metadata: Mapping[str, str]) -> float:
    """Write a network as a .pt2 file, which gets its name only if it computes the same as the network.

    ``torch.export.load(path).module()`` makes a module from the file. A file for one size needs only torch, and grows
    with the length of its sequences. A file for any size needs ``import segrnn.export.recurrence`` before, which
    registers its recurrences.

    Args:
        exported: the network, on the CPU.
        path: the file. Its name ends in .pt2.
        size: height and width of the only images that the file takes. None means any size. The file takes one image at
            a time: the number of images decides whether torch makes a view or a copy, and a graph can only do one.
        metadata: strings for the file's ``extra_files``, besides those of `segrnn.export.metadata.describe_graph`.

    Returns:
        The largest difference to the network, as `segrnn.export.check.check` measures it.

    Raises:
        ExportError: the network can't be exported, or the file computes something else.
        OutputError: the file can't be written.
    """
    if path.suffix != ".pt2":
        raise ExportError(f"{path} must end in .pt2: torch does not load files with other names")
    files = {**metadata, **describe_graph(exported, size)}
    differences = []

    def write(temporary: Path) -> None:
        program = trace(exported, size, False, nullcontext() if size else _CropsAsCopies())
        try:
            with quiet():
                # as an open file, because torch goes by the suffix of a path, and this one has another suffix
                with temporary.open("wb") as file:
                    torch.export.save(program, file, extra_files=files)
                with temporary.open("rb") as file:
                    module = torch.export.load(file).module()
        except Exception as error:  # the serialiser can raise anything
            raise refusal(error, size) from error
        differences.append(check(exported, module, size, any_batch=False))

    write_atomically(path, write)
    return differences[0]


class _CropsAsCopies(AsOperators):
    """A mode that also replaces crops by copies.

    Whether a crop is contiguous depends on the size. A graph with a plain crop would only take the sizes for which that
    is the same as in the trace.
    """

    def __torch_function__(
        self, func: Any, types: Sequence[type], args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Copy the lines of a slice if its length is traced, and replace other functions as `AsOperators` does."""
        if func is torch.ops.aten.slice:  # the tracer turns x[..., :height, :width] into this
            x, axis, start, stop, step = args
            if start is None and isinstance(stop, torch.SymInt) and step == 1:
                return x.index_select(axis, torch.arange(stop))
        return super().__torch_function__(func, types, args, kwargs)
