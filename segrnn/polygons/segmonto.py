"""Labels of zones on pages, as the SegmOnto vocabulary writes them."""

import re


def split_label(label: str) -> tuple[str, ...]:
    """Return the names that a label stands for, from the exact one to the most general one.

    A label is a type, a subtype behind a colon, and a number behind ``#``: ``MainZone:column#1``. The number tells
    zones of one page apart, so it is left out.

    Example:
        >>> split_label("MainZone:column#1"), split_label("NumberingZone#2"), split_label("paragraph")
        (('MainZone:column', 'MainZone'), ('NumberingZone',), ('paragraph',))
    """
    name = re.sub(r"\s*#\w*$", "", label.strip())
    kind = name.partition(":")[0].strip()
    return (name,) if kind == name or not kind else (name, kind)
