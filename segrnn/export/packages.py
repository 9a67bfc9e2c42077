"""The import of packages that only the export needs."""

import importlib
from types import ModuleType

from segrnn.errors import ExportError


def need(name: str) -> ModuleType:
    """Import a module of the extra ``export``.

    Raises:
        ExportError: the module is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ExportError(f'{name} can\'t be imported ({error}): pip install "segrnn[export]"') from error
