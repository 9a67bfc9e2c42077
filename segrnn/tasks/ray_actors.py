"""Work on many items by the processes of a Ray cluster."""

import logging
import os
import pickle
import signal
import socket
from array import array
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar, cast

from segrnn.errors import ConfigError, SegrnnError
from segrnn.processes import cores
from segrnn.tasks.bulk import Earlier
from segrnn.text import counted, tell

try:
    import ray
    from ray.data import ActorPoolStrategy, DataContext
except ImportError as error:
    raise ConfigError('engine=ray needs Ray, which is not installed: pip install "segrnn[ray]"') from error

Item = TypeVar("Item")
Result = TypeVar("Result")

_PER_BLOCK = 16
"""The number of items that Ray gives to a process at a time. Their results come back together."""

_STORE = 256 * 2**20
"""The bytes of the memory that the processes of this machine share. It holds items and results, and no pixels."""

_PATIENCE = 20
"""Seconds to wait for the answer of a cluster."""


class RayActors:
    """Processes of a Ray cluster that share some work.

    Ray Data hands out the items, keeps few results in memory, and starts a process again if it has died. The cluster is
    the one that ``RAY_ADDRESS`` names. Without this variable, one is started on this machine and ended afterwards.

    Args:
        actors: the number of processes. None takes one for each GPU of the cluster or, without GPUs, for each core.

    Raises:
        ValueError: the number is below 1.
    """

    def __init__(self, actors: int | None = None) -> None:
        if actors is not None and actors < 1:
            raise ValueError(f"actors must be at least 1, got {actors}")
        self._actors = actors

    def map(
        self, make: Callable[[], Callable[[Item, Earlier], Result]], items: Sequence[Item], on_gpus: bool
    ) -> Generator[Result, None, None]:
        """Do the work for each item, and yield the results as they come. If a process dies, its items are done again.

        Args:
            make: makes what does the work. Each process calls it once. It is sent to other machines by pickle, as are
                items and results. The work also gets what has happened to the item before.
            items: the items.
            on_gpus: whether each process gets a GPU of its own, if the cluster has some.

        Raises:
            ConfigError: there is no cluster at the address, or it is too small.
            SegrnnError: `make` or the work has raised it, or Ray has given up.
        """
        if not items:
            return
        with _cluster(self._actors):
            size, gpus = self._find_size(on_gpus)
            tell(f"Ray starts {counted(size, 'actor')}, each with a {'GPU' if gpus else 'core'} of its own")
            context = DataContext.get_current()
            context.enable_progress_bars = False  # the command has its own
            context.print_on_execution_start = False
            rows = [{"item": pickle.dumps(item), "number": number} for number, item in enumerate(items)]
            work = ray.data.from_items(rows, override_num_blocks=-(-len(rows) // _PER_BLOCK)).map(
                cast(Any, _Actor),  # Ray's annotation forgets classes
                fn_constructor_args=(make, cast(Any, _Ledger).remote(len(items))),
                compute=ActorPoolStrategy(size=size),
                num_cpus=1,
                num_gpus=gpus,
            )
            try:
                for row in work.iter_rows():
                    result = pickle.loads(row["result"])
                    if isinstance(result, SegrnnError):
                        raise result
                    yield result
            except ray.exceptions.RayError as error:
                reason = str(error).strip().splitlines()[-1]
                raise SegrnnError(f"Ray has given up: {reason}. What is done is kept: start again to go on") from error

    def _find_size(self, on_gpus: bool) -> tuple[int, int]:
        """Return the number of processes, and of GPUs for each of them."""
        resources = ray.cluster_resources()
        kind = "GPU" if on_gpus and resources.get("GPU") else "CPU"
        most = int(resources.get(kind, 0))
        if not 1 <= (size := self._actors or most) <= most:
            raise ConfigError(
                f"engine.actors={size} must be at most the {kind}s of the cluster, which are {most}: choose fewer, or "
                "add machines to the cluster"
            )
        return size, int(kind == "GPU")


class _Actor:
    """Does the work in a process of Ray. Errors that a user can mend are results, as Ray would put tracebacks around.

    Args:
        make: makes what does the work.
        ledger: counts who has begun and ended an item.
    """

    def __init__(self, make: Callable[[], Callable[[Any, Earlier], Any]], ledger: Any) -> None:
        self._ledger = ledger
        self._fault: SegrnnError | None = None
        try:
            self._work = make()
        except SegrnnError as error:
            self._fault = error

    def __call__(self, row: dict[str, Any]) -> dict[str, bytes]:
        return {"result": pickle.dumps(self._fault or self._try(pickle.loads(row["item"]), int(row["number"])))}

    def _try(self, item: Any, number: int) -> Any:
        earlier = ray.get(self._ledger.begin.remote(number))
        try:
            return self._work(item, earlier)
        except SegrnnError as error:
            return error
        finally:
            self._ledger.end.remote(number)


@ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=-1)
class _Ledger:
    """Counts for each item how many processes have begun and ended it. It is a process of its own.

    Args:
        count: the number of items.
    """

    def __init__(self, count: int) -> None:
        self._begun, self._ended = array("I", bytes(4 * count)), array("I", bytes(4 * count))

    def begin(self, number: int) -> Earlier:
        """Return what has happened to an item before, and note that a process begins it."""
        starts = self._begun[number]
        self._begun[number] += 1
        return Earlier(starts, starts - self._ended[number])

    def end(self, number: int) -> None:
        """Note that a process has the result of an item."""
        self._ended[number] += 1


@contextmanager
def _cluster(actors: int | None) -> Iterator[None]:
    """Connect to the cluster of the environment, or start one on this machine.

    Raises:
        ConfigError: there is no cluster at the address, or it has another version of Ray.
        SegrnnError: no cluster can be started.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # otherwise Ray tells its makers of each cluster
    # Ray's core calls it an error that processes which may start again have arguments. They stay where this process is.
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    logging.getLogger("ray.data._internal.progress").setLevel(logging.ERROR)  # it warns that its bars are off
    logging.getLogger("ray.data._internal.execution.streaming_executor").setLevel(logging.WARNING)  # it tells the time
    address, handler = os.environ.get("RAY_ADDRESS"), signal.getsignal(signal.SIGTERM)
    try:
        if address:
            _try_port(address)
            ray.init(address, log_to_driver=False, logging_level=logging.WARNING)
        else:
            ray.init(
                "local",  # not any cluster that happens to run here
                num_cpus=max(cores(), actors or 1),
                object_store_memory=_STORE,
                include_dashboard=False,
                log_to_driver=False,
                logging_level=logging.WARNING,
            )
    except (OSError, RuntimeError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        if address is None:
            raise SegrnnError(f"no cluster of Ray can be started on this machine: {reason}") from error
        raise ConfigError(
            f"RAY_ADDRESS={address}: no cluster of Ray can be used there: {reason}. Start one by ray start --head with "
            f"Ray {ray.__version__}, correct the address, set RAY_AUTH_MODE=token if the cluster asks for a token, or "
            "unset RAY_ADDRESS to use this machine alone"
        ) from error
    finally:
        signal.signal(signal.SIGTERM, handler)  # Ray sets one that ends the command without its last words
    try:
        yield
    finally:
        ray.shutdown()


def _try_port(address: str) -> None:
    """Connect to a cluster's port and hang up. Without this, Ray would repeat warnings for minutes before it gives up.

    Raises:
        OSError: nothing answers there.
    """
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if port.isdigit():  # Ray finds other addresses by itself
        socket.create_connection((host, int(port)), timeout=_PATIENCE).close()
