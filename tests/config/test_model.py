"""A network from a checkpoint's own configuration."""

from pathlib import Path

import pytest
import torch
from conftest import composed

from segrnn.config.allow_list import ALLOW_LIST
from segrnn.config.model import build_model
from segrnn.config.schema import Train
from segrnn.errors import CheckpointError
from segrnn.inference import KEY, load_checkpoint, to_checkpoint
from segrnn.labels import CAMVID
from segrnn.models import Segmenter


def write(path: Path, config: Train, model: Segmenter) -> Path:
    state = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    info = to_checkpoint(build_model(config, CAMVID, ALLOW_LIST)[1])
    torch.save({KEY: info, "state_dict": state, "global_step": 7}, path)
    return path


def test_a_trained_network_comes_back_with_its_auxiliary_head(tmp_path: Path) -> None:
    config = composed("auxiliary=fcn", "auxiliary.hidden=8")
    model = build_model(config, CAMVID, ALLOW_LIST)[0].eval()
    trained, _ = load_checkpoint(write(tmp_path / "x.ckpt", config, model))
    image = torch.rand(1, 3, 40, 56)
    for ours, theirs in zip(model.forward_with_auxiliary(image), trained.forward_with_auxiliary(image), strict=True):
        assert torch.equal(ours, theirs)


def test_a_checkpoint_without_an_auxiliary_head(tmp_path: Path) -> None:
    config = composed()
    model, _ = build_model(config, CAMVID, ALLOW_LIST)
    assert load_checkpoint(write(tmp_path / "x.ckpt", config, model))[0].auxiliary is None


def test_tensors_that_do_not_fit_the_configuration_are_sorted_by_part(tmp_path: Path) -> None:
    config = composed()
    other, _ = build_model(composed("model.width=16"), CAMVID, ALLOW_LIST)
    with pytest.raises(
        CheckpointError, match=r"can't be loaded: the checkpoint belongs to another model:\n  neck: .* with another"
    ):
        load_checkpoint(write(tmp_path / "x.ckpt", config, other))
