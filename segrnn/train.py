"""Train a segmentation network: ``python -m segrnn.train``."""

from segrnn.config.command import run_command


def main() -> None:
    """Run the command."""
    run_command("segrnn.tasks.train:train", "train", parallel=True)


if __name__ == "__main__":
    main()
