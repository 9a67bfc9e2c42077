"""A run that goes on with other settings: they take effect, or are refused in one line."""

import os
import shutil
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from conftest import SMALL, Run, draw_camvid

from segrnn.train import main
from segrnn.training import SegmentationModule, constant, lr_range, one_cycle, poly
from segrnn.training.resuming import check_optimizer

BASE = [*SMALL, "data=camvid", "data.root=../camvid", "hydra.run.dir=run"]
STEPS = 4


@pytest.fixture(scope="module")
def finished_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of AdamW and a cycle of the rate, with its data at ``../camvid`` of the working folder."""
    folder = tmp_path_factory.mktemp("finished") / "work"
    folder.mkdir()
    draw_camvid(folder.parent / "camvid")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sys, "argv", ["segrnn.train", *BASE, f"trainer.max_steps={STEPS}"])
        main()
    return folder / "run"


@pytest.fixture
def finished(finished_once: Path, run: Run, camvid: Path) -> Path:
    shutil.copytree(finished_once, "run")
    return Path("run")


@pytest.fixture
def groups(monkeypatch: pytest.MonkeyPatch) -> list[list[dict]]:
    """The optimizer's groups before each step."""
    taken: list[list[dict]] = []
    original = SegmentationModule.training_step

    def recorded(module: SegmentationModule, batch: tuple) -> dict:
        optimizer = module.optimizers()
        taken.append(
            [{key: value for key, value in group.items() if key != "params"} for group in optimizer.param_groups]
        )
        return original(module, batch)

    monkeypatch.setattr(SegmentationModule, "training_step", recorded)
    return taken


def settings(*changes: str) -> list[str]:
    changed = {change.partition("=")[0] for change in changes}
    return [*(each for each in BASE if each.partition("=")[0] not in changed), *changes, "ckpt=auto"]


def cycle(steps: int, lr: float, warmup: float = 0.3) -> list[float]:
    """The rates of a run of so many steps that was never interrupted."""
    optimizer = torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))], lr=lr)
    schedule = one_cycle(optimizer, steps, warmup)
    rates = []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return rates


def rates(groups: list[list[dict]], name: str) -> list[float]:
    return [next(group["lr"] for group in step if group["name"] == name) for step in groups]


@pytest.mark.slow
def test_more_steps_follow_the_schedule_of_the_new_length(finished: Path, run: Run, groups: list, capsys) -> None:
    before = torch.load("run/checkpoints/last.ckpt", weights_only=True)["optimizer_states"][0]["param_groups"]
    lr, warmup = next(group["max_lr"] for group in before if group["name"] == "rest"), 0.3
    assert run("train", *settings("trainer.max_steps=9", f"schedule.warmup={warmup}")) == 0
    assert rates(groups, "rest") == cycle(9, lr, warmup)[STEPS:]
    out = capsys.readouterr().out
    assert f"trainer.max_steps: {STEPS} -> 9" in out
    assert "the next step's learning rate becomes " in out
    assert torch.load("run/checkpoints/last.ckpt", weights_only=True)["global_step"] == 9


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "schedule"),
    [
        (["schedule=one_cycle"], partial(one_cycle, warmup=0.3)),
        (["schedule=poly"], partial(poly, power=0.9)),
        (["schedule=warmup_poly", "schedule.warmup_steps=2"], partial(poly, power=1, warmup_steps=2)),
        (["schedule=constant"], constant),
        (["schedule=lr_range", "trainer.lr_range=true"], partial(lr_range, start=1e-3, end=10)),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_a_run_that_has_ended_goes_on_with_every_schedule(
    arguments: list[str], schedule: Callable, run: Run, camvid: Path, groups: list
) -> None:
    small = [each for each in BASE if each not in ("data.root=../camvid", "trainer.max_steps=3")]
    recipe = [*small, f"data.root={camvid}", *arguments, "optimizer.lr=0.01"]
    assert run("train", *recipe, "trainer.max_steps=3") == 0
    for steps in (5, 6):  # it has ended twice
        groups.clear()
        assert run("train", *recipe, f"trainer.max_steps={steps}", "ckpt=auto") == 0
        optimizer = torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))], lr=0.01)
        whole, expected = schedule(optimizer, steps), []
        for _ in range(steps):
            expected.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            whole.step()
        assert rates(groups, "rest") == pytest.approx(expected[-len(groups) :])
    assert len(groups) == 1
    assert torch.load("run/checkpoints/last.ckpt", weights_only=True)["global_step"] == 6


@pytest.mark.thorough
def test_another_schedule_is_taken_up_at_the_step_of_the_run(finished: Path, run: Run, groups: list) -> None:
    changes = [
        "schedule=poly",
        "schedule.power=1",
        "trainer.max_steps=8",
        "optimizer.lr=0.08",
        "optimizer.weight_decay=0.3",
    ]
    assert run("train", *settings(*changes)) == 0
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.08)
    share = poly(optimizer, 8, power=1).lr_lambdas[0]
    assert rates(groups, "rest") == pytest.approx([0.08 * share(step) for step in range(STEPS, 8)])
    assert {group["weight_decay"] for group in groups[0]} == {0.0, 0.3}


