"""Compare runs on one page: ``python -m segrnn.report runs=[...] output=...``."""

from segrnn.config.command import run_command


def main() -> None:
    """Run the command."""
    run_command("segrnn.tasks.report:report", "report")


if __name__ == "__main__":
    main()
