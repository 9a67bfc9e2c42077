from pathlib import Path

import pytest

from segrnn.config.allow_list import ALLOW_LIST
from segrnn.context import ReNet
from segrnn.errors import ConfigError
from segrnn.instantiate import call, instantiate
from segrnn.models.architecture import MODEL_TARGETS, build_segmenter


@pytest.mark.parametrize(
    "target",
    [
        "os.system",
        "torch.load",
        "torch.hub.load",
        "builtins.eval",
        "segrnn.labels.CITYSCAPES",
        "torch.nn.modules.torch.load",
        "torch.nn.functional.torch.hub.load",
        "torch.nn.modules.module.warnings.warn",
        "segrnn.datasets.files.Path",
        "torch.nn.modules.linear.Tensor",
        "segrnn.context",
        7,
    ],
)
def test_what_is_not_a_component_is_refused(target: object) -> None:
    with pytest.raises(ConfigError, match=r"^thing\[0\]\._target_="):
        instantiate([{"_target_": target}], "thing", ALLOW_LIST)  # type: ignore[arg-type]


def test_a_checkpoint_may_choose_models_only() -> None:
    assert isinstance(instantiate({"_target_": "segrnn.context.ReNet", "channels": 4}, "x", MODEL_TARGETS), ReNet)
    for target in ("torch.nn.ReLU", "torch.optim.SGD", "segrnn.datasets.Demo", "segrnn.training.fit"):
        with pytest.raises(ConfigError, match="is not allowed"):
            instantiate({"_target_": target}, "model", MODEL_TARGETS)


def test_a_user_may_add_prefixes() -> None:
    assert instantiate({"_target_": "fractions.Fraction", "numerator": 3}, "x", (*ALLOW_LIST, "fractions.")) == 3


def test_errors_name_the_place_and_the_reason() -> None:
    with pytest.raises(ConfigError, match=r"context\._target_='segrnn.context.ReNett' can't be .*did you mean ReNet\?"):
        instantiate({"_target_": "segrnn.context.ReNett"}, "context", MODEL_TARGETS)
    unexpected = (
        r"context \(segrnn.context.ReNet\) got an unexpected keyword argument 'hiden' \(did you mean hidden\?\)"
    )
    with pytest.raises(ConfigError, match=rf"{unexpected}; it takes channels, hidden, "):
        instantiate({"_target_": "segrnn.context.ReNet", "channels": 4, "hiden": 3}, "context", MODEL_TARGETS)
    make = instantiate({"_target_": "segrnn.context.ReNet", "_partial_": True, "hidden": 0}, "context", MODEL_TARGETS)
    with pytest.raises(ConfigError, match=r"context: hidden must be a whole number of at least 1"):
        call(make, "context", 4)


@pytest.mark.parametrize(
    ("target", "name", "value", "wanted"),
    [
        ("segrnn.training.grouped_optimizer", "lr", "fast", "a number"),
        ("segrnn.training.grouped_optimizer", "lr", None, "a number"),
        ("segrnn.training.poly", "warmup_steps", 1.5, "a whole number"),
        ("segrnn.context.ReNet", "channels", True, "a whole number"),
        ("torch.nn.Linear", "bias", 1, "true or false"),
        ("torch.optim.SGD", "momentum", "0.9", "a number"),
    ],
)
def test_a_scalar_of_another_kind_is_refused(target: str, name: str, value: object, wanted: str) -> None:
    with pytest.raises(ConfigError, match=rf"^thing\.{name}={value!r} must be {wanted}$"):
        instantiate({"_target_": target, "_partial_": True, name: value}, "thing", (*ALLOW_LIST, *MODEL_TARGETS))


def test_whole_numbers_are_numbers() -> None:
    schedule = instantiate({"_target_": "segrnn.training.poly", "_partial_": True, "power": 1}, "schedule", ALLOW_LIST)
    assert schedule.keywords == {"power": 1}


BROKEN = """
from torch import nn

class InInit(nn.Module):
    def __init__(self, channels):
        super().__init__()
        raise TypeError("my own mistake")

class InForward(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.layer = nn.Conv2d(channels, channels, 1)

    def forward(self, x):
        return self.layer(x) + "my own mistake"
"""


@pytest.mark.parametrize("name", ["InInit", "InForward"])
def test_the_users_own_exceptions_keep_their_traceback(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_module.py").write_text(BROKEN)
    monkeypatch.syspath_prepend(tmp_path)
    fcn = {"_target_": "segrnn.models.FCN", "_partial_": True, "encoder_name": "resnet18", "width": 8}
    context = {"_target_": f"broken_module.{name}", "_partial_": True, "stride": 8}
    with pytest.raises(TypeError) as caught:
        build_segmenter({"model": fcn, "context": context}, 4, allow=["broken_module."])
    assert caught.traceback[-1].path.name == "broken_module.py"


def test_arguments_that_the_users_own_class_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken_module.py").write_text(BROKEN)
    monkeypatch.syspath_prepend(tmp_path)
    fcn = {"_target_": "segrnn.models.FCN", "_partial_": True, "encoder_name": "resnet18", "width": 8}
    context = {"_target_": "broken_module.InForward", "_partial_": True, "stride": 8, "size": 3}
    with pytest.raises(
        ConfigError, match=r"context \(.*InForward\) got an unexpected keyword argument 'size'; it takes channels"
    ):
        build_segmenter({"model": fcn, "context": context}, 4, allow=["broken_module."])
