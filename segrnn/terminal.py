"""Tables and lines in the terminal."""

from typing import Any

from rich.console import Console
from rich.text import Text

from segrnn.text import printable


class PlainConsole(Console):
    """A console that prints text as it is. Square brackets and colons are not markup, and controls become escapes.

    Example:
        >>> PlainConsole().print("[red]road[/red] :smile:")
        [red]road[/red] :smile:
    """

    def __init__(self, soft_wrap: bool = False) -> None:
        super().__init__(markup=False, emoji=False, highlight=False, soft_wrap=soft_wrap)

    def render_str(self, text: str, **options: Any) -> Text:
        """Make a styled text of a string. `rich.console.Console` calls this for every string that it prints."""
        return super().render_str("\n".join(map(printable, text.split("\n"))), **options)
