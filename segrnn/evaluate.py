"""Score a checkpoint with ``python -m segrnn.evaluate ckpt=...``, or masks with ``masks=...``."""

from segrnn.config.command import run_command


def main() -> None:
    """Run the command."""
    run_command("segrnn.tasks.evaluate:evaluate", "evaluate", parallel=True)


if __name__ == "__main__":
    main()
