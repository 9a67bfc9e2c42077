"""Measure contexts or inference: ``python -m segrnn.benchmark contexts`` or ``... inference``."""

from segrnn.config.command import run_subcommand


def main() -> None:
    """Run the command."""
    names = ("contexts", "inference")
    run_subcommand("benchmark", {name: f"segrnn.tasks.benchmark:{name}" for name in names})


if __name__ == "__main__":
    main()
