"""List the commands: ``python -m segrnn``."""

import sys

from segrnn import __version__

COMMANDS = {
    "train": "train a network",
    "evaluate": "score a checkpoint",
    "predict": "write masks for images, folders, archives and videos",
    "export_model": "write a network for other programs",
    "prepare": "download, extract, check, count and pack data",
    "benchmark": "measure contexts, and how fast a network labels images",
    "search": "search for settings",
}
"""The description of each command, by the command's name."""


def main() -> None:
    """Print the version or the commands. After an unknown word, exit with code 2."""
    words = sys.argv[1:]
    if words == ["--version"]:
        print(__version__)
        return
    lines = "\n".join(f"  python -m segrnn.{name:14}{what}" for name, what in COMMANDS.items())
    text = f"segrnn {__version__}: semantic segmentation with recurrent context. Commands, each with --help:\n{lines}"
    if words and words[0] not in ("-h", "--help"):
        print(f"error: python -m segrnn has no command {words[0]!r}. {text}", file=sys.stderr)
        sys.exit(2)
    print(text)


if __name__ == "__main__":
    main()
