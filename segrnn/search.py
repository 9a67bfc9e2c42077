"""Search for settings: ``python -m segrnn.search study.name=... study.space=...``."""

from segrnn.config.command import run_command


def main() -> None:
    """Run the command."""
    run_command("segrnn.tasks.search:search", "search", parallel=True)


if __name__ == "__main__":
    main()