@pytest.mark.thorough
@pytest.mark.parametrize(
    "changes",
    [
        ["loss.class_weights=[1,1,1,1,1,1,1,1,1,1,1]"],
        ["loss=cross_entropy_dice", "data.batch_size=2", "trainer.patience=1"],
        [
            "trainer.ema_decay=0.9",
            "data.batch_size=6",
            "trainer.micro_batch_size=3",
            "trainer.validate_every_n_steps=1",
        ],
        [
            "trainer.precision=bf16-mixed",
            "data.crop=[64,32]",
            "data.workers=1",
            "data.flip=0",
            "trainer.gradient_clip_val=0",
        ],
        ["optimizer.encoder_lr=0", "optimizer.recurrent_lr=0.01", "trainer.validate_every_n_steps=100"],
        ["schedule=constant", "optimizer.optimizer.betas=[0.5,0.9]", "seed=3", "trainer.max_train_images=2"],
        ["schedule=lr_range", "trainer.lr_range=true", "trainer.checkpoint_encoder=true", "trainer.max_val_images=1"],
    ],
    ids=lambda changes: " ".join(changes),
)
def test_other_settings_take_effect(changes: list[str], finished: Path, run: Run) -> None:
    if any(change.startswith("optimizer.optimizer.betas") for change in changes):
        changes = [f"+{change}" if "betas" in change else change for change in changes]
    assert run("train", *settings("trainer.max_steps=6", *changes)) == 0
    steps = torch.load("run/checkpoints/last.ckpt", weights_only=True)["global_step"]
    assert steps == 6 or any("patience" in change for change in changes)


@pytest.mark.thorough
def test_an_average_that_is_given_up_leaves_the_weights_themselves(finished: Path, run: Run, monkeypatch) -> None:
    averaged = [*settings("trainer.max_steps=5"), "trainer.ema_decay=0.9"]
    assert run("train", *averaged) == 0
    saved = torch.load("run/checkpoints/last.ckpt", weights_only=True)
    seen: list[dict] = []
    original = SegmentationModule.training_step

    def recorded(module: SegmentationModule, batch: tuple) -> dict:
        seen.append({name: value.clone() for name, value in module.state_dict().items()})
        return original(module, batch)

    monkeypatch.setattr(SegmentationModule, "training_step", recorded)
    assert run("train", *settings("trainer.max_steps=6")) == 0
    assert all(torch.equal(value, saved["current_model_state"][name]) for name, value in seen[0].items())
    assert "averaging_state" not in torch.load("run/checkpoints/last.ckpt", weights_only=True)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["optimizer.encoder_layer_decay=0.9"], "the optimizer has other groups of parameters than the checkpoint's"),
        (
            ["optimizer=sgd"],
            "SGD keeps momentum_buffer for each parameter, but the checkpoint's optimizer kept exp_avg, ",
        ),
        (["optimizer=adadelta"], "Adadelta keeps "),
        (["+optimizer.optimizer.amsgrad=true"], "max_exp_avg_sq"),
        (["trainer.max_steps=3"], "step 4, which is later than trainer.max_steps=3"),
        (["auxiliary=fcn"], "belongs to another model"),
        (["schedule=warmup_poly"], "schedule.warmup_steps=1500"),
    ],
    ids=str,
)
def test_what_can_not_go_on_is_refused_before_the_first_step(
    changes: list[str], message: str, finished: Path, run: Run, groups: list, capsys
) -> None:
    before = Path("run/checkpoints/last.ckpt").read_bytes()
    assert run("train", *settings("trainer.max_steps=6", *changes)) == 2
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
    if "optimizer" in changes[0]:
        assert "weights=<checkpoint> instead of ckpt" in error
        assert len(error.splitlines()) == 1
    assert groups == []
    assert Path("run/checkpoints/last.ckpt").read_bytes() == before
    assert os.listdir("run/checkpoints")


@pytest.mark.thorough
def test_a_new_run_can_start_where_the_optimizer_can_not_go_on(finished: Path, run: Run) -> None:
    new = [each for each in BASE if not each.startswith("hydra.run.dir")]
    assert run("train", *new, "optimizer=sgd", "weights=run/checkpoints/last.ckpt", "trainer.max_steps=1") == 0


def test_an_optimizer_without_a_state_goes_with_any(tmp_path: Path) -> None:
    parameter = torch.nn.Parameter(torch.zeros(2))
    saved = torch.optim.SGD([parameter], lr=1).state_dict()
    check_optimizer(saved, torch.optim.AdamW([parameter], lr=1))
