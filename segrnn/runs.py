"""List all trainings below a folder: ``python -m segrnn.runs folder=...``."""

from segrnn.config.command import run_command


def main() -> None:
    """Run the command."""
    run_command("segrnn.tasks.runs:list_runs", "runs")


if __name__ == "__main__":
    main()
