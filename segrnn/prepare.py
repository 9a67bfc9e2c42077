"""Get datasets ready: ``python -m segrnn.prepare download``, ``extract``, ``check``, ``stats``, ``pack``."""

from segrnn.config.command import run_subcommand


def main() -> None:
    """Run the command."""
    names = ("download", "extract", "check", "stats", "pack")
    run_subcommand("prepare", {name: f"segrnn.tasks.prepare:{name}" for name in names})


if __name__ == "__main__":
    main()
