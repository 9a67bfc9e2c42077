"""The name of a run. It is the same in all processes, and stays the same when a scheduler starts the run again."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import PurePath

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode

from segrnn.errors import ConfigError
from segrnn.processes import is_batch_script, place, world_size

_VARIABLE = "SEGRNN_RUN_ID"
_STARTED = "SEGRNN_STARTED"


@contextmanager
def named_run() -> Iterator[None]:
    """Set SEGRNN_RUN_ID in the environment if it is missing, and SEGRNN_STARTED. Configurations refer to them.

    SEGRNN_STARTED is another one for each start of a command, and the same in all of its processes. SEGRNN_RUN_ID stays
    the same when a run is started again.

    In a job of SLURM, SEGRNN_RUN_ID is the job's number, which stays the same when the job is queued again. Otherwise
    it is the time. The processes of torchrun agree on one time, also after a restart. Processes that this one starts
    inherit it.
    """
    given = _VARIABLE in os.environ
    job, time = _slurm_job(), f"{datetime.now():%Y-%m-%d_%H-%M-%S_%f}"
    started = job if job and place().launcher == "srun" else _agreed(time)
    os.environ[_STARTED] = started
    if not given:
        os.environ[_VARIABLE] = job or started
    try:
        yield
    finally:
        os.environ.pop(_STARTED, None)
        if not given:
            del os.environ[_VARIABLE]


def find_misplaced(arguments: Sequence[str]) -> str:
    """Return a message if a name of a run or a study leads out of the folder of runs, or an empty text.

    This must be called before Hydra sees the command line, because Hydra makes the run's folder at once.

    Args:
        arguments: the arguments of the command line.

    Example:
        >>> find_misplaced(["run_id=../elsewhere"])
        'run_id=../elsewhere must name a folder below the folder of all runs; hydra.run.dir= takes any other folder'
        >>> find_misplaced(["run_id=first", "study.name=lr/wide"])
        ''
    """
    for argument in arguments:
        key, equals, value = argument.partition("=")
        if equals and key.lstrip("+") in ("run_id", "study.name"):
            path = PurePath(value.strip("'\""))
            if not path.name or path.anchor or ".." in path.parts:
                return (
                    f"{argument} must name a folder below the folder of all runs; hydra.run.dir= takes any other folder"
                )
    return ""


def _slurm_job() -> str | None:
    if "SLURM_JOB_ID" not in os.environ:
        return None
    # several runs can share an interactive job, each in its own step; the jobs of an array share the array's number
    parts = ("SLURM_ARRAY_JOB_ID", "SLURM_ARRAY_TASK_ID") if "SLURM_ARRAY_JOB_ID" in os.environ else ("SLURM_JOB_ID",)
    return "_".join(["slurm", *(os.environ[part] for part in parts), os.environ.get("SLURM_STEP_ID", "batch")])


def _agreed(proposal: str) -> str:
    """Return the proposal of torchrun's first process. Without torchrun, return this process's own proposal."""
    if place().launcher != "torchrun":
        return proposal
    if os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True":
        return os.environ["TORCHELASTIC_RUN_ID"]
    from torch.distributed import TCPStore  # type: ignore[attr-defined]  # documented, but not in torch's own list

    address, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    store = TCPStore(address, port, is_master=False, timeout=timedelta(minutes=2))
    if place().rank == 0:
        return store.compare_set("segrnn/run_id", "", proposal).decode()  # an earlier start may have set it
    return store.get("segrnn/run_id").decode()


def check_sweep(devices: int, num_nodes: int) -> None:
    """Refuse a sweep in this process if each of its runs needs several processes.

    Lightning and torchrun start each process with the whole command line, so each one would run the whole sweep.

    Raises:
        ConfigError: the sweep runs in this process, and its runs need several.
    """
    if not HydraConfig.initialized() or HydraConfig.get().mode != RunMode.MULTIRUN:
        return
    here = str(HydraConfig.get().launcher["_target_"]).endswith("BasicLauncher")
    if here and (devices != 1 or num_nodes != 1 or world_size() > 1):
        raise ConfigError(
            "-m starts one process after the other, and each of these runs needs several processes. Start each run by "
            "its own command, or as a job: -m hydra/launcher=segrnn_slurm (pip install segrnn[slurm])"
        )


def check_launcher(devices: int, num_nodes: int) -> None:
    """Refuse a run if a launcher has started other processes than the configuration asks for.

    Raises:
        ConfigError: the numbers of processes differ, or training does not support the launcher.
    """
    here = place()
    if here.launcher == "mpirun":
        raise ConfigError(
            f"mpirun has started {here.size} processes, but training supports only torchrun and srun: start it by "
            f"torchrun --nproc-per-node {here.size} -m segrnn.train trainer=ddp, or by srun"
        )
    if here.launcher not in ("torchrun", "srun") or (is_batch_script() and devices == num_nodes == 1):
        return
    if here.local_size is None:
        raise ConfigError(
            f"srun has started {here.size} processes and does not say how many run on each machine: give srun "
            "--ntasks-per-node instead of --ntasks"
        )
    if here.local_size != devices or here.size != devices * num_nodes:
        raise ConfigError(
            f"{here.launcher} started {here.local_size} processes here and {here.size} in all, but trainer.devices="
            f"{devices} and trainer.num_nodes={num_nodes}: leave both out with trainer=ddp, ddp_cpu or fsdp, which "
            f"follow {here.launcher}; or let {here.launcher} start one process"
        )
