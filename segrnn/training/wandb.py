"""The only place that knows Weights & Biases."""

from pathlib import Path

from pytorch_lightning.loggers import WandbLogger

from segrnn.errors import ConfigError

_MODES = ("offline", "online", "disabled")


def wandb_logger(save_dir: str, project: str, mode: str = "offline") -> WandbLogger:
    """A W&B run in the run's own folder.

    Args:
        save_dir: where W&B makes its ``wandb`` folder.
        project: the W&B project.
        mode: ``offline`` writes files for `wandb sync`, ``online`` uploads, ``disabled`` does neither.

    Raises:
        ConfigError: an unknown mode.
    """
    if mode not in _MODES:
        raise ConfigError(f"logger.mode={mode!r} must be one of {', '.join(_MODES)}")
    Path(save_dir).mkdir(parents=True, exist_ok=True)
    return WandbLogger(project=project, save_dir=save_dir, mode=mode)
