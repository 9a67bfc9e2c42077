"""The one entry to all commands: ``segrnn train`` or ``python -m segrnn train``."""

import sys
from importlib.resources import files
from runpy import run_module

from segrnn.text import nearest, tell
from segrnn.versions import describe_versions

COMMANDS = {
    "train": "train a network",
    "evaluate": "score a network or masks",
    "predict": "write masks for images, folders, archives and videos",
    "export": "write a network for other programs",
    "demo": "open a page that labels pictures in the browser",
    "prepare": "download, extract, check, count and pack data",
    "search": "search for settings",
    "benchmark": "measure contexts, and how fast a network labels images",
    "runs": "list trainings with their states and scores",
    "report": "compare trainings on one page",
}
"""The description of each command, by the command's name."""


def main() -> None:
    """Run the command that the first word names. After an unknown word, exit with code 2."""
    name = sys.argv[1] if len(sys.argv) > 1 else "--help"
    if name in ("-h", "--help"):
        tell(f"usage: segrnn COMMAND [key=value ...]\nEach command has --help:\n{_list_commands()}")
    elif name == "--version":
        tell(describe_versions())
    elif name == "--completion":
        tell(files("segrnn").joinpath("completion.bash").read_text())
    elif name in COMMANDS:
        del sys.argv[1]
        # the command becomes the main module: a run of several processes starts this module once more for each
        run_module(f"segrnn.{name}", run_name="__main__", alter_sys=True)
    else:
        tell(f"error: segrnn has no command {name!r}{nearest(name, COMMANDS)}:\n{_list_commands()}", error=True)
        sys.exit(2)


def _list_commands() -> str:
    return "\n".join(f"  {name:12}{what}" for name, what in COMMANDS.items())


if __name__ == "__main__":
    main()
