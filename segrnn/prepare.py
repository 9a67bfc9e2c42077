"""Get datasets and weights ready: ``python -m segrnn.prepare``, with one of the names below."""

from segrnn.config.command import run_subcommand


def main() -> None:
    """Run the command."""
    names = ("download", "extract", "check", "look", "stats", "pack", "import_kraken", "import_polygons")
    run_subcommand("prepare", {name: f"segrnn.tasks.prepare:{name}" for name in names})


if __name__ == "__main__":
    main()
