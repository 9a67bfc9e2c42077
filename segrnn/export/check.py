"""A check that an exported file computes the same as the network."""

from collections.abc import Callable

import torch
from torch import Tensor

from segrnn.errors import ExportError
from segrnn.export.graph import Exported, Size
from segrnn.export.trace import FIX

Runner = Callable[[Tensor], Tensor]
"""A function that runs an exported file on an input of `Exported`, and returns its output."""

TOLERANCE = 1e-4
"""The largest difference of logits allowed. It is relative to the largest logit if that is above 1."""

MARGIN = 1e-3
"""If the two best logits of a pixel are closer than this, on the same scale, the pixel may get either class."""

UNTRACED = ((77, 131), (130, 61))
"""The sizes at which a graph for any size is checked: one of each orientation, and not divisible by any stride."""


def check(exported: Exported, run: Runner, size: Size | None, any_batch: bool) -> float:
    """Compare a file with the network on two random inputs.

    Args:
        exported: the network.
        run: the function that runs the file.
        size: the only size that the file takes. None means any size; the file is then run at sizes that were not
            traced.
        any_batch: whether the file takes any number of images. It is then run on one and on three.

    Returns:
        The largest difference of logits, relative to the largest logit if that is above 1. For labels, the share of
        pixels that differ.

    Raises:
        ExportError: the file can't be run, or its output differs from the network's.
    """
    sizes, batches = (size, size) if size else UNTRACED, (1, 3 if any_batch else 1)
    inputs = [
        exported.draw_input(batch, own, seed) for seed, (batch, own) in enumerate(zip(batches, sizes, strict=True), 1)
    ]
    return max(_compare(exported, run, image, "" if size else f"\n{FIX}") for image in inputs)


@torch.inference_mode()
def _compare(exported: Exported, run: Runner, image: Tensor, fix: str) -> float:
    where = f"at {image.shape[2]} x {image.shape[3]}" + (f" in a batch of {len(image)}" if len(image) > 1 else "")
    logits = exported.logits(image)
    scale = max(1.0, logits.abs().max().item())
    try:
        output = run(image)
    except Exception as error:  # each runtime has its own exceptions
        reason = str(error.__cause__ or error).splitlines()[0][:300]
        raise ExportError(f"the exported file can't be run {where}: {reason}{fix}") from error
    wanted = logits.argmax(dim=1) if exported.argmax else logits
    if output.shape != wanted.shape:
        raise ExportError(
            f"the exported file returns the shape {tuple(output.shape)} {where}, but the network returns "
            f"{tuple(wanted.shape)}{fix}"
        )
    if exported.argmax:
        best = logits.topk(min(2, logits.shape[1]), dim=1).values
        wrong = (output != wanted) & (best[:, 0] - best[:, -1] > MARGIN * scale)
        if wrong.any():
            raise ExportError(
                f"the exported file gives {wrong.sum()} of {wrong.numel()} pixels another label than the network "
                f"{where}{fix}"
            )
        return (output != wanted).float().mean().item()
    difference = (output - logits).abs().max().item() / scale
    if not difference < TOLERANCE:  # true for NaN, too
        raise ExportError(
            f"the exported file's logits differ from the network's by {difference:.1e} {where}; at most "
            f"{TOLERANCE:.0e} is allowed{fix}"
        )
    return difference
