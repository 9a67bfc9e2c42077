"""Open a page that labels pictures in the browser: ``python -m segrnn.demo ckpt=...``."""

from segrnn.config.command import run_command


def main() -> None:
    """Run the command."""
    run_command("segrnn.tasks.demo:demo", "demo")


if __name__ == "__main__":
    main()
