"""Any model with any context and any loss, one crop at a time: trained a step, or refused before it in one line."""

from itertools import product
from pathlib import Path

import pytest
import segrnn.conf
import torch
from conftest import SMALL, Run, composed
from torch import nn

from segrnn.config.allow_list import ALLOW_LIST
from segrnn.config.model import build_model
from segrnn.errors import ConfigError
from segrnn.instantiate import instantiate
from segrnn.labels import CAMVID
from segrnn.training.first_step import takes, try_step

CONF = Path(segrnn.conf.__file__).parent
MODELS, CONTEXTS, LOSSES = (
    sorted(leaf.stem for leaf in (CONF / group).glob("*.yaml")) for group in ("model", "context", "loss")
)
ENCODERS = {"segformer": "mit_b0", "reseg": "vgg16", "blla": "blla"}
READS = {"reseg": 4, "blla": 4, "segformer": 8}
QUICKEST = "fcn"
LOSSES_WITHOUT_FILES = [loss for loss in LOSSES if loss != "weighted_cross_entropy"]  # which needs statistics


def model_of(model: str, context: str) -> nn.Module:
    overrides = [f"model={model}", f"context={context}", f"encoder={ENCODERS.get(model, 'resnet18')}"]
    if context != "none":
        overrides.append(f"context.stride={READS.get(model, 8)}")
    return build_model(composed(*overrides), CAMVID, ())[0]


def train_a_step(model: nn.Module, loss: nn.Module, crop: tuple[int, int]) -> None:
    """One step as the training module takes it, on one crop; it ends in finite weights."""
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    image = torch.rand(1, 3, *crop)
    masks = torch.randint(0, 11, (1, *crop))
    masks[..., :3] = 255
    logits, auxiliary = model.train().forward_with_auxiliary(image)
    assert auxiliary is None
    value = loss(logits, masks)
    assert torch.isfinite(value)
    value.backward()
    optimizer.step()
    optimizer.zero_grad()
    assert all(torch.isfinite(parameter).all() for parameter in model.parameters())


def check(model_name: str, context: str, losses: list[str], crop: tuple[int, int]) -> bool:
    """Whether it trains; if it doesn't, it must have been refused beforehand, and rightly."""
    torch.manual_seed(0)
    model = model_of(model_name, context)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    if not takes(model, 1, crop):
        with pytest.raises(ConfigError, match=r"^[^\n]+data\.crop[^\n]+$"):
            try_step(model, 1, crop)
        with pytest.raises((ValueError, RuntimeError, AssertionError)):
            train_a_step(model, nn.CrossEntropyLoss(ignore_index=255), crop)
        return False
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    for name in losses:
        train_a_step(model, instantiate(composed(f"loss={name}").loss, "loss", ALLOW_LIST), crop)
    return True


@pytest.mark.parametrize(
    "model", [pytest.param(m, marks=pytest.mark.slow if m == QUICKEST else pytest.mark.thorough) for m in MODELS]
)
def test_every_model_trains_on_one_crop_or_is_refused(model: str) -> None:
    trains = check(model, "none", LOSSES_WITHOUT_FILES, (64, 64))
    assert trains == (model not in ("deeplabv3plus", "upernet"))  # whose batch norms see the mean of the whole map


@pytest.mark.thorough
@pytest.mark.parametrize("context", CONTEXTS)
def test_every_context_trains_on_one_crop_or_is_refused(context: str) -> None:
    assert check("fcn_stride8", context, ["cross_entropy_lovasz"], (64, 64))
    check("fcn_stride8", context, ["cross_entropy_dice"], (8, 8))


@pytest.mark.thorough
@pytest.mark.parametrize(("model", "context"), list(product(MODELS, CONTEXTS)))
def test_everything_trains_on_one_crop_or_is_refused(model: str, context: str) -> None:
    check(model, context, LOSSES_WITHOUT_FILES, (64, 64))
    check(model, context, ["cross_entropy"], (8, 8))


def test_the_one_value_is_named() -> None:
    model = model_of("deeplabv3plus", "none")
    with pytest.raises(ConfigError, match=r"^decoder\.aspp.* can't be trained on 1 crop of 64 x 64 at"):
        try_step(model, 1, (64, 64))
    assert not takes(model, 1, (64, 64))
    assert takes(model, 2, (64, 64))


@pytest.mark.parametrize("batch", [["data.batch_size=1"], ["trainer.micro_batch_size=1"]])
def test_a_run_is_refused_before_its_first_step(
    batch: list[str], run: Run, camvid: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = [each for each in SMALL if not each.startswith("model.")]
    overrides = ["model=deeplabv3plus", "encoder=resnet18", "encoder.weights=null", "context=none", *batch]
    assert run("train", *settings[:1], *settings[2:], "data=camvid", f"data.root={camvid}", *overrides) == 2
    error = capsys.readouterr().err.strip()
    assert error.startswith("error: decoder.aspp")
    assert "\n" not in error
