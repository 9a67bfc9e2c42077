"""Import of the trained weights of kraken's page segmenter."""

import json
import re
from collections.abc import Collection, Iterable, Mapping
from itertools import zip_longest
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from segrnn.dataset_tools.coreml import FloatArray, Layer, read_coreml
from segrnn.errors import CheckpointError, ConfigError
from segrnn.images import Preprocessing
from segrnn.inference import ModelInfo, Predictor, digest_weights
from segrnn.labels import Label, LabelSpace
from segrnn.labels.colors import spread_color
from segrnn.models.architecture import build_segmenter

_LAYERS = (
    "Cr7,7,{a},2,2 Gn{g} Cr3,3,{b},2,2 Gn{g} Cr3,3,{b} Gn{g} Cr3,3,{c} Gn{g} Cr3,3,{c} Gn{g} "
    "Lbx{h} Lby{h} Cr1,1,{h} Gn{g} Lby{h} Lbx{h}"
)
"""The layers of `segrnn.models.BLLA` in kraken's notation."""

_MODULES = {nn.Conv2d: "convolution", nn.GroupNorm: "groupnorm", nn.LSTM: "lstm"}
"""The name in `Layer.kind` of each kind of module with weights."""

KINDS = ("aux", "baselines", "regions")
"""The kinds of kraken's classes."""

_ANOTHER = "kraken/blla.mlmodel of kraken's wheel, which fits"


class _Network(NamedTuple):
    """What kraken's text about a network says."""

    height: int
    width: int
    hidden: int
    groups: int
    outputs: int


def read_kraken(path: Path, kinds: Collection[str] = KINDS) -> Predictor:
    """Make a predictor from a trained segmentation model of kraken, e.g. ``kraken/blla.mlmodel`` in kraken's wheel.

    On the same pixels, its logits are kraken's: ``sigmoid(logits[:, 1:])`` are kraken's heatmaps. kraken finds each
    class by itself, where its sigmoid is above 0.5, so classes may overlap. A mask has one class for each pixel. The
    class ``background`` comes first, and its logit is always 0. So a pixel is background where no sigmoid is above 0.5.
    Elsewhere, it has the class with the largest sigmoid. In a mask, regions hide the baselines in them: `kinds` leaves
    them out.

    kraken scales a page to a height of 1800 pixels with Lanczos' filter. Here, the longer side becomes 1800, by means
    over areas or bilinear interpolation. For a page that is wider than high, ``scales=[<width / height>]`` gives it
    kraken's size. A white border that some models add to a page (kraken's ``padding``) is left out.

    Args:
        path: the file, in CoreML's format.
        kinds: the kinds of classes that are kept, from `KINDS`: aux (the ends of baselines), baselines, regions.

    Raises:
        ConfigError: there is no such kind, or the file has no class of these kinds.
        CheckpointError: the file is missing or damaged, is not a model for segmentation, or has other layers than
            `segrnn.models.BLLA`.
    """
    texts, layers = read_coreml(path)
    meta = _read_meta(path, texts)
    network = _read_layers(path, texts.get("vgsl") or str(meta.get("vgsl", "")))
    sizes = {"width": network.width, "hidden": network.hidden, "groups": network.groups}
    architecture = {
        "model": {"_target_": "segrnn.models.BLLA", "_partial_": True, **sizes},
        "context": {"_target_": None, "stride": 4},
    }
    classes = _read_classes(path, meta, network.outputs)
    kept = _choose(classes, kinds, path)
    labels = _label(classes[output][1] for output in kept)
    try:
        segmenter = build_segmenter(architecture, labels.num_classes).eval()
    except ConfigError as error:
        raise CheckpointError(f"{path} describes a network that can't be built: {error}. Take {_ANOTHER}") from error
    _fill(segmenter, layers, network.outputs, kept, path)
    whole = (network.height, network.height)
    preprocessing = Preprocessing(mean=(0.0,) * 3, std=(1.0,) * 3, base_size=whole)  # the network inverts pixels
    provenance = {"kraken": {"file": path.name, "sha256": digest_weights(path), "vgsl": texts.get("vgsl", "")}}
    return Predictor(segmenter, ModelInfo(architecture, labels, preprocessing, provenance=provenance))


def _read_meta(path: Path, texts: Mapping[str, str]) -> dict[str, Any]:
    """Return what kraken keeps about a model for segmentation."""
    try:
        meta = json.loads(texts.get("kraken_meta", "{}"))
    except ValueError as error:
        raise CheckpointError(f"{path} is damaged: kraken_meta is not JSON: {error}. Download it again") from error
    if not isinstance(meta, dict):
        raise CheckpointError(f"{path} is damaged: kraken_meta is {meta!r}, not an object. Download it again")
    # models from before kraken wrote the task down are for recognition
    task = meta.get("model_type", "recognition" if "codec" in texts else "an unknown task")
    tasks = task if isinstance(task, list) else [task]
    if "segmentation" not in tasks:
        raise CheckpointError(
            f"{path} is a model for {', '.join(map(str, tasks))}, but only one for segmentation can be imported. "
            f"Take {_ANOTHER}"
        )
    return meta


