"""Temperature scaling: one number that makes a network's probabilities as honest as its masks."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from segrnn.datasets import Sample
from segrnn.errors import CheckpointError
from segrnn.inference.predictor import Predictor
from segrnn.labels import IGNORE_INDEX
from segrnn.metrics import Calibration
from segrnn.models import Segmenter

_LOW, _HIGH = 1 / 20, 20.0
"""The temperatures that are looked at."""


class Temperature(NamedTuple):
    """What was learnt on a split."""

    value: float
    """The temperature. Above 1, the network was too sure."""
    before: float
    """The expected calibration error without it."""
    after: float
    """The expected calibration error with it."""
    pixels: int
    """The number of pixels that it was learnt on."""


def learn_temperature(predictor: Predictor, samples: Iterable[Sample], per_image: int = 5000) -> Temperature:
    """Learn the temperature T with which softmax(logits / T) has the least cross-entropy on labelled images.

    The method is that of Guo et al. 2017, arXiv 1706.04599, section 4.2. It changes no mask, because all logits of a
    pixel are divided by the same number.

    Args:
        predictor: the network.
        samples: images with labels that the network was not trained on.
        per_image: the most pixels of an image that are looked at. They are drawn at random, always the same.

    Raises:
        CheckpointError: no pixel has a label.
    """
    logits, truth = [], []
    for number, sample in enumerate(samples):
        valid = np.flatnonzero(sample.mask != IGNORE_INDEX)
        chosen = np.random.default_rng(number).permutation(valid)[:per_image]
        _, whole = predictor.mask_with_logits(sample.image, most=2**31)
        if whole is None:
            raise CheckpointError(f"{sample.name} is seen in windows, which have no logits: choose a smaller split")
        logits.append(whole.flatten(1)[:, torch.from_numpy(chosen).to(whole.device)].T.double().cpu())
        truth.append(torch.from_numpy(sample.mask.ravel()[chosen]).long())
    if not sum(map(len, truth)):
        raise CheckpointError("no pixel of the split has a label, so no temperature can be learnt")
    every, target = torch.cat(logits), torch.cat(truth)
    value = _minimise(every, target)
    before, after = (_error(every / scale, target) for scale in (1.0, value))
    return Temperature(value, before, after, len(target))


def _minimise(logits: Tensor, target: Tensor) -> float:
    """Find the temperature by golden sections of its logarithm. The cross-entropy has one minimum over 1 / T."""
    low, high, share = np.log(_LOW), np.log(_HIGH), (np.sqrt(5) - 1) / 2

    def cost(logarithm: float) -> float:
        return float(nn.functional.cross_entropy(logits / np.exp(logarithm), target))

    for _ in range(40):  # to nine digits
        left, right = high - share * (high - low), low + share * (high - low)
        low, high = (low, right) if cost(left) < cost(right) else (left, high)
    return float(np.exp((low + high) / 2))


def _error(logits: Tensor, target: Tensor) -> float:
    confidence, prediction = logits.softmax(dim=1).max(dim=1)
    calibration = Calibration()
    one_row = [each.numpy()[None] for each in (confidence.float(), prediction.byte(), target.byte())]
    calibration.update(*one_row)
    return calibration.error


def divide_logits(segmenter: Segmenter, temperature: float) -> None:
    """Divide the weights of a network's last layer, so that its logits are divided by the temperature.

    Every program that uses the network, or a file that was exported from it, then has the calibrated probabilities.

    Args:
        segmenter: the network. It is changed in place.
        temperature: the number.

    Raises:
        CheckpointError: the network's last layer is not linear.

    Example:
        >>> from segrnn.models import FCN
        >>> network, image = Segmenter(FCN("resnet18", classes=3, width=8)).eval(), torch.rand(1, 3, 32, 32)
        >>> before = network(image)
        >>> divide_logits(network, 2.0)
        >>> torch.equal(network(image), before / 2)
        True
    """
    last = list(segmenter.head.modules())[-1]
    if not isinstance(last, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
        raise CheckpointError(
            f"the network ends in {type(last).__name__}, and a temperature needs a linear layer there"
        )
    with torch.no_grad():
        for parameter in last.parameters():
            parameter.div_(temperature)
