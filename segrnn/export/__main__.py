"""Write a network for other programs: ``python -m segrnn.export ckpt=... format=... output=...``."""

from segrnn.config.command import run_command


def main() -> None:
    """Run the command."""
    run_command("segrnn.tasks.export:export", "export")


if __name__ == "__main__":
    main()
