"""Write a network for other programs: ``python -m segrnn.export ckpt=... format=... output=...``."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from rich.progress import track
from torch import Tensor

from segrnn.atomic import new_folder
from segrnn.config.data import build_scored
from segrnn.config.schema import Export
from segrnn.errors import ConfigError, OutputError
from segrnn.export import (
    Exported,
    OnnxModel,
    describe,
    export_onnx,
    export_torch,
    label,
    load_onnx,
    quantize_int8,
    write_space,
)
from segrnn.export.site import MODELS
from segrnn.images.bands import ImageArray
from segrnn.inference import ModelInfo, Predictor, load_average, load_trained, locate
from segrnn.inference.temperature import divide_logits, learn_temperature
from segrnn.metrics import ConfusionMatrix, Scores
from segrnn.tasks.making_site import load_named, make_site, read_examples
from segrnn.text import nearest, tell

_SUFFIXES = {"bundle": "", "onnx": ".onnx", "torch_export": ".pt2", "web": "", "space": ""}
_PAGES = ("web", "space")
_FILE_ONLY = {"size": None, "normalize": True, "argmax": False}
"""The settings of ONNX and torch.export files, and their values for pages, which rely on them."""


def export(config: Export, run_dir: Path) -> list[Path]:
    """Write a bundle, an ONNX file with a bundle beside it, a file of torch.export, a site for browsers, or a Space.

    Args:
        config: the configuration of ``conf/export.yaml``.
        run_dir: the run's folder. Nothing is written there.

    Returns:
        The files and folders that were written.

    Raises:
        SegrnnError: the checkpoint or the configuration is at fault, the network can't be exported in this format, or
            the exported file computes something else.
    """
    output, name = Path(config.output), config.format
    if name not in _SUFFIXES:
        raise ConfigError(f"format={name} must be one of {', '.join(_SUFFIXES)}{nearest(name, _SUFFIXES)}")
    if _SUFFIXES[name] and output.suffix != _SUFFIXES[name]:
        raise ConfigError(f"output={output}: format={name} needs a file name that ends in {_SUFFIXES[name]}")
    if config.int8 and name not in ("onnx", "web"):
        raise ConfigError(f"int8=true works with format=onnx and format=web only, not with {name}")
    if config.compare and name != "web":
        raise ConfigError(f"compare={config.compare} works with format=web only, not with {name}")
    for key, value in _FILE_ONLY.items():
        if name in _PAGES and getattr(config, key) != value:
            raise ConfigError(f"{key}={getattr(config, key)} does not work with format={name}: leave it out")
    outputs = {_SUFFIXES[name][1:] or name: output}
    if name == "onnx":
        outputs["bundle"] = output.with_suffix("")
    if config.int8 and name == "onnx":
        outputs["int8 ONNX"] = output.with_suffix(".int8.onnx")
    for path in outputs.values():
        if path.exists():
            raise OutputError(f"{path} exists already and would be overwritten: remove it, or choose another output")
    predictor = _load(config)
    if config.calibrate:
        predictor = _calibrate(predictor, config)
    if name == "bundle":
        predictor.save(output)
    elif name == "web":
        _write_site(predictor, output, config)
    elif name == "space":
        with new_folder(output) as draft:
            difference = write_space(predictor, draft, read_examples(predictor, config.examples))
        _say_difference("largest difference of logits", difference)
        tell(f"pip install -r {output}/requirements.txt and python {output}/app.py show the page")
    else:
        _export(predictor, output, config)
    for what, path in outputs.items():
        tell(f"{what:24}{path}")
    return list(outputs.values())


def _load(config: Export) -> Predictor:
    """Load the network to export, or the mean of several networks."""
    if config.ckpt:
        return Predictor(*load_trained(locate(config.ckpt), config.allow))
    tell(f"the weights of {len(config.average)} networks are averaged")
    return Predictor(*load_average([locate(source) for source in config.average], config.allow))


def _calibrate(predictor: Predictor, config: Export) -> Predictor:
    """Learn a temperature, and put it into the network's last layer."""
    split, data = build_scored(config.data, predictor.info, config.allow)
    dataset = split.first(config.max_images)
    samples = track((dataset[index] for index in range(len(dataset))), description="calibrate", total=len(dataset))
    found = learn_temperature(predictor, samples)
    segmenter, info = predictor.segmenter, predictor.info
    divide_logits(segmenter, found.value)
    where = f"expected calibration error on {data.split}"
    tell(
        f"temperature {found.value:.3f}, learnt on {found.pixels} pixels of {len(dataset)} images of {data.split}: the "
        f"expected calibration error falls from {100 * found.before:.2f} to {100 * found.after:.2f} %"
    )
    scores = {**info.scores, where: found.after}
    provenance = {**info.provenance, "temperature": found.value}
    return Predictor(segmenter, replace(info, scores=scores, provenance=provenance))


