"""The classes of the commands' configurations, by the names of their files."""

from segrnn.config import measuring, preparing, schema, serving
from segrnn.config.parsing import Config


def schema_of(config_name: str) -> type[Config] | None:
    """Return the class of a configuration by the name of its file in ``conf/``, or None.

    Example:
        >>> schema_of("prepare_check").__name__
        'PrepareCheck'
    """
    name = "".join(word.capitalize() for word in config_name.split("_"))
    parts = {"Prepare": preparing, "Benchmark": measuring, "Demo": serving}
    module = next((part for prefix, part in parts.items() if name.startswith(prefix)), schema)
    found: type[Config] | None = getattr(module, name, None)
    return found
