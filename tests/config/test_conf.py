"""Every file of conf/ composes, has the right types, and binds to what it configures."""

import inspect
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import conftest
import pytest
import segrnn.conf
import torch
import yaml
from hydra.utils import get_method, get_object

from segrnn.config.allow_list import ALLOW_LIST
from segrnn.config.contexts import find_contexts
from segrnn.config.parsing import plain
from segrnn.errors import ConfigError
from segrnn.instantiate import instantiate
from segrnn.models.architecture import build_segmenter

CONF = Path(segrnn.conf.__file__).parent
LEAVES = sorted(
    f"{path.parent.name}={path.stem}"
    for path in CONF.glob("*/*.yaml")
    if path.stem != "as_trained" and path.parent.name not in ("download", "engine")
)


def composed(*overrides: str) -> dict[str, Any]:
    """In plain containers, as checkpoints hold it."""
    return plain(conftest.composed(*overrides))


def together(leaves: Sequence[str]) -> list[list[str]]:
    """Put leaves of different groups into one configuration, which saves time. Recipes choose leaves themselves."""
    recipes = [leaf for leaf in leaves if leaf.startswith(("experiment=", "debug="))]
    parts = itertools.groupby((leaf for leaf in leaves if leaf not in recipes), lambda leaf: leaf.partition("=")[0])
    groups = [list(group) for _, group in parts]
    return [[leaf] for leaf in recipes] + [[leaf for leaf in each if leaf] for each in itertools.zip_longest(*groups)]


def components(config: Any, path: str = "") -> list[tuple[str, dict]]:
    found = []
    if isinstance(config, dict):
        if config.get("_target_"):
            found.append((path, config))
        for key, value in config.items():
            found += components(value, f"{path}.{key}" if path else key)
    elif isinstance(config, list):
        for value in config:
            found += components(value, path)
    return found


@pytest.mark.parametrize("leaves", together(LEAVES), ids=" ".join)
def test_every_target_takes_its_arguments(leaves: tuple[str, ...]) -> None:
    for path, component in components(composed(*leaves)):
        target = component["_target_"]
        obj = get_object(target) if inspect.isclass(get_object(target)) else get_method(target)
        arguments = {key: value for key, value in component.items() if not key.startswith("_")}
        arguments.pop("stride", None) if path == "context" else None
        inspect.signature(obj).bind_partial(**arguments)
        assert set(arguments) <= set(inspect.signature(obj).parameters) or path.startswith("model"), path


def test_a_planted_argument_is_caught() -> None:
    config = composed("+context.levl=3")
    with pytest.raises(
        ConfigError, match=r"context\.levl=3 is not an argument of the architecture\. ReNet takes cell, depth"
    ):
        build_segmenter(config, 4)


@pytest.mark.parametrize(
    "model",
    [
        *("fcn", "fcn_stride8", "fcn_stride4", "fcn_dilated", "fpn", "unet", "unetplusplus", "manet", "linknet", "pan"),
        *("deeplabv3", "deeplabv3plus", "upernet", "pspnet"),
    ],
)
@pytest.mark.parametrize(
    "context", [pytest.param("none", marks=pytest.mark.thorough), pytest.param("renet_gru", marks=pytest.mark.slow)]
)
def test_models_and_contexts_combine(model: str, context: str) -> None:
    segmenter = build_segmenter(composed(f"model={model}", f"context={context}"), 5)
    assert sum(1 for _ in segmenter.context.parameters()) == (0 if context == "none" else 21)


