"""A network from a checkpoint's own configuration."""

from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import composed

from segrnn.config.model import KEY, build_model, load_checkpoint, to_checkpoint
from segrnn.config.targets import TARGETS
from segrnn.errors import CheckpointError
from segrnn.labels import CAMVID
from segrnn.models import Segmenter


def write(path: Path, config: dict[str, Any], model: Segmenter) -> Path:
    state = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    info = to_checkpoint(build_model(config, CAMVID, TARGETS).info)
    torch.save({KEY: info, "state_dict": state, "global_step": 7}, path)
    return path


def test_a_trained_network_comes_back_with_its_auxiliary_head(tmp_path: Path) -> None:
    config = composed("auxiliary=fcn", "auxiliary.hidden=8")
    model = build_model(config, CAMVID, TARGETS).eval()
    trained = load_checkpoint(write(tmp_path / "x.ckpt", config, model))
    image = torch.rand(1, 3, 40, 56)
    for ours, theirs in zip(model.forward_with_auxiliary(image), trained.forward_with_auxiliary(image), strict=True):
        assert torch.equal(ours, theirs)


def test_a_checkpoint_from_before_there_were_auxiliary_heads(tmp_path: Path) -> None:
    config = composed()
    del config["auxiliary"]
    model = build_model(config, CAMVID, TARGETS)
    assert load_checkpoint(write(tmp_path / "x.ckpt", config, model)).auxiliary is None


def test_tensors_that_do_not_fit_the_configuration_are_sorted_by_part(tmp_path: Path) -> None:
    config = composed()
    other = build_model(composed("model.width=16"), CAMVID, TARGETS)
    with pytest.raises(
        CheckpointError, match=r"can't be loaded: the checkpoint is of another model:\n  neck: .* of other"
    ):
        load_checkpoint(write(tmp_path / "x.ckpt", config, other))
