"""The number of crops in a step, if the user leaves it to the memory."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from segrnn.config.data import build_dataset
from segrnn.config.schema import Train
from segrnn.errors import ConfigError
from segrnn.inference import KEY, read_checkpoint
from segrnn.labels import LabelSpace
from segrnn.processes import world_size
from segrnn.text import counted
from segrnn.training import SegmentationModule, find_batch_size
from segrnn.training.checkpoints import KEYS


def settle_batch_size(
    config: Train,
    resume: Path | None,
    build_module: Callable[[LabelSpace], SegmentationModule],
    on_cpu: bool,
    say: Callable[[str], None],
) -> Train:
    """Replace ``data.batch_size=auto`` by a number. A run that goes on keeps the number that it began with.

    Args:
        config: the configuration.
        resume: the checkpoint that the run goes on from, or None.
        build_module: builds a module to try steps on. It is thrown away.
        on_cpu: whether the run trains on a CPU.
        say: shows a message.

    Raises:
        ConfigError: the run has several processes, or its batches are computed in parts.
    """
    data, trainer = config.data, config.trainer
    if isinstance(data.batch_size, int):
        return config
    if trainer.devices != 1 or trainer.num_nodes != 1 or world_size() > 1:
        raise ConfigError(
            "data.batch_size=auto works in one process: find the number with trainer.devices=1, and give it times the "
            "number of processes"
        )
    if trainer.micro_batch_size is not None:
        raise ConfigError(
            f"data.batch_size=auto fills the memory, and trainer.micro_batch_size={trainer.micro_batch_size} saves it: "
            "choose one of the two"
        )
    if resume is not None:
        size = read_checkpoint(resume, KEYS)[KEY]["config"]["data"]["batch_size"]
        say(f"data.batch_size=auto stays {size}, as this run began")
    else:
        train_set = build_dataset(data, data.train_split, config.allow).first(trainer.max_train_images)
        module = build_module(train_set.labels)
        device = None if on_cpu else torch.accelerator.current_accelerator()
        size = find_batch_size(
            module, data.crop, data.channels, trainer.precision, len(train_set), device or torch.device("cpu")
        )
        crops = f"{counted(size, 'crop')} of {data.crop[0]} x {data.crop[1]}"
        why = "as many as there are images" if size == len(train_set) else "the most that fit into memory"
        say(f"data.batch_size=auto is {size}: {crops} are {why}. Another size may need another optimizer.lr")
    return replace(config, data=replace(data, batch_size=size))
