"""Get datasets and weights ready: ``python -m segrnn.prepare``, with one of the names below."""

from segrnn.config.command import run_subcommand


def main() -> None:
    """Run the command."""
    names = ("download", "extract", "check", "look", "stats", "pack", "import_kraken", "import_polygons")
    tasks = {name: f"segrnn.tasks.prepare:{name}" for name in names}
    run_subcommand("prepare", {**tasks, "paste_zones": "segrnn.tasks.zone_pasting:paste_zones"})


if __name__ == "__main__":
    main()