def _export(predictor: Predictor, output: Path, config: Export) -> None:
    info = predictor.info
    preprocessing = info.preprocessing
    exported = Exported(
        predictor.segmenter, preprocessing if config.normalize else None, config.argmax, preprocessing.channels
    )
    metadata = describe(info.labels, preprocessing)
    size = (config.size[0], config.size[1]) if config.size else None
    write = export_onnx if config.format == "onnx" else export_torch
    difference = write(exported, output, size, metadata)
    what = "share of pixels that differ" if config.argmax else "largest difference of logits"
    _say_difference(what, difference)
    if config.format == "onnx":
        predictor.save(output.with_suffix(""))
    if config.int8:
        small = output.with_suffix(".int8.onnx")
        quantize_int8(output, small)
        files = {_sized(path): partial(label, OnnxModel(path), preprocessing) for path in (output, small)}
        _compare(predictor.info, files, config)


def _write_site(predictor: Predictor, output: Path, config: Export) -> None:
    networks = [(config.ckpt or "average", predictor)]
    if config.compare:
        networks += load_named([config.compare], config.allow)
    with new_folder(output) as draft:
        difference = make_site(networks, draft, config.examples, config.onnxruntime_web, config.int8)
    _say_difference("largest difference of logits", difference)
    if config.int8:
        for (source, network), model in zip(networks, MODELS, strict=False):
            small = Predictor(*load_onnx(output / model))
            _compare(network.info, {source: network.mask, _sized(output / model): small.mask}, config)
    tell(f"python -m http.server -d {output} serves the page at http://localhost:8000")


def _sized(path: Path) -> str:
    return f"{path}: {path.stat().st_size / 2**20:.1f} MiB"


def _say_difference(what: str, difference: float) -> None:
    tell(f"the file was compared with the network on two inputs: {what} {difference:.1e}")


def _compare(info: ModelInfo, labellers: Mapping[str, Callable[[ImageArray], Tensor]], config: Export) -> None:
    """Print the mIoU of a network and of its 8-bit file on the data, by their names, and how they differ.

    The functions label images ``(H, W, C)`` with train ids ``(H, W)``.
    """
    split, data = build_scored(config.data, info, config.allow)
    dataset = split.first(config.max_images)
    counted = [ConfusionMatrix(info.labels.num_classes) for _ in labellers]
    changed = pixels = 0
    for index in track(range(len(dataset)), description="mIoU of both"):
        sample = dataset[index]
        masks = [labeller(sample.image) for labeller in labellers.values()]
        for mask, confusion in zip(masks, counted, strict=True):
            confusion.update(mask, torch.from_numpy(sample.mask))
        changed += int((masks[0] != masks[1]).sum())
        pixels += masks[0].numel()
    mious = [Scores(each.counts.numpy(), info.labels.class_names).miou for each in counted]
    for name, miou in zip(labellers, mious, strict=True):
        tell(f"{name}, mIoU {100 * miou:.2f} % on {len(dataset)} images of {data.split}")
    share = 100 * changed / pixels
    tell(
        f"8-bit weights cost {100 * (mious[0] - mious[1]):.2f} points, and change the class of {share:.2f} % of pixels"
    )
