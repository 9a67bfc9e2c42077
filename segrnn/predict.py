"""Write masks: ``python -m segrnn.predict ckpt=... input=... output=...``."""

from segrnn.config.command import run_command


def main() -> None:
    """Run the command."""
    run_command("segrnn.tasks.predict:predict", "predict", parallel=True)


if __name__ == "__main__":
    main()
