"""Docstrings as the site's generator reads them."""

import re
from typing import Any

from griffe import Extension, Object


class Docstrings(Extension):
    """Two turns of phrase: `Example:`, which Google's style has beside `Examples:`, and `::` before a block of text."""

    def on_object(self, *, obj: Object, **_: Any) -> None:
        """Change the docstring of a module, a class, a function or an attribute."""
        if obj.docstring:
            text = re.sub(r"^( *)Example:$", r"\1Examples:", obj.docstring.value, flags=re.MULTILINE)
            text = re.sub(r"^ *::\n", "", text, flags=re.MULTILINE)
            obj.docstring.value = re.sub(r"::$", ":", text, flags=re.MULTILINE)
