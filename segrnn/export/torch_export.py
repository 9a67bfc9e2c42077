"""Files of torch.export."""

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
    """Write a network as a .pt2 file, which gets its name only when it computes what the network computes.

    ``torch.export.load(path).module()`` runs it. A file of one size needs torch alone, and grows with the length of its
    sequences; one of any size needs ``import segrnn.export`` before, where its recurrences are registered.

    Args:
        exported: the network, on the CPU.
        path: the file, whose name ends in .pt2.
        size: height and width of the only images that the file takes; None: any. It takes one at a time: what torch can
            view and what it must copy depends on their number, and a graph is bound to either.
        metadata: goes into the file as its ``extra_files``, beside what `segrnn.export.metadata.describe_graph` says.

    Returns:
        The largest difference to the network, as `segrnn.export.check.check` measures it.

    Raises:
        ExportError: the network can't be exported so, or the file computes something else.
        OutputError: the file can't be written.
    """
    if path.suffix != ".pt2":
        raise ExportError(f"{path} must end in .pt2, or torch won't load it")
    facts = {**metadata, **describe_graph(exported, size)}
    differences = []

    def write(temporary: Path) -> None:
        program = trace(exported, size, False, nullcontext() if size else _CropsAsCopies())
        try:
            with quiet():
                with temporary.open("wb") as file:  # torch takes paths by their suffix, and this has its own
                    torch.export.save(program, file, extra_files=facts)
                with temporary.open("rb") as file:
                    module = torch.export.load(file).module()
        except Exception as error:  # whatever the serialiser comes upon
            raise refusal(error, size) from error
        differences.append(check(exported, module, size, any_batch=False))

    write_atomically(path, write)
    return differences[0]


class _CropsAsCopies(AsOperators):
    """Whether a crop is contiguous depends on the size: the graph would only take those where it stays as traced."""

    def __torch_function__(
        self, func: Any, types: Sequence[type], args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Copy the lines that a slice of a traced length takes."""
        if func is torch.ops.aten.slice:  # what the tracer makes of x[..., :height, :width]
            x, axis, start, stop, step = args
            if start is None and isinstance(stop, torch.SymInt) and step == 1:
                return x.index_select(axis, torch.arange(stop))
        return super().__torch_function__(func, types, args, kwargs)
