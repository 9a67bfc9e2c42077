"""Make text from elsewhere safe to show, and find the words that somebody meant."""

from collections.abc import Iterable
from difflib import get_close_matches


def nearest(word: str, possible: Iterable[str]) -> str:
    """Return a hint at the word that was probably meant; empty where no word is close.

    Example:
        >>> nearest("rennet_gru", ["renet_gru", "lrnn"])
        ' (did you mean renet_gru?)'
    """
    close = get_close_matches(word, list(possible), n=1)
    return f" (did you mean {close[0]}?)" if close else ""
