"""The packages that only exporting needs."""

import importlib
from types import ModuleType

from segrnn.errors import ExportError


def need(name: str) -> ModuleType:
    """Import a module of the extra ``export``.

    Raises:
        ExportError: it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ExportError(f'{name} can\'t be imported ({error}): pip install "segrnn[export]"') from error