@pytest.mark.parametrize(
    "overrides",
    [
        ("encoder=mit_b0", "model=segformer"),
        ("encoder=convnext_tiny", "model=upernet"),
        ("encoder=resnet34", "model=pspnet"),
        ("encoder=resnet18", "model=fcn_dilated", "model.output_stride=16"),
    ],
    ids=" ".join,
)
def test_networks_of_the_recipes_with_an_auxiliary_head(overrides: tuple[str, ...]) -> None:
    segmenter = build_segmenter(composed(*overrides, "auxiliary=fcn"), 5).eval()
    logits, auxiliary = segmenter.forward_with_auxiliary(torch.rand(1, 3, 45, 61))
    assert auxiliary is not None
    assert logits.shape == auxiliary.shape == (1, 5, 45, 61)
    assert segmenter.auxiliary.weight == 0.4


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("encoder=vgg16", "model=fcn_dilated"), "model: vgg16 can't be dilated to output_stride=8"),
        (("auxiliary=fcn", "auxiliary.level=-9"), r"auxiliary: the encoder has no map at level -9; it has \[1, 2, 3\]"),
        (("auxiliary=fcn", "auxiliary.weight=-1"), "auxiliary: weight must be at least 0, got -1"),
    ],
)
def test_a_network_that_is_not_possible_says_why(overrides: tuple[str, ...], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build_segmenter(composed(*overrides), 5)


@pytest.mark.slow
@pytest.mark.parametrize("leaf", [leaf for leaf in LEAVES if leaf.startswith("context=")])
def test_every_context_goes_into_a_network(leaf: str) -> None:
    segmenter = build_segmenter(composed(leaf), 5).eval()
    assert segmenter(torch.rand(1, 3, 40, 56)).shape == (1, 5, 40, 56)


def test_every_context_is_measured_and_described() -> None:
    names = {leaf.partition("=")[2] for leaf in LEAVES if leaf.startswith("context=")}
    assert set(find_contexts()) == names
    page = (Path(__file__).parent.parent.parent / "docs" / "contexts.md").read_text()
    assert {name for line in page.splitlines() if line.startswith("costs: ") for name in line.split()[1:]} == names


def test_a_context_at_several_strides() -> None:
    segmenter = build_segmenter(composed("model=fpn", "context.stride=[8,16]"), 5)
    assert list(segmenter.context) == ["3", "4"]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("context.stride=5", r"context: there are no features at stride 5 .* reads the strides \[8\]"),
        ("context.hidden=0", "context: hidden must be a whole number of at least 1, got 0"),
        ("context.cell=gnu", "context: cell must be one of rnn, irnn, gru, lstm, mingru, minlstm; got 'gnu'"),
        ("context.order=x", "context: order must be one of columns_rows, rows_columns; got 'x'"),
        ("context.stride=x", "context: stride must be a whole number or a list of them, got 'x'"),
    ],
)
def test_a_context_that_is_not_possible_says_what_is(override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build_segmenter(composed(override), 5)


def test_reseg_is_built_from_its_experiment() -> None:
    segmenter = build_segmenter(composed("experiment=reseg_camvid", "data.root=x"), 11)
    assert sum(p.numel() for p in segmenter.neck.parameters()) == 758_400


def test_blla_brings_its_encoder_and_its_sweeps() -> None:
    config = composed("model=blla")
    assert (config["encoder"]["name"], config["encoder"]["weights"]) == ("blla", None)
    assert config["context"]["_target_"] is None
    segmenter = build_segmenter(config, 5)
    assert sum(p.numel() for p in segmenter.parameters()) == 1_261_605
    config = composed("context=renet_gru", "context.stride=4", "model=blla")  # what is chosen by hand wins
    assert list(build_segmenter(config, 5).context) == ["0"]
    with pytest.raises(ConfigError, match="model: width must be a multiple of groups=32, got 48"):
        build_segmenter(composed("model=blla", "model.width=48"), 5)


def test_a_sum_of_losses_is_overridden_part_by_part() -> None:
    overrides = ["loss=cross_entropy_dice", "loss.weights.dice=3", "loss.losses.cross_entropy.label_smoothing=0.5"]
    loss = instantiate(composed(*overrides)["loss"], "loss", ALLOW_LIST)
    assert loss.weights == {"cross_entropy": 1, "dice": 3}
    assert loss.losses["cross_entropy"].label_smoothing == 0.5
    with pytest.raises(
        ConfigError, match=r"there are 3 loss\.weights \(cross_entropy, lovasz, dice\) for 2 loss\.losses"
    ):
        instantiate(composed("loss=cross_entropy_lovasz", "+loss.weights.dice=1")["loss"], "loss", ALLOW_LIST)


@pytest.mark.parametrize("group", ["loss", "optimizer", "schedule"])
def test_components_build(group: str) -> None:
    needs_data = "loss=weighted_cross_entropy"
    for leaf in (leaf for leaf in LEAVES if leaf.startswith(group) and leaf != needs_data):
        assert callable(instantiate(composed(leaf)[group], group, ALLOW_LIST))


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("trainer.max_steps=abc", r"trainer\.max_steps=abc must be a whole number"),
        ("trainer.max_steps=1.5", r"trainer\.max_steps=1.5 must be a whole number"),
        ("trainer.max_steps=0", r"trainer\.max_steps=0 must be at least 1"),
        ("seed=-1", "seed=-1 must be at least 0"),
        ("data.crop=[64]", r"data\.crop=\[64\] must be a list of 2 numbers"),
        ("data.crop=[64,0]", r"data\.crop=\[64, 0\] must be above 0"),
        ("data.crop=big", r"data\.crop=big must be a list of 2"),
        ("data.flip=2", r"data\.flip=2.0 must be between 0 and 1"),
        ("data.base_size=[512]", r"data\.base_size=\[512\] must be a list of 2 numbers"),
        ("data.base_size=[0,5]", r"data\.base_size=\[0, 5\] must be above 0"),
        ("data.base_size=512", r"data\.base_size=512 must be a list of 2"),
        ("data.eval_scale=0", r"data\.eval_scale=0.0 must be above 0"),
        ("encoder.std=[1,1,0]", r"encoder\.std=.* must be above 0"),
        ("data.root=???", r"data\.root needs a value: add data\.root=<value>"),
    ],
)
def test_wrong_values_name_their_key(override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        composed(override)


def test_what_the_wandb_sweep_tries_composes() -> None:
    sweep = yaml.safe_load((CONF / "wandb_sweep.yaml").read_text())
    parameters = sweep["parameters"]
    tried = [(key, value) for key, one in parameters.items() for value in one.get("values", [one.get("min")])]
    assert len(tried) > len(parameters)
    for key, value in tried:
        assert isinstance(value, str | float), f"{key}={value!r} is no number to YAML"
        assert composed(f"{key}={value}")
    command = [part for part in sweep["command"] if not part.startswith("${")]
    assert command[:3] == ["python", "-m", sweep["program"]]
    assert composed(*command[3:])["logger"]["mode"] == "online"
