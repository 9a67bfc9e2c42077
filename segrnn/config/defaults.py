"""The defaults of every command, stored where Hydra finds them.

A file of ``conf/`` includes its defaults by the name ``<its name>_defaults``.
"""

from hydra.core.config_store import ConfigStore

from segrnn.config.knobs import defaults
from segrnn.config.schema import schema_of

COMMANDS = (
    "benchmark_contexts",
    "benchmark_inference",
    "evaluate",
    "export_model",
    "predict",
    "prepare_check",
    "prepare_download",
    "prepare_extract",
    "prepare_pack",
    "prepare_stats",
    "search",
    "train",
)
"""The files of ``conf/`` that commands start from."""


def store_defaults() -> None:
    """Store the defaults of every command. A second call changes nothing."""
    for name in COMMANDS:
        schema = schema_of(name)
        assert schema is not None
        ConfigStore.instance().store(f"{name}_defaults", defaults(schema), provider="segrnn.config.schema")
