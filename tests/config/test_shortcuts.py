import pytest
from conftest import Run
from hydra import compose, initialize_config_module
from hydra._internal import defaults_list
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.hydra import Hydra
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra

from segrnn.config.command import CONF
from segrnn.config.defaults import store_defaults
from segrnn.config.shortcuts import shortcuts


@pytest.mark.parametrize("overrides", [["experiment=camvid_quick", "seed=3"], ["data=camvid", "context@second=none"]])
def test_a_configuration_is_the_same(overrides: list[str]) -> None:
    GlobalHydra.instance().clear()
    store_defaults("train")
    with initialize_config_module(CONF, version_base="1.3"):
        plain = compose("train", [f"+{each}" if "@" in each else each for each in overrides], return_hydra_config=True)
        with shortcuts():
            quick = compose("train", list(plain.hydra.overrides.task), return_hydra_config=True)
    assert quick == plain


def test_hydra_is_as_before_afterwards() -> None:
    def insides() -> tuple:
        return ConfigStore.__dict__.get("__deepcopy__"), defaults_list._create_interpolation_map, Hydra.get_mode

    before = insides()
    with shortcuts():
        assert all(now is not then for now, then in zip(insides(), before, strict=True))
        with shortcuts():
            pass
    assert insides() == before


@pytest.mark.parametrize(
    ("arguments", "composed"),
    [
        (["hydra.run.dir=run"], 1),
        (["hydra.run.dir=run", "hydra.mode=RUN"], 2),
        (["hydra.sweep.dir=run", "hydra.mode=MULTIRUN"], 4),  # also the sweep and its job, which Hydra tries first
        (["hydra.sweep.dir=run", "--multirun"], 3),
    ],
)
def test_a_command_composes_its_configuration_once_unless_its_mode_is_open(
    run: Run, monkeypatch: pytest.MonkeyPatch, arguments: list[str], composed: int
) -> None:
    calls = []
    load = ConfigLoaderImpl.load_configuration
    monkeypatch.setattr(
        ConfigLoaderImpl, "load_configuration", lambda *args, **kwargs: calls.append(0) or load(*args, **kwargs)
    )
    assert run("train", "data.root=nowhere", "data=camvid", *arguments) == 2
    assert len(calls) == composed
