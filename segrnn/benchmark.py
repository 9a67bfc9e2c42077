"""Measure: ``python -m segrnn.benchmark contexts``."""

from pathlib import Path
from typing import TYPE_CHECKING

from omegaconf import DictConfig

from segrnn.config.command import run_subcommand

if TYPE_CHECKING:
    from segrnn.measure import Cost


def contexts(cfg: DictConfig, run_dir: Path) -> "list[Cost]":
    """What each context costs over a ladder of map sizes, and what one position of its output sees.

    Args:
        cfg: composed from ``conf/benchmark_contexts.yaml``.
        run_dir: the folder for ``costs.csv``, ``costs.md``, ``costs.png`` and ``receptive_fields.png``.

    Raises:
        SegrnnError: the configuration is at fault.
    """
    import torch
    from rich.progress import Progress

    from segrnn.config.contexts import build_contexts
    from segrnn.config.schema import BenchmarkContexts, check
    from segrnn.errors import ConfigError
    from segrnn.inference import choose_device
    from segrnn.measure import effective_receptive_field, measure_costs
    from segrnn.reports import describe_machine, draw_receptive_fields, print_costs, write_costs

    config = check(cfg, BenchmarkContexts)
    device = choose_device(config["device"])
    if not config["sizes"] or any(len(size) != 2 or min(size) < 1 for size in config["sizes"]):
        raise ConfigError(f"sizes={config['sizes']} must be a list of [height, width], each at least 1")
    torch.manual_seed(config["seed"])
    modules = build_contexts(config["contexts"], config["channels"], config["hidden"])
    run_dir.mkdir(parents=True, exist_ok=True)
    title = (
        f"{config['channels']} channels, batch {config['batch']}, float32, {config['repeats']} rounds; "
        f"{describe_machine(device)}"
    )

    for module in modules.values():
        module.to(device)
    costs: list[Cost] = []
    with Progress() as progress:
        rounds = len(modules) * (config["repeats"] + 1)
        bar = progress.add_task("measure", total=rounds * len(config["sizes"]))
        for size in config["sizes"]:
            x = torch.randn(config["batch"], config["channels"], *size, device=device)
            costs += measure_costs(modules, x, config["repeats"], step=lambda: progress.advance(bar))

    height, width = config["field_size"]
    fields = {
        name: effective_receptive_field(module, config["channels"], (height, width)) for name, module in modules.items()
    }
    print_costs(costs, title)
    write_costs(costs, title, run_dir)
    draw_receptive_fields(fields, f"what the centre of a {height} x {width} map sees, untrained", run_dir / _FIELDS)
    print(f"tables and pictures: {run_dir}")
    return costs


_FIELDS = "receptive_fields.png"


def main() -> None:
    """The command."""
    run_subcommand("benchmark", {"contexts": contexts})


if __name__ == "__main__":
    main()
