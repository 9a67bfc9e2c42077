"""The server and the local service of Weights & Biases: whether they answer, and how long a run waits for them."""

import os
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from threading import Thread

import psutil
import wandb


def find_server() -> None:
    """Check that the server answers. W&B's own client would keep trying for a minute and a half."""
    url = wandb.setup().settings.base_url
    try:
        urllib.request.urlopen(url, timeout=10).close()
    except urllib.error.HTTPError as error:
        if error.code >= 500:  # the others are an answer, too
            raise ConnectionError(f"{url}: {error}") from error
    except OSError as error:
        raise ConnectionError(f"{url}: {getattr(error, 'reason', error)}") from error


def finish_within(seconds: float, run: wandb.Run, exit_code: int) -> None:
    """Finish a W&B run. If that takes longer, end W&B's service, because W&B itself would wait for it without end."""
    outcome: Future[None] = Future()

    def finish() -> None:
        try:
            outcome.set_result(run.finish(exit_code))
        except BaseException as error:
            outcome.set_exception(error)

    Thread(target=finish, daemon=True).start()
    try:
        outcome.result(seconds)
    except TimeoutError as error:
        for process in psutil.Process().children():
            if process.name() == "wandb-core":
                process.kill()
        raise TimeoutError(f"W&B has not finished the run within {seconds:g} s") from error


@contextmanager
def no_questions() -> Iterator[None]:
    """Keep W&B from asking for a key in a terminal: the run would wait for the answer."""
    stdin = sys.stdin
    with open(os.devnull) as nobody:
        sys.stdin = nobody
        try:
            yield
        finally:
            sys.stdin = stdin
