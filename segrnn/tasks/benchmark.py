"""Measure contexts or inference: ``python -m segrnn.benchmark contexts`` or ``... inference``."""

import tempfile
from functools import partial
from pathlib import Path

import torch
from rich.progress import Progress

from segrnn.config.contexts import build_contexts, find_contexts
from segrnn.config.describe_network import describe_network
from segrnn.config.measuring import BenchmarkContexts, BenchmarkInference
from segrnn.config.model import build_untrained
from segrnn.config.parsing import plain
from segrnn.errors import ConfigError
from segrnn.export import Exported, describe, export_onnx, quantize_int8, runtimes
from segrnn.inference import Predictor, choose_device, load_trained, locate
from segrnn.measure import Cost, Latency, effective_receptive_field, measure_costs, measure_latencies
from segrnn.models.compiling import check_compiler
from segrnn.reports import (
    describe_machine,
    draw_receptive_fields,
    print_costs,
    print_latencies,
    write_costs,
    write_latencies,
)
from segrnn.reports.latencies import Latencies
from segrnn.tasks.dashboards import on_dashboard
from segrnn.text import nearest, tell


def contexts(config: BenchmarkContexts, run_dir: Path) -> list[Cost]:
    """Measure the cost of each context for several map sizes, and the receptive field of one position of its output.

    Args:
        config: the configuration of ``conf/benchmark_contexts.yaml``.
        run_dir: the folder for ``costs.csv``, ``costs.md``, ``costs.png`` and ``receptive_fields.png``.

    Raises:
        SegrnnError: the configuration is at fault.
    """
    with on_dashboard("benchmark", plain(config), run_dir):
        return _contexts(config, run_dir)


def _contexts(config: BenchmarkContexts, run_dir: Path) -> list[Cost]:
    device = choose_device(config.device)
    _check_sizes(config.sizes)
    torch.manual_seed(config.seed)
    modules = build_contexts(config.contexts or find_contexts(), config.channels, config.hidden, config.allow)
    run_dir.mkdir(parents=True, exist_ok=True)
    title = (
        f"{config.channels} channels, batch {config.batch}, float32, {config.repeats} rounds; "
        f"{describe_machine(device)}"
    )

    for module in modules.values():
        module.to(device)
    costs: list[Cost] = []
    with Progress() as progress:
        rounds = len(modules) * (config.repeats + 1)
        bar = progress.add_task("measure", total=rounds * len(config.sizes))
        for size in config.sizes:
            x = torch.randn(config.batch, config.channels, *size, device=device)
            costs += measure_costs(modules, x, config.repeats, step=lambda: progress.advance(bar))

    height, width = config.field_size
    fields = {
        name: effective_receptive_field(module, config.channels, (height, width)) for name, module in modules.items()
    }
    print_costs(costs, title)
    write_costs(costs, title, run_dir)
    draw_receptive_fields(
        fields, f"what the centre of a {height} x {width} map sees in an untrained network", run_dir / _FIELDS
    )
    tell(f"tables and pictures: {run_dir}")
    return costs


_FIELDS = "receptive_fields.png"


def inference(config: BenchmarkInference, run_dir: Path) -> Latencies:
    """Measure how fast a network labels images on the CPU in several runtimes, and how much memory that takes.

    Args:
        config: the configuration of ``conf/benchmark_inference.yaml``.
        run_dir: the folder for ``inference.csv`` and ``inference.md``.

    Raises:
        SegrnnError: the configuration or the checkpoint is at fault, or the network can't be exported.
    """
    with on_dashboard("benchmark", plain(config), run_dir, [locate(config.ckpt)] if config.ckpt else []):
        return _inference(config, run_dir)


def _inference(config: BenchmarkInference, run_dir: Path) -> Latencies:
    allow = config.allow
    sizes = [(height, width) for height, width in _check_sizes(config.sizes)]
    torch.manual_seed(config.seed)
    latencies: dict[tuple[str, tuple[int, int]], Latency] = {}
    with tempfile.TemporaryDirectory() as folder:
        bundle, file, small = (Path(folder, name) for name in ("bundle", "model.onnx", "model.int8.onnx"))
        ways = {
            "eager": partial(runtimes.eager, bundle, allow),
            "prepared": partial(runtimes.prepared, bundle, allow),
            "compiled": partial(runtimes.compiled, bundle, allow),
            "onnx": partial(runtimes.onnx, file),
            "onnx_int8": partial(runtimes.onnx, small),
        }
        for name in config.runtimes:
            if name not in ways:
                raise ConfigError(f"runtimes: {name} must be one of {', '.join(ways)}{nearest(name, ways)}")
        if "compiled" in config.runtimes:
            check_compiler(torch.device("cpu"))
        model, info = (
            load_trained(locate(config.ckpt), allow) if config.ckpt else build_untrained(config, config.classes, allow)
        )
        Predictor(model, info).save(bundle)
        if {"onnx", "onnx_int8"} & set(config.runtimes):
            tell("exporting to ONNX")
            exported = Exported(model, info.preprocessing, argmax=True)
            export_onnx(exported, file, None, describe(info.labels, info.preprocessing))
        if "onnx_int8" in config.runtimes:
            quantize_int8(file, small)
        with Progress() as progress:
            runs = len(sizes) * len(config.runtimes) * (config.repeats + 1)
            bar = progress.add_task("measure", total=runs)
            for size in sizes:
                chosen = {name: partial(ways[name], size) for name in config.runtimes}
                found = measure_latencies(chosen, config.repeats, step=lambda: progress.advance(bar))
                latencies |= {(name, size): latency for name, latency in found.items()}
    network = ", ".join(describe_network(info.architecture).values())
    title = (
        f"{network}; {info.labels.num_classes} classes, batch 1, {config.repeats} rounds; "
        f"{describe_machine(torch.device('cpu'))}"
    )
    run_dir.mkdir(parents=True, exist_ok=True)
    print_latencies(latencies, title)
    write_latencies(latencies, title, run_dir)
    tell(f"table: {run_dir}")
    return latencies


def _check_sizes(sizes: list[list[int]]) -> list[list[int]]:
    if not sizes or any(len(size) != 2 or min(size) < 1 for size in sizes):
        raise ConfigError(f"sizes={sizes} must be a list of [height, width], each at least 1")
    return sizes
