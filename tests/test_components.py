import pytest

from segrnn.components import build, call
from segrnn.config.targets import TARGETS
from segrnn.context import ReNet
from segrnn.errors import ConfigError
from segrnn.models.architecture import MODEL_TARGETS


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
        build([{"_target_": target}], "thing", TARGETS)  # type: ignore[arg-type]


def test_a_checkpoint_may_choose_models_only() -> None:
    assert isinstance(build({"_target_": "segrnn.context.ReNet", "channels": 4}, "x", MODEL_TARGETS), ReNet)
    for target in ("torch.nn.ReLU", "torch.optim.SGD", "segrnn.datasets.Demo", "segrnn.training.fit"):
        with pytest.raises(ConfigError, match="is not allowed"):
            build({"_target_": target}, "model", MODEL_TARGETS)


def test_a_user_may_add_prefixes() -> None:
    assert build({"_target_": "fractions.Fraction", "numerator": 3}, "x", (*TARGETS, "fractions.")) == 3


def test_errors_name_the_place_and_the_reason() -> None:
    with pytest.raises(ConfigError, match=r"context\._target_='segrnn.context.ReNett' can't be imported"):
        build({"_target_": "segrnn.context.ReNett"}, "context", MODEL_TARGETS)
    with pytest.raises(ConfigError, match=r"context \(segrnn.context.ReNet\): .*unexpected keyword argument 'levl'"):
        build({"_target_": "segrnn.context.ReNet", "channels": 4, "levl": 3}, "context", MODEL_TARGETS)
    make = build({"_target_": "segrnn.context.ReNet", "_partial_": True, "hidden": 0}, "context", MODEL_TARGETS)
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
        build({"_target_": target, "_partial_": True, name: value}, "thing", (*TARGETS, *MODEL_TARGETS))


def test_whole_numbers_are_numbers() -> None:
    schedule = build({"_target_": "segrnn.training.poly", "_partial_": True, "power": 1}, "schedule", TARGETS)
    assert schedule.keywords == {"power": 1}
