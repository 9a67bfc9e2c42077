"""The defaults of every command and of ``data``, where Hydra finds them.

A file of ``conf/`` begins with ``<its name>_defaults``, and a file of ``conf/data/`` with ``base``.
"""

from hydra.core.config_store import ConfigStore

from segrnn.config.knobs import defaults
from segrnn.config.schema import Data, schema_of

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
    """Store the defaults. Another call changes nothing."""
    store, provider = ConfigStore.instance(), "segrnn.config.schema"
    store.store("base", defaults(Data), group="data", provider=provider)
    for name in COMMANDS:
        schema = schema_of(name)
        assert schema is not None
        own = {key: value for key, value in defaults(schema).items() if key != "data"}  # a file of conf/data/ has these
        store.store(f"{name}_defaults", own, provider=provider)
