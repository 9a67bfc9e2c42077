"""Claims of folders: a folder has one writing process at a time, and a file in the folder names it."""

import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import SoftFileLease, Timeout

from segrnn.errors import OutputError

FILE = "run.lock"
"""The name of the file that names the writer. It is removed when the writer ends."""

_BEAT = 5.0
"""Seconds between two signs of life. A sign of life sets the file's time of modification."""

_LEASE = 120.0
"""Seconds without a sign of life after which a writer on another machine counts as gone.

A disk that machines share may show a sign of life a minute late.
"""


@contextmanager
def claimed(folder: Path, say: Callable[[str], None]) -> Iterator[None]:
    """Keep all other processes from writing into a folder.

    The file is made in one step, and only one process can succeed. This works on most network disks too. The file names
    the process and the machine. If the process has ended, its claim is taken over: at once on the same machine, after
    two minutes on another machine.

    Args:
        folder: the folder to claim. It is made if it is missing.
        say: called with a message when this process waits for the claim of an earlier process, or takes it over.

    Raises:
        OutputError: another process writes there, or the file can't be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lease = SoftFileLease(folder / FILE, lease_duration=_LEASE, heartbeat_interval=_BEAT, thread_local=False)
        _acquire(lease, folder, say)
    except OSError as error:
        raise OutputError(f"{folder} can't be written: {error}") from error
    try:
        yield
    finally:
        lease.release()


def is_claimed(folder: Path) -> bool:
    """Tell whether a process is writing into a folder, as far as its signs of life tell.

    A process counts as gone if it gave no sign of life for two minutes, or if it ran on this machine, is not there any
    more and gave no sign for some seconds.
    """
    beat = _time_of(folder / FILE)
    if beat is None:
        return False
    silent = time.time() - beat
    owner = SoftFileLease(folder / FILE, lease_duration=_LEASE, heartbeat_interval=_BEAT, thread_local=False).owner
    # a container may have the name of this machine, and other processes, so fresh signs count more
    here = silent > 3 * _BEAT and owner is not None and owner.hostname == socket.gethostname()
    return silent < _LEASE and not (here and owner is not None and not _runs(owner.pid))


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)  # sends nothing
    except ProcessLookupError:
        return False
    except PermissionError:  # it is somebody else's
        return True
    return True


def _acquire(lease: SoftFileLease, folder: Path, say: Callable[[str], None]) -> None:
    """Acquire the lease as soon as its holder is known to be gone. Give up as soon as the holder is known to run."""
    start = time.monotonic()
    first: tuple[str | None, float] | None = None
    told = False
    while True:
        owner, beat = lease.owner, _time_of(folder / FILE)
        holder = f"process {owner.pid} on {owner.hostname}" if owner else "an unknown process"
        try:
            lease.acquire(timeout=0)
        except Timeout:
            pass
        else:
            if beat is not None:
                say(f"{folder}: {holder} has ended without removing its claim; this process takes the folder over")
            return
        if beat is None:
            continue  # another process was faster, or the holder has just ended
        seen = (owner.token if owner else None, beat)
        first, waited = first or seen, time.monotonic() - start
        if seen != first or waited > _LEASE + 2 * _BEAT:
            raise OutputError(
                f"{folder} belongs to {holder}, which wrote there at {time.strftime('%F %T', time.localtime(beat))}: "
                "wait until it ends, or choose another folder (run_id, study.name or hydra.run.dir). If that process "
                f"can't be running any more, remove {folder / FILE}"
            )
        if waited > 2 * _BEAT and not told:
            say(f"{folder} belongs to {holder}; waiting up to {_LEASE:.0f} s for a sign that it still runs")
            told = True
        time.sleep(0.2)


def _time_of(path: Path) -> float | None:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return None
