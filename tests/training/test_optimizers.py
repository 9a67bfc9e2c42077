from functools import partial

import pytest
import torch
from torch import nn

from segrnn.context import ReNet
from segrnn.errors import ConfigError
from segrnn.models import FCN, Segmenter, add_context
from segrnn.training import grouped_optimizer

RATES = {"lr": 3.0, "encoder_lr": 1.0, "recurrent_lr": 2.0, "weight_decay": 0.1}


@pytest.fixture
def model() -> Segmenter:
    return add_context(FCN("resnet18", classes=3, width=8, encoder_depth=3), partial(ReNet, hidden=4))


@pytest.fixture
def optimizer(model: Segmenter) -> torch.optim.Optimizer:
    return grouped_optimizer(model, torch.optim.SGD, **RATES)


def test_every_parameter_is_in_one_group_with_its_rate_and_decay(optimizer: torch.optim.Optimizer) -> None:
    groups = {group["name"]: group for group in optimizer.param_groups}
    kinds = {"encoder": 1.0, "recurrent": 2.0, "rest": 3.0}
    assert set(groups) == set(kinds) | {f"{kind}, not decayed" for kind in kinds}
    for kind, rate in kinds.items():
        assert groups[kind]["lr"] == groups[f"{kind}, not decayed"]["lr"] == rate
        assert groups[kind]["weight_decay"] == 0.1
        assert groups[f"{kind}, not decayed"]["weight_decay"] == 0
        assert all(p.ndim > 1 for p in groups[kind]["params"])
        assert all(p.ndim == 1 for p in groups[f"{kind}, not decayed"]["params"])
    recurrent = groups["recurrent"]["params"] + groups["recurrent, not decayed"]["params"]
    assert len(recurrent) == 16  # two sweeps, two directions, two matrices and two biases


def test_layers_of_the_encoder_learn_slower_the_shallower_they_are(model: Segmenter) -> None:
    groups = grouped_optimizer(model, torch.optim.SGD, **RATES, encoder_layer_decay=0.5).param_groups
    rates = {group["name"]: group["lr"] for group in groups}
    assert len(rates) == len(groups)
    blocks = ["conv1", "layer1.0", "layer1.1", "layer2.0", "layer2.1"]
    for depth, block in enumerate(reversed(blocks)):
        assert rates.pop(f"encoder.{block}") == rates.pop(f"encoder.{block}, not decayed") == 0.5**depth
    assert set(rates.values()) == {2.0, 3.0}
    parameters = [parameter for group in groups for parameter in group["params"]]
    assert len(parameters) == len(set(parameters)) == len(list(model.parameters()))
    assert all(p.ndim == 1 for g in groups if "not decayed" in g["name"] for p in g["params"])


def test_without_a_decay_the_encoder_stays_together(model: Segmenter, optimizer: torch.optim.Optimizer) -> None:
    same = grouped_optimizer(model, torch.optim.SGD, **RATES, encoder_layer_decay=1.0)
    assert [group["name"] for group in same.param_groups] == [group["name"] for group in optimizer.param_groups]
    assert len(same.param_groups) == 6


def test_a_frozen_encoder_has_no_groups(model: Segmenter) -> None:
    model.encoder.requires_grad_(False)
    groups = grouped_optimizer(model, torch.optim.SGD, **RATES, encoder_layer_decay=0.5).param_groups
    assert not [group for group in groups if group["name"].startswith("encoder")]


@pytest.mark.parametrize("name", ["pos_embed", "relative_position_bias_table", "rel_pos_h"])
def test_positions_are_not_decayed(model: Segmenter, name: str) -> None:
    position = nn.Parameter(torch.zeros(1, 4, 8))
    model.encoder.layer2[0].register_parameter(name, position)
    for decay, group in ((1.0, "encoder, not decayed"), (0.9, "encoder.layer2.0, not decayed")):
        groups = grouped_optimizer(model, torch.optim.SGD, **RATES, encoder_layer_decay=decay).param_groups
        [own] = [g for g in groups if any(p is position for p in g["params"])]
        assert (own["name"], own["weight_decay"]) == (group, 0)


@pytest.mark.parametrize("decay", [0, -0.5, 1.5])
def test_a_decay_out_of_range_is_told(model: Segmenter, decay: float) -> None:
    with pytest.raises(ConfigError, match=rf"optimizer\.encoder_layer_decay={decay} must be above 0 and at most 1"):
        grouped_optimizer(model, torch.optim.SGD, **RATES, encoder_layer_decay=decay)


@pytest.mark.parametrize(
    ("argument", "reason"), [("momentumm", "momentumm"), ("momentum", "Invalid momentum value: -1")]
)
def test_arguments_that_the_optimizer_refuses_are_told(model: Segmenter, argument: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=rf"optimizer\.optimizer: .*{reason}"):
        grouped_optimizer(model, partial(torch.optim.SGD, **{argument: -1}), **RATES)