def _read_layers(path: Path, spec: str) -> _Network:
    """Return the sizes in kraken's notation of a network, which must be one of `segrnn.models.BLLA`."""
    size, *layers = re.sub(r"\{[^}]*\}", "", spec).strip("[] ").split() or [""]
    found = " ".join(layers)
    height = re.fullmatch(r"1,([1-9]\d{0,4}),0,3", size)
    first = re.match(r"Cr7,7,(\d+),2,2 Gn(\d+)", found)
    sweep = re.search(r"Lbx(\d+)", found)
    outputs = re.fullmatch(r"O2l([1-9]\d*)", layers[-1]) if layers else None
    width, groups = (int(first[1]), int(first[2])) if first else (64, 32)
    hidden = int(sweep[1]) if sweep else 32
    needed = ["1,<height>,0,3", *_LAYERS.format(a=width, b=2 * width, c=4 * width, g=groups, h=hidden).split()]
    given = ["1,<height>,0,3" if height else size, *(layers[:-1] if outputs else layers)]
    for number, (one, other) in enumerate(zip_longest(given, needed, fillvalue="nothing")):
        if one != other:
            place = f"layer {number}" if number else "the input"
            raise CheckpointError(
                f"{path} has another architecture than BLLA: {place} is {one or 'missing'}, but must be {other}. "
                f"Take {_ANOTHER}"
            )
    if not outputs or not height:
        raise CheckpointError(
            f"{path} has another architecture than BLLA: it lacks its last layer, O2l<classes>. Take {_ANOTHER}"
        )
    return _Network(int(height[1]), width, hidden, groups, int(outputs[1]))


def _read_classes(path: Path, meta: Mapping[str, Any], outputs: int) -> list[tuple[str, str]]:
    """Return the kind and the name of the class of each output. Several of kraken's classes may share an output."""
    names: dict[int, list[str]] = {}
    kinds: dict[int, str] = {}
    try:
        for kind, classes in meta["class_mapping"].items():
            prefix = "" if kind == "aux" else f"{kind.removesuffix('s')} "
            for name, output in classes.items():
                kinds.setdefault(output, kind)
                names.setdefault(output, []).append(prefix + name.strip("_").replace("_", " "))
    except (AttributeError, KeyError, TypeError) as error:
        raise CheckpointError(
            f"{path} is damaged: class_mapping is {meta.get('class_mapping')!r}, but must give each class of each kind "
            "the number of its output. Download it again"
        ) from error
    if sorted(names) != list(range(outputs)):
        raise CheckpointError(
            f"{path} is damaged: class_mapping names the outputs {sorted(names)}, but the network has {outputs}. "
            "Download it again"
        )
    return [(kinds[output], " or ".join(names[output])) for output in range(outputs)]


def _choose(classes: Iterable[tuple[str, str]], kinds: Collection[str], path: Path) -> list[int]:
    """Return the outputs whose classes are of some kinds."""
    there = [kind for kind, _ in classes]
    kept = [output for output, kind in enumerate(there) if kind in kinds]
    if not kept or not set(kinds) <= set(KINDS):
        raise ConfigError(
            f"kinds={list(kinds)} must name some of {', '.join(KINDS)}; {path} has classes of the kinds "
            f"{', '.join(sorted(set(there)))}"
        )
    return kept


def _label(names: Iterable[str]) -> LabelSpace:
    labels = [Label(name, i, i, spread_color(i)) for i, name in enumerate(names, start=1)]
    return LabelSpace("kraken", [Label("background", 0, 0, (0, 0, 0)), *labels])


def _fill(network: nn.Module, layers: list[Layer], outputs: int, kept: list[int], path: Path) -> None:
    """Copy the arrays of a file into a network's modules, which have the same order. The head gets the kept outputs."""
    modules = [module for module in network.modules() if isinstance(module, tuple(_MODULES))]
    if len(layers) != len(modules):
        raise CheckpointError(
            f"{path} is damaged: it has {len(layers)} layers with weights, but its description has {len(modules)}. "
            "Download it again"
        )
    *body, (head, last) = zip(modules, layers, strict=True)
    assert isinstance(head, nn.Conv2d)
    assert head.bias is not None
    with torch.no_grad():
        for module, layer in body:
            parameters = list(module.parameters())
            arrays = _check(layer, _kind(module), [parameter.numel() for parameter in parameters], path)
            for parameter, array in zip(parameters, arrays, strict=True):
                parameter.copy_(torch.from_numpy(array).view_as(parameter))
        weight, bias = _check(last, _kind(head), [outputs * head.in_channels, outputs], path)
        head.weight.zero_()  # so that the logit of the background, which comes first, is 0
        head.bias.zero_()
        head.weight[1:] = torch.from_numpy(weight).view(outputs, head.in_channels, 1, 1)[kept]
        head.bias[1:] = torch.from_numpy(bias)[kept]


def _kind(module: nn.Module) -> str:
    return next(kind for cls, kind in _MODULES.items() if isinstance(module, cls))


def _check(layer: Layer, kind: str, needed: list[int], path: Path) -> list[FloatArray]:
    """Return the arrays of a layer if they have the right sizes."""
    found = [array.size for array in layer.arrays]
    if layer.kind != kind or found != needed:
        raise CheckpointError(
            f"{path} is damaged: layer {layer.name} is a {layer.kind} with arrays of {found} numbers, but its "
            f"description needs a {kind} with {needed}. Download it again"
        )
    return layer.arrays
