"""Tables and lines in the terminal."""

from typing import Any

from rich.console import Console
from rich.text import Text

from segrnn.text import LOG, printable


class PlainConsole(Console):
    """A console that prints text as it is. Square brackets and colons are not markup, and controls become escapes.

    The logger `segrnn.text.LOG` gets each text as well, without colours.

    Example:
        >>> PlainConsole().print("[red]road[/red] :smile:")
        [red]road[/red] :smile:
    """

    def __init__(self, soft_wrap: bool = False) -> None:
        super().__init__(markup=False, emoji=False, highlight=False, soft_wrap=soft_wrap, record=True)

    def print(self, *objects: Any, **options: Any) -> None:
        """Print as `rich.console.Console` does, and log the text."""
        super().print(*objects, **options)
        LOG.info(self.export_text().rstrip())

    def render_str(self, text: str, **options: Any) -> Text:
        """Make a styled text of a string. `rich.console.Console` calls this for every string that it prints."""
        return super().render_str("\n".join(map(printable, text.split("\n"))), **options)
