"""Several processes that run a command together, as torchrun starts them, without importing everything in each one."""

import os
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path
from socket import socket


def run_together(
    processes: int, command: str, overrides: Sequence[str], log: Path, launched: bool = True
) -> tuple[list[int | None], str]:
    """Run a command in forked processes; their exit codes, and what all have printed.

    Several processes have the variables of torchrun, unless they are not launched together.
    """
    with socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log.unlink(missing_ok=True)
    children = [
        get_context("fork").Process(
            target=_child, args=(rank, processes if launched else 1, port, command, overrides, log)
        )
        for rank in range(processes)
    ]
    for child in children:
        child.start()
    for child in children:
        child.join(240)
    return [child.exitcode for child in children], log.read_text()


def _child(rank: int, size: int, port: int, command: str, overrides: Sequence[str], log: Path) -> None:
    with log.open("a", buffering=1) as file:
        sys.stdout = sys.stderr = file
        if size > 1:
            shared = {"TORCHELASTIC_RUN_ID": "x", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
            of_all = {"WORLD_SIZE": str(size), "LOCAL_WORLD_SIZE": str(size)}
            os.environ |= shared | of_all | {"RANK": str(rank), "LOCAL_RANK": str(rank)}
        os.environ.pop("HYDRA_FULL_ERROR", None)
        sys.argv = [f"segrnn.{command}", *overrides]
        try:
            import_module(f"segrnn.{command}").main()
        except SystemExit:
            raise
        except BaseException:
            traceback.print_exc(file=file)
            raise
