"""Tables and lines in the terminal."""

from typing import Any

from rich.console import Console
from rich.text import Text

from segrnn.text import printable


class PlainConsole(Console):
    """A console to which text is text: square brackets and colons are no markup, and controls are escapes.

    Example:
        >>> PlainConsole().print("[red]road[/red] :smile:")
        [red]road[/red] :smile:
    """

    def __init__(self, soft_wrap: bool = False) -> None:
        super().__init__(markup=False, emoji=False, highlight=False, soft_wrap=soft_wrap)

    def render_str(self, text: str, **options: Any) -> Text:
        """Make a styled text of a string, as `rich.console.Console` does for all that it prints."""
        return super().render_str("\n".join(map(printable, text.split("\n"))), **options)
