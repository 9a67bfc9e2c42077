"""Averaging the weights of several trainings of one network."""

from collections.abc import Sequence
from pathlib import Path

import torch

from segrnn.inference.agreement import facts_of_weights, require_agreement
from segrnn.inference.checkpoint import digest_weights
from segrnn.inference.info import ModelInfo
from segrnn.inference.trained import load_trained
from segrnn.models import Segmenter


def load_average(paths: Sequence[str | Path], allow: Sequence[str] = ()) -> tuple[Segmenter, ModelInfo]:
    """Load a network whose weights are the means of those of several trained networks (a model soup).

    See Wortsman et al. 2022, "Model soups: averaging weights of multiple fine-tuned models improves accuracy without
    increasing inference time", https://arxiv.org/abs/2203.05482. The trainings should have started from the same
    weights: means of weights that were trained apart from the start are of no use.

    Tensors of floats are averaged, and so are the statistics of batch norms. Tensors of whole numbers, such as the
    counts of batch norms, are those of the first network. The auxiliary head, which is for training only, is left out.

    Args:
        paths: two or more checkpoints or folders of bundles.
        allow: import paths of your own code that the files may name.

    Returns:
        The network in evaluation mode on the CPU, and its description. The description is that of the first network,
        without its scores. Its origin has ``average``, the SHA-256 of each file of weights, in place of the step.

    Raises:
        CheckpointError: a file is missing or damaged, or two networks have another architecture, other classes or
            another preprocessing. The message says which.
        ValueError: there are fewer than two paths.
    """
    if len(paths) < 2:
        raise ValueError(f"an average needs at least two networks, got {len(paths)}")
    segmenter, info = load_trained(paths[0], allow)
    segmenter.auxiliary = None
    first = segmenter.state_dict()
    # double precision, so that the mean of equal weights is exactly these weights
    total = {name: part.to(torch.float64, copy=True) for name, part in first.items() if part.is_floating_point()}
    for path in paths[1:]:
        other, other_info = load_trained(path, allow)
        require_agreement(
            "an average needs networks of the same architecture, classes and preprocessing",
            [str(paths[0]), str(path)],
            [facts_of_weights(info), facts_of_weights(other_info)],
        )
        state = other.state_dict()
        for name, sum_so_far in total.items():
            sum_so_far += state[name]
    segmenter.load_state_dict(first | {name: (part / len(paths)).to(first[name].dtype) for name, part in total.items()})
    origin = {key: value for key, value in info.provenance.items() if key != "step"}
    origin["average"] = [digest_weights(path) for path in paths]
    return segmenter, ModelInfo(info.architecture, info.labels, info.preprocessing, provenance=origin)
