"""From Hydra's configuration to objects, with errors that name the key."""

from segrnn.config.build import build
from segrnn.config.command import run_command

__all__ = ["build", "run_command"]
