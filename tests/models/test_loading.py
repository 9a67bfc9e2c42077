"""Weights from a file, and what is said where they don't fit."""

from functools import partial

import pytest
import torch

from segrnn.context import ReNet
from segrnn.errors import CheckpointError
from segrnn.models import FCN, Auxiliary, Segmenter, add_context, load_weights
from segrnn.models.encoders import levels


def network(classes: int = 4, hidden: int = 4, encoder: str = "resnet18") -> Segmenter:
    return add_context(FCN(encoder, classes=classes, width=16), partial(ReNet, hidden=hidden))


def test_what_fits_is_loaded() -> None:
    trained, other = network(), network()
    load_weights(other, trained.state_dict())
    assert all(
        torch.equal(a, b) for a, b in zip(trained.state_dict().values(), other.state_dict().values(), strict=True)
    )


def test_differences_are_sorted_by_part_and_nothing_is_loaded() -> None:
    weights, other = network(classes=5, hidden=8).state_dict(), network()
    del weights["encoder.conv1.weight"], weights["encoder.bn1.weight"]
    weights["encoder.fc.weight"] = weights["classifier.bias"] = torch.zeros(3)
    before = {name: tensor.clone() for name, tensor in other.state_dict().items()}
    with pytest.raises(CheckpointError) as caught:
        load_weights(other, weights)
    lines = str(caught.value).splitlines()
    assert lines[:2] == [
        "the checkpoint belongs to another model:",
        "  encoder: 2 missing (e.g. conv1.weight), 1 unexpected (e.g. fc.weight)",
    ]
    assert lines[2].startswith("  context: 17 with another shape (e.g. 0.context.")
    assert lines[2].endswith(" in the model)")
    assert lines[3:] == [
        "  head: 2 with another shape (e.g. 0.weight is (5, 16, 1, 1) in the file and (4, 16, 1, 1) in the model)",
        "  classifier: 1 unexpected (e.g. bias)",
    ]
    assert all(torch.equal(tensor, before[name]) for name, tensor in other.state_dict().items())


def test_a_part_that_is_skipped_stays_as_it_is() -> None:
    trained, other = network(classes=5), network()
    head = other.head[0].weight.clone()
    load_weights(other, trained.state_dict(), skip=["head"])
    assert torch.equal(other.head[0].weight, head)
    assert torch.equal(other.decoder.layers[0].weight, trained.decoder.layers[0].weight)


def test_a_context_and_an_auxiliary_can_be_new_or_left_behind() -> None:
    plain, full = Segmenter(FCN("resnet18", classes=4, width=16)), network()
    full.auxiliary = Auxiliary(levels(full.encoder), classes=4, hidden=8)
    load_weights(full, plain.state_dict(), skip=["context", "auxiliary"])
    load_weights(plain, full.state_dict(), skip=["context", "auxiliary"])
    with pytest.raises(CheckpointError, match=r"\n  context: 24 unexpected .*\n  auxiliary: 8 unexpected"):
        load_weights(plain, full.state_dict())


def test_a_part_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(
        ValueError, match="there is no part heads; the parts are encoder, neck, context, decoder, head, auxil"
    ):
        load_weights(network(), {}, skip=["heads"])
