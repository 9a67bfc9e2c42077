"""Turns Hydra's configuration into objects. Errors name the key."""

from segrnn.config.command import run_command

__all__ = ["run_command"]
