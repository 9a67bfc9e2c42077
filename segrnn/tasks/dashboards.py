"""Showing the result of a command on a dashboard, if the user has chosen one."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from segrnn.config.allow_list import ALLOW_LIST
from segrnn.errors import ConfigError
from segrnn.instantiate import call, instantiate


@contextmanager
def on_dashboard(
    job: str,
    config: Mapping[str, Any],
    run_dir: Path,
    checkpoints: Sequence[str] = (),
    group: str = "",
    trains: bool = False,
) -> Iterator[dict[str, float]]:
    """Show what a command writes into its folder on the dashboard of its configuration. Without one, do nothing.

    The dashboard is checked at the start, and opened at the end. If the command fails, nothing is shown.

    Args:
        job: the command, such as ``evaluate``.
        config: the whole configuration, as primitives, with ``logger`` and ``allow``.
        run_dir: the folder with the tables, pictures and pages.
        checkpoints: the trained networks that the command uses.
        group: a name that belongs to several results.
        trains: whether the logger is also that of the command's trainings. It may then be one that shows only these.

    Yields:
        A dictionary for single figures, which the command fills.

    Raises:
        ConfigError: the logger shows trainings only, or its settings are wrong.
    """
    numbers: dict[str, float] = {}
    target = config["logger"]["_target_"]
    if target is None:
        yield numbers
        return
    from segrnn.training.dashboard import Dashboard, Result  # imports Lightning, which takes seconds

    make = instantiate(config["logger"], "logger", (*ALLOW_LIST, *config["allow"]))
    dashboard = call(make, "logger", save_dir=str(run_dir))
    if not isinstance(dashboard, Dashboard) and not trains:
        raise ConfigError(f"logger: {target} shows trainings only; {job} can use logger=wandb")
    yield numbers
    if isinstance(dashboard, Dashboard):
        name = f"{job} {run_dir.name}"
        dashboard.show_result(Result(job, name, run_dir, config, numbers, checkpoints, group))
