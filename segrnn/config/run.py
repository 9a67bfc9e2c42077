"""The name of a run: the same in all its processes, and again when a scheduler starts it anew."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import PurePath

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode

from segrnn.errors import ConfigError
from segrnn.processes import place, world_size

_VARIABLE = "SEGRNN_RUN_ID"


@contextmanager
def named_run() -> Iterator[None]:
    """Give the environment a SEGRNN_RUN_ID, which configurations refer to, if it has none.

    It is the number of a job of SLURM, which stays when the job is queued anew; else the time, on which the processes
    of torchrun agree, also after it has restarted them. Processes that this one starts find it.
    """
    given = _VARIABLE in os.environ
    if not given:
        os.environ[_VARIABLE] = _slurm_job() or _agreed(f"{datetime.now():%Y-%m-%d_%H-%M-%S_%f}")
    try:
        yield
    finally:
        if not given:
            del os.environ[_VARIABLE]


def find_misplaced(arguments: Sequence[str]) -> str:
    """Say which name of a run or a study leads out of the folder of runs; empty if none does.

    It is asked before Hydra sees the command line, as Hydra makes the run's folder at once.

    Args:
        arguments: of the command line.

    Example:
        >>> find_misplaced(["run_id=../elsewhere"])
        'run_id=../elsewhere must be the name of a folder below that of all runs: hydra.run.dir= takes any folder'
        >>> find_misplaced(["run_id=first", "study.name=lr/wide"])
        ''
    """
    for argument in arguments:
        key, equals, value = argument.partition("=")
        if equals and key.lstrip("+") in ("run_id", "study.name"):
            path = PurePath(value.strip("'\""))
            if not path.name or path.anchor or ".." in path.parts:
                return (
                    f"{argument} must be the name of a folder below that of all runs: hydra.run.dir= takes any folder"
                )
    return ""


def _slurm_job() -> str | None:
    if "SLURM_JOB_ID" not in os.environ:
        return None
    # several runs can share an interactive job, each in a step of its own; the elements of an array share a number
    parts = ("SLURM_ARRAY_JOB_ID", "SLURM_ARRAY_TASK_ID") if "SLURM_ARRAY_JOB_ID" in os.environ else ("SLURM_JOB_ID",)
    return "_".join(["slurm", *(os.environ[part] for part in parts), os.environ.get("SLURM_STEP_ID", "batch")])


def _agreed(proposal: str) -> str:
    """What the first process of torchrun proposes; what this one does where there is no torchrun."""
    if place().launcher != "torchrun":
        return proposal
    if os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True":
        return os.environ["TORCHELASTIC_RUN_ID"]
    from torch.distributed import TCPStore  # type: ignore[attr-defined]  # documented, but not in torch's own list

    address, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    store = TCPStore(address, port, is_master=False, timeout=timedelta(minutes=2))
    if place().rank == 0:
        return store.compare_set("segrnn/run_id", "", proposal).decode()  # an earlier start may have said it
    return store.get("segrnn/run_id").decode()


def check_sweep(devices: int, num_nodes: int) -> None:
    """Refuse a sweep whose runs, one after the other in this process, would have several processes each.

    A process that Lightning or torchrun starts is given the whole command line, and would run the whole sweep.

    Raises:
        ConfigError: it is such a sweep.
    """
    if not HydraConfig.initialized() or HydraConfig.get().mode != RunMode.MULTIRUN:
        return
    here = str(HydraConfig.get().launcher["_target_"]).endswith("BasicLauncher")
    if here and (devices != 1 or num_nodes != 1 or world_size() > 1):
        raise ConfigError(
            "-m runs one process after the other, and these runs have several each. Start each by its own command, "
            "or as a job: -m hydra/launcher=segrnn_slurm (pip install segrnn[slurm])"
        )


def check_launcher(devices: int, num_nodes: int) -> None:
    """Refuse a run whose configuration wants other processes than a launcher has started already.

    Raises:
        ConfigError: it is such a run, or the launcher is one that training does not follow.
    """
    here = place()
    if here.launcher == "mpirun":
        raise ConfigError(
            f"mpirun has started {here.size} processes, and training follows torchrun and srun: start it by "
            f"torchrun --nproc-per-node {here.size} -m segrnn.train trainer=ddp, or by srun"
        )
    if here.launcher not in ("torchrun", "srun") or (_is_batch_script() and devices == num_nodes == 1):
        return
    if here.local_size is None:
        raise ConfigError(
            f"srun has started {here.size} processes and does not say how many there are on each machine: "
            "name them by --ntasks-per-node, in place of --ntasks"
        )
    if here.local_size != devices or here.size != devices * num_nodes:
        raise ConfigError(
            f"{here.launcher} started {here.local_size} processes here and {here.size} in all, but trainer.devices="
            f"{devices} and trainer.num_nodes={num_nodes}: leave both out with trainer=ddp, ddp_cpu or fsdp, which "
            f"follow {here.launcher}; or have one process started"
        )


def _is_batch_script() -> bool:
    """Tell whether this process runs in a script of sbatch itself, without srun: its other tasks were never started."""
    return place().launcher == "srun" and place().rank == 0 and "SLURM_STEP_ID" not in os.environ
