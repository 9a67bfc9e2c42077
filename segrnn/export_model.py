"""Write a network for other programs: ``python -m segrnn.export_model ckpt=... format=... output=...``."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

from segrnn.config.command import run_command
from segrnn.text import nearest, tell

if TYPE_CHECKING:
    from segrnn.models import Segmenter

_SUFFIXES = {"bundle": "", "onnx": ".onnx", "torch_export": ".pt2"}


def export_model(cfg: DictConfig) -> list[Path]:
    """Write a bundle, an ONNX file with a bundle beside it, or a file of torch.export.

    Args:
        cfg: composed from ``conf/export_model.yaml``.

    Returns:
        What was written.

    Raises:
        SegrnnError: the checkpoint or the configuration is at fault, the network can't be exported so, or the exported
            file computes something else.
    """
    from segrnn.config.model import load_trained
    from segrnn.config.schema import ExportModel, check
    from segrnn.errors import ConfigError, OutputError

    config = check(cfg, ExportModel)
    output, name = Path(config["output"]), config["format"]
    if name not in _SUFFIXES:
        raise ConfigError(f"format={name} must be one of {', '.join(_SUFFIXES)}{nearest(name, _SUFFIXES)}")
    if output.suffix != _SUFFIXES[name] and name != "bundle":
        raise ConfigError(f"output={output}: for format={name}, a file that ends in {_SUFFIXES[name]} is wanted")
    if config["int8"] and name != "onnx":
        raise ConfigError(f"int8=true is for format=onnx, not for {name}")
    outputs = {_SUFFIXES[name][1:] or name: output}
    if name == "onnx":
        outputs["bundle"] = output.with_suffix("")
    if config["int8"]:
        outputs["int8 ONNX"] = output.with_suffix(".int8.onnx")
    for path in outputs.values():
        if path.exists():
            raise OutputError(f"{path} exists already and would be overwritten: remove it, or choose another output")
    model = load_trained(config["ckpt"], config["allow"])
    if name == "bundle":
        model.save(output)
    else:
        _export(model, output, config)
    for what, path in outputs.items():
        tell(f"{what:24}{path}")
    return list(outputs.values())


def _export(model: "Segmenter", output: Path, config: dict[str, Any]) -> None:
    from segrnn.export import Exported, describe, export_onnx, export_torch, quantize_int8

    info = model.info
    exported = Exported(model, info.preprocessing if config["normalize"] else None, config["argmax"])
    facts = describe(info.labels, info.preprocessing)
    size = tuple(config["size"]) if config["size"] else None
    write = export_onnx if config["format"] == "onnx" else export_torch
    difference = write(exported, output, size, facts)
    what = "share of pixels that differ" if config["argmax"] else "largest difference of logits"
    tell(f"compared with the network on two inputs: {what} {difference:.1e}")
    if config["format"] == "onnx":
        model.save(output.with_suffix(""))
    if config["int8"]:
        small = output.with_suffix(".int8.onnx")
        quantize_int8(output, small)
        _compare(model, [output, small], config)


def _compare(model: "Segmenter", paths: list[Path], config: dict[str, Any]) -> None:
    """Print the mIoU of ONNX files on the data."""
    import torch
    from rich.progress import track

    from segrnn.config.data import build_scored
    from segrnn.export import OnnxModel, label
    from segrnn.metrics import ConfusionMatrix, Scores

    split, data = build_scored(config["data"], model.info, config["allow"])
    dataset = split.first(config["max_images"])
    models = [OnnxModel(path) for path in paths]
    counted = [ConfusionMatrix(model.info.labels.num_classes) for _ in models]
    for index in track(range(len(dataset)), description="mIoU of the files"):
        sample = dataset[index]
        for file, confusion in zip(models, counted, strict=True):
            confusion.update(label(file, model.info.preprocessing, sample.image), torch.from_numpy(sample.mask))
    mious = [Scores(each.counts.numpy(), model.info.labels.class_names).miou for each in counted]
    for path, miou in zip(paths, mious, strict=True):
        size = path.stat().st_size / 2**20
        tell(f"{path}: {size:.1f} MiB, mIoU {100 * miou:.2f} % on {len(dataset)} images of {data['split']}")
    tell(f"8-bit weights cost {100 * (mious[0] - mious[1]):.2f} points")


def main() -> None:
    """The command."""
    run_command(lambda cfg, _: export_model(cfg), "export_model")


if __name__ == "__main__":
    main()
