"""From Hydra's configuration to objects, with errors that name the key."""

from segrnn.config.command import run_command

__all__ = ["run_command"]
