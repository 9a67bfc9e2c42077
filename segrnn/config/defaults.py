"""The defaults of every command and of ``data``, where Hydra finds them.

A file of ``conf/`` begins with ``<its name>_defaults``, and a file of ``conf/data/`` with ``base``.
"""

from hydra.core.config_store import ConfigStore

from segrnn.config.data_knobs import Data
from segrnn.config.knobs import defaults
from segrnn.config.schemas import schema_of


def store_defaults(config_name: str) -> None:
    """Store the defaults of a file of ``conf/``. Another call changes nothing.

    Only these are stored, because Hydra copies the whole store for each group that ``--help`` lists.

    Args:
        config_name: the file that a command starts from. A search starts from ``train`` as well.
    """
    store, provider = ConfigStore.instance(), "segrnn.config.schema"
    store.store("base", defaults(Data), group="data", provider=provider)
    for name in {config_name, "train"} if config_name == "search" else {config_name}:
        schema = schema_of(name)
        assert schema is not None
        own = {key: value for key, value in defaults(schema).items() if key != "data"}  # a file of conf/data/ has these
        store.store(f"{name}_defaults", own, provider=provider)
