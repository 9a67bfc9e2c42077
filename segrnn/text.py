"""Make text from elsewhere safe to show, and find the word that a user probably meant.

Names of classes, files and data come from strangers. Terminals, spreadsheets and Markdown each read some characters as
commands. `segrnn.reports.figures` makes names safe for pictures, and HTML pages hold names as JSON.
"""

import html
import logging
import re
import sys
from collections.abc import Iterable
from difflib import get_close_matches

LOG = logging.getLogger("segrnn")
"""The logger of all that segrnn says. It has no handler that prints: `tell` prints by itself."""

LOG.addHandler(logging.NullHandler())

_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0a-\x1f\x7f-\x9f"  # controls: they move the cursor, recolour the terminal, or begin another line
    "\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069"  # marks that reorder the text beside them
    "\ud800-\udfff]"  # lone surrogates, which no encoding has
)
_FORMULA = re.compile(r"\s*[=+\-@\uff1d\uff0b\uff0d\uff20]")


def printable(text: str) -> str:
    r"""Write unprintable characters as escapes: controls, line breaks, marks of direction and lone surrogates.

    If a byte of a file's name is not UTF-8, its escape shows the byte.

    Example:
        >>> print(printable("stra\udcdfe \x1b[31m red"))
        stra\xdfe \x1b[31m red
    """
    return _UNPRINTABLE.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    if 0xDC80 <= code <= 0xDCFF:  # Python stores a byte that it can't decode as this character
        code -= 0xDC00
    return f"\\x{code:02x}" if code <= 0xFF else f"\\u{code:04x}"


def shorten(text: str, width: int) -> str:
    """Return a text shortened to at most `width` characters, with unprintable characters as escapes.

    Example:
        >>> shorten("a name that goes on and on", 12)
        'a name that…'
    """
    text = printable(text)
    return text if len(text) <= width else text[: width - 1] + "…"


def spreadsheet_cell(value: object) -> object:
    """Return a cell for a CSV file. A text that a spreadsheet would read as a formula gets an apostrophe in front.

    Example:
        >>> spreadsheet_cell("=1+1"), spreadsheet_cell("road"), spreadsheet_cell(-0.5)
        ("'=1+1", 'road', -0.5)
    """
    if not isinstance(value, str):
        return value
    text = printable(value)
    return f"'{text}" if _FORMULA.match(text) else text


def markdown(text: str) -> str:
    """Return a text escaped for Markdown: it adds no markup or HTML, and stays in one cell of a table.

    Example:
        >>> markdown("a|b <script> `c`")
        'a&#124;b &lt;script&gt; &#96;c&#96;'
    """
    escaped = html.escape(printable(text), quote=False)
    return re.sub(r"[|`*_\[\]#!\\]", lambda match: f"&#{ord(match[0])};", escaped)


def tell(message: object, error: bool = False) -> None:
    """Print a message, with characters that a terminal would obey as escapes. The logger `LOG` gets it as well.

    Args:
        message: the message. It may have several lines.
        error: whether to print to standard error.
    """
    text = "\n".join(map(printable, str(message).split("\n")))
    print(text, file=sys.stderr if error else sys.stdout, flush=True)
    LOG.log(logging.ERROR if error else logging.INFO, text)


def counted(number: int, thing: str) -> str:
    """Return a number and its noun.

    Example:
        >>> counted(1, "core"), counted(2, "core")
        ('1 core', '2 cores')
    """
    return f"{number} {thing}" + ("" if number == 1 else "s")


def nearest(word: str, possible: Iterable[str]) -> str:
    """Return a hint at the word that was probably meant, or an empty text if no word is close.

    Example:
        >>> nearest("rennet_gru", ["renet_gru", "lrnn"])
        ' (did you mean renet_gru?)'
    """
    close = get_close_matches(word, list(possible), n=1)
    return f" (did you mean {close[0]}?)" if close else ""
