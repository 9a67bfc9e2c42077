"""Show one run, or compare several, on one page: ``python -m segrnn.report``."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from segrnn.config.differences import varying
from segrnn.config.schema import Report
from segrnn.curves import Curves
from segrnn.errors import ConfigError, DataError, OutputError
from segrnn.reports import Compared, read_examples, write_comparison
from segrnn.run_folder import RunFolder, is_run, read_run
from segrnn.tasks.runs import write_duration, write_network, write_steps, write_time
from segrnn.text import counted, printable, shorten, tell

_MOST = 8
"""The most runs of a page. A reader can't tell more colours apart."""

_SCORES = {"mIoU": "miou", "mean accuracy": "mean_accuracy", "pixel accuracy": "pixel_accuracy"}
"""The names of scores in the page and in files."""

_OF_A_START = ("run_id", "ckpt", "allow", "logger.", "context._partial_")
"""The beginnings of settings that say how a run was started, not what it did."""


class _Entry(NamedTuple):
    """A run, its classes and its configuration."""

    folder: Path
    run: Compared
    colors: dict[str, str]
    config: Mapping[str, Any] | None


def report(config: Report, run_dir: Path) -> Path:
    """Write a page that shows a training or evaluation, or compares several, and return its path.

    Args:
        config: the configuration of ``conf/report.yaml``.
        run_dir: the run's folder. Nothing is written there.

    Raises:
        SegrnnError: no folders or too many are given, one is not a run, has no validation yet or has other classes,
            or the file exists already.
    """
    output = Path(config.output)
    folders = [Path(folder) for folder in config.runs]
    _check_folders(folders)
    if output.is_dir() or (output.exists() and not config.overwrite):
        fix = "choose a file" if output.is_dir() else "choose another output, or replace it with overwrite=true"
        raise OutputError(f"{output} exists already: {fix}")
    names = [folder.resolve().name for folder in folders]
    entries = [
        _read(folder, name if names.count(name) == 1 else str(folder))
        for folder, name in zip(folders, names, strict=True)
    ]
    _check_classes(entries)
    settings = _settings([entry.config for entry in entries])
    write_comparison([entry.run for entry in entries], entries[0].colors, settings, output)
    tell(f"the page of {counted(len(entries), 'run')}: {output}")
    return output


def _check_folders(folders: Sequence[Path]) -> None:
    if not folders:
        raise ConfigError("runs=[] names no run: give the folder of one, or of several to compare them")
    if len(folders) > _MOST:
        raise ConfigError(f"runs names {len(folders)} runs, and a page shows at most {_MOST}: leave some out")
    seen: dict[Path, Path] = {}
    for folder in folders:
        if (place := folder.resolve()) in seen:
            raise ConfigError(f"runs names {folder} twice: leave one of the two out, or name another run")
        seen[place] = folder


def _read(folder: Path, name: str) -> _Entry:
    if (folder / "metrics.json").exists() and not is_run(folder):
        return _read_evaluation(folder, name)
    try:
        run = read_run(folder)
    except DataError as error:
        raise DataError(f"runs={folder}: {error}. python -m segrnn.runs lists the folders of trainings") from error
    if run.curves.last("val/miou") is None:
        first = run.config.get("trainer", {}).get("validate_every_n_steps", "?")
        raise DataError(
            f"{folder} has no validation yet ({run.state} after {run.curves.steps} steps): wait for the first one, at "
            f"step {first}, or leave the run out"
        )
    return _describe_run(run, name)


def _describe_run(run: RunFolder, name: str) -> _Entry:
    record, best = run.record, run.curves.best_miou
    facts = {
        "state": run.state,
        "steps": write_steps(run),
        "network": write_network(run),
        "parameters": f"{record.parameters:,}, of which {record.context_parameters:,} in the context",
        "began": write_time(record.began),
        "took": write_duration(run.took),
        "folder": str(run.path),
    }
    scores = {title: run.curves.last(f"val/{key}") for title, key in _SCORES.items()}
    scores["best mIoU"] = best[1] if best else None
    found = run.curves.last_ious
    ious = {label: found.get(printable(label)) for label in record.classes}
    kept = read_examples(run.path)
    examples = kept.examples if kept else None
    return _Entry(run.path, Compared(name, facts, run.curves, scores, ious, examples), record.classes, run.config)


def _read_evaluation(folder: Path, name: str) -> _Entry:
    path = folder / "metrics.json"
    try:
        metrics = json.loads(path.read_text(encoding="utf-8"))
        ious = {label: _share(row["iou"]) for label, row in metrics["per_class"].items()}
        scores = {title: _share(metrics[key]) for title, key in _SCORES.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path} can't be read: the folder is damaged, or another program wrote it") from error
    kept = read_examples(folder)
    colors = {label: kept.colors.get(label, _UNKNOWN) if kept else _UNKNOWN for label in ious}
    facts = {"state": "evaluation", "folder": str(folder)}
    return _Entry(
        folder, Compared(name, facts, Curves({}), scores, ious, kept.examples if kept else None), colors, None
    )


_UNKNOWN = "#808080"
"""The colour of a class whose own colour is not known."""


def _share(value: Any) -> float | None:
    return None if value is None else float(value)


def _check_classes(entries: Sequence[_Entry]) -> None:
    """Refuse runs on other classes than the first one: their scores and masks can't be compared."""
    first = entries[0]
    for entry in entries[1:]:
        if list(entry.colors) == list(first.colors):
            continue
        parts = []
        for one, other in ((first, entry), (entry, first)):
            if only := [name for name in one.colors if name not in other.colors]:
                parts.append(f"only {one.folder} has {shorten(', '.join(only), _LISTED)}")
        raise DataError(
            f"{entry.folder} has other classes than {first.folder}: {'; '.join(parts) or 'their order differs'}. "
            "Compare runs on the same classes"
        )


_LISTED = 200
"""The most characters of a list of classes in a message."""


def _settings(configs: Sequence[Mapping[str, Any] | None]) -> dict[str, list[Any]]:
    """Return the settings in which trainings differ. Evaluations have no value."""
    rows = varying([config for config in configs if config is not None])
    free = {key: values for key, values in rows.items() if not key.startswith(_OF_A_START)}
    trained = [index for index, config in enumerate(configs) if config is not None]
    return {
        key: [values[trained.index(index)] if index in trained else "" for index in range(len(configs))]
        for key, values in free.items()
    }
