"""The classes of the commands' configurations, by the names of their files."""

from segrnn.config import preparing, schema
from segrnn.config.parsing import Config


def schema_of(config_name: str) -> type[Config] | None:
    """Return the class of a configuration by the name of its file in ``conf/``, or None.

    Example:
        >>> schema_of("prepare_check").__name__
        'PrepareCheck'
    """
    name = "".join(word.capitalize() for word in config_name.split("_"))
    found: type[Config] | None = getattr(preparing if name.startswith("Prepare") else schema, name, None)
    return found
