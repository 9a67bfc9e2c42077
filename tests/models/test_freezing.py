"""A frozen encoder, or its first stages, stay the same to the bit, and take no gradients."""

from pathlib import Path

import pytest
import torch
from conftest import SMALL, Run
from torch import Tensor, nn

from segrnn.inference import load_checkpoint
from segrnn.models import BLLA, FCN, Frozen, Segmenter

ENCODERS = ("resnet18", "tu-test_convnext", "tu-test_efficientnet", "mit_b0", "tu-test_vit")


def state(module: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def changed(before: dict[str, Tensor], module: nn.Module) -> set[str]:
    return {name for name, tensor in module.state_dict().items() if not torch.equal(tensor, before[name])}


def train(model: Segmenter, steps: int = 10) -> None:
    torch.manual_seed(0)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-2, weight_decay=0.1)
    for _ in range(steps):
        optimizer.zero_grad()
        model(torch.rand(2, 3, 64, 64)).square().mean().backward()
        optimizer.step()


@pytest.mark.parametrize("encoder", ENCODERS)
def test_a_frozen_encoder_stays_the_same(encoder: str) -> None:
    model = Segmenter(FCN(encoder, classes=3, width=8)).train()
    before = state(model)
    Frozen(model.encoder)
    train(model)
    assert {name.partition(".")[0] for name in changed(before, model)} == {"neck", "decoder", "head"}


@pytest.mark.parametrize("encoder", ENCODERS)
def test_the_first_stages_stay_the_same_and_the_others_learn(encoder: str) -> None:
    model = Segmenter(FCN(encoder, classes=3, width=8)).train()
    before = state(model.encoder)
    Frozen(model.encoder, stages=3)
    image = torch.rand(1, 3, 64, 64)
    maps = [x.detach().clone() for x in model.encoder(image)]
    train(model)
    after = model.encoder(image)
    assert all(torch.equal(new, old) for new, old in zip(after[:4], maps[:4], strict=True))
    learned = changed(before, model.encoder)
    if encoder != "tu-test_vit":  # all of its maps come from the last layer
        assert not torch.equal(after[5], maps[5])
        assert learned
    held = {name for name, parameter in model.encoder.named_parameters() if not parameter.requires_grad}
    assert held
    assert not held & learned


def test_thawed_parts_learn_again() -> None:
    model = Segmenter(FCN("resnet18", classes=3, width=8)).train()
    before = state(model.encoder)
    frozen = Frozen(model.encoder)
    frozen.thaw()
    train(model, 2)
    assert changed(before, model.encoder) >= {name for name, _ in model.encoder.named_parameters()}
    assert all(part.training for part in model.modules())


def test_an_optimizer_sees_what_is_thawed_later() -> None:
    encoder = FCN("resnet18", classes=3, width=8).encoder
    frozen = Frozen(encoder, stages=2)
    with frozen.as_trained():
        assert all(parameter.requires_grad for parameter in encoder.parameters())
    assert not encoder.conv1.weight.requires_grad
    assert encoder.layer4[0].conv1.weight.requires_grad


@pytest.mark.parametrize(
    ("encoder", "stages", "message"),
    [
        ("resnet18", 6, r"no stage 6; it has the stages 1 \(stride 2\), 2 \(stride 4\)"),
        ("resnet18", 0, "no stage 0"),
        ("tu-test_convnext", 1, r"no stage 1; it has the stages 2 \(stride 4\), 3 \(stride 8\)"),
    ],
)
def test_stages_that_are_not_there(encoder: str, stages: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Frozen(FCN(encoder, classes=2, width=8).encoder, stages)


def test_an_encoder_of_another_kind_can_be_frozen() -> None:
    model = Segmenter(BLLA(3, width=8, hidden=4, groups=4)).train()
    before = state(model)
    Frozen(model.encoder)
    train(model, 2)
    assert not {name for name in changed(before, model) if name.startswith("encoder")}


def weights(run: str) -> dict[str, Tensor]:
    return load_checkpoint(Path(run, "checkpoints/last.ckpt"))[0].state_dict()


LONGER = ["trainer.max_steps=4", "trainer.validate_every_n_steps=2"]


@pytest.mark.slow
def test_a_run_with_a_frozen_encoder(run: Run, camvid: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small = [*SMALL, "data=camvid", f"data.root={camvid}", "encoder=lite0"]
    small.remove("encoder.weights=null")
    assert run("train", *small, *LONGER, "encoder.freeze=true", "hydra.run.dir=frozen") == 0
    assert "are trained, the others of the encoder are frozen" in capsys.readouterr().out
    assert run("train", *small, "trainer.max_steps=1", "encoder.freeze=true", "hydra.run.dir=short") == 0
    long, short = weights("frozen"), weights("short")
    assert {name for name in long if not torch.equal(long[name], short[name])}
    assert all(torch.equal(long[name], short[name]) for name in long if name.startswith("encoder"))


@pytest.mark.thorough
def test_a_run_that_thaws_goes_on_to_the_bit(run: Run, camvid: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small = [*SMALL, "data=camvid", f"data.root={camvid}", *LONGER, "encoder.freeze=3", "trainer.ema_decay=0.5"]
    assert run("train", *small, "encoder.thaw_at=3", "hydra.run.dir=whole") == 0
    assert "are trained until step 3, the others" in capsys.readouterr().out
    assert run("train", *small, "hydra.run.dir=never") == 0
    parts = [*small, "encoder.thaw_at=3", "checkpoint.every_n_steps=1", "hydra.run.dir=parts"]
    for steps in (2, 3, 4):
        resumed = [] if steps == 2 else ["ckpt=auto"]
        assert run("train", *parts, f"trainer.max_steps={steps}", "schedule=constant", *resumed) == 0
    assert run("train", *small, "encoder.thaw_at=3", "schedule=constant", "hydra.run.dir=constant") == 0
    whole, never, constant, joined = map(weights, ("whole", "never", "constant", "parts"))
    first = next(name for name in whole if name.startswith("encoder") and name.endswith("weight"))
    assert not torch.equal(whole[first], never[first])
    assert all(torch.equal(constant[name], joined[name]) for name in constant)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["encoder.freeze=9"], "encoder.freeze: the encoder has no stage 9; it has the stages 1 (stride 2)"),
        (["encoder.freeze=some"], "encoder.freeze=some must be true, false or a number of stages, such as 3"),
        (["encoder.thaw_at=5"], "encoder.thaw_at=5: nothing is frozen; add encoder.freeze=true"),
    ],
)
def test_what_can_not_be_frozen_is_said(
    overrides: list[str], message: str, run: Run, camvid: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("train", *SMALL, "data=camvid", f"data.root={camvid}", *overrides) == 2
    assert message in capsys.readouterr().err
