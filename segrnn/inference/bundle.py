"""Bundles: a trained network as a folder with weights, a description and a model card, without any pickle."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from huggingface_hub import ModelCard, ModelCardData, snapshot_download
from safetensors.torch import load_file
from safetensors.torch import save as serialize
from torch import Tensor

from segrnn.errors import CheckpointError, SegrnnError
from segrnn.guard import no_side_effects
from segrnn.inference.checkpoint import WEIGHTS, digest_weights
from segrnn.inference.info import ModelInfo
from segrnn.labels import LabelSpace
from segrnn.models.architecture import build_segmenter
from segrnn.models.loading import load_weights
from segrnn.models.segmenter import Segmenter
from segrnn.text import markdown

CONFIG, CARD = "config.json", "README.md"
_FORMAT = "segrnn bundle 1"


def write_bundle(segmenter: Segmenter, info: ModelInfo, folder: Path) -> None:
    """Write a bundle's files into a folder. The auxiliary head, which is for training only, is left out."""
    content = {"format": _FORMAT, **info.to_dict()}
    weights = {
        name: tensor.contiguous()
        for name, tensor in segmenter.state_dict().items()
        if not name.startswith("auxiliary.")
    }
    # written here, because safetensors itself makes a file that only its owner can read
    (folder / WEIGHTS).write_bytes(serialize(weights, metadata={"format": "pt"}))
    content["sha256"] = {WEIGHTS: digest_weights(folder), "description": _digest_description(content)}
    (folder / CONFIG).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    _card(info).save(folder / CARD)


def download_bundle(name: str) -> Path:
    """Download a bundle from the Hugging Face hub, unless it was downloaded before, and return its folder.

    Args:
        name: ``owner/name``.

    Raises:
        CheckpointError: the bundle can't be downloaded.
    """
    try:
        return Path(snapshot_download(name, allow_patterns=[WEIGHTS, CONFIG]))
    except Exception as error:  # hubs raise many kinds of errors, from ValueError to their own HTTP errors
        raise CheckpointError(f"hf://{name} can't be downloaded from the hub: {error}") from error


def load_bundle(folder: Path, allow: Sequence[str] = ()) -> tuple[Segmenter, ModelInfo]:
    """Read a bundle's network, in evaluation mode on the CPU, and its `ModelInfo`.

    Args:
        folder: the bundle's folder, with ``model.safetensors`` and ``config.json``.
        allow: import paths of the caller's own code that the bundle may name, ``my_package.`` for all of a package.

    Raises:
        CheckpointError: the folder holds no bundle, the bundle is damaged or was changed, or it asks for more than a
            network.
    """
    content = _read(folder)
    try:
        info = ModelInfo.from_dict(content)
        with no_side_effects("building its network"):
            segmenter = build_segmenter(info.architecture, info.labels.num_classes, allow, info.preprocessing.channels)
        load_weights(segmenter, load_file(folder / WEIGHTS))
    except Exception as error:  # a bundle of another version can fail at any step
        raise CheckpointError(f"{folder} can't be loaded: {error}") from error
    return segmenter.eval(), info


def read_bundle_weights(folder: Path) -> tuple[dict[str, Tensor], LabelSpace]:
    """Read the tensors of a bundle and the classes that they are for, without building a network.

    Raises:
        CheckpointError: the folder holds no bundle, or the bundle is damaged or was changed.
    """
    content = _read(folder)
    try:
        return load_file(folder / WEIGHTS), LabelSpace.from_dict(content["labels"])
    except Exception as error:
        raise CheckpointError(f"{folder} can't be loaded: {error}") from error


def _read(folder: Path) -> dict[str, Any]:
    """Return the description, after a check that neither it nor the weights have changed since they were written."""
    for name in (WEIGHTS, CONFIG):
        if not (folder / name).is_file():
            raise CheckpointError(
                f"{folder} is not a bundle: it lacks {name}. Predictor.save and segrnn export write bundles"
            )
    try:
        content = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        if content["format"] != _FORMAT:
            raise CheckpointError(f"{folder / CONFIG} has the format {content['format']!r}; it must be {_FORMAT!r}")
        expected = content["sha256"]
        found = {WEIGHTS: digest_weights(folder), "description": _digest_description(content)}
        changed = [name for name in found if found[name] != expected[name]]
    except SegrnnError:
        raise
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{folder / CONFIG} can't be read: {error!r}") from error
    if changed:
        names = " and ".join(CONFIG if name == "description" else name for name in changed)
        raise CheckpointError(
            f"{folder}: {names} was changed or damaged since the bundle was written: download or export the bundle "
            "again"
        )
    return dict(content)


def _digest_description(content: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a description without its digests. The layout of the file does not matter."""
    described = {key: value for key, value in content.items() if key != "sha256"}
    return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()


def _card(info: ModelInfo) -> ModelCard:
    """Make a model card with the network's classes, its scores and an example of its use."""
    data = ModelCardData(
        library_name="segrnn", pipeline_tag="image-segmentation", tags=["semantic-segmentation", "segrnn"]
    )
    scores = "\n".join(f"| {markdown(name)} | {100 * value:.2f} |" for name, value in info.scores.items())
    config = json.dumps({"architecture": dict(info.architecture)}, indent=2)
    text = f"""---
{data.to_yaml()}
---

# A segmentation network for {markdown(info.labels.name)}

Classes: {", ".join(map(markdown, info.labels.class_names))}.

```python
import segrnn

predictor = segrnn.load("this folder, or hf:// and its name on the hub")
mask = predictor("street.jpg")  # train ids, (H, W)
```

{f"| score | % |{chr(10)}|---|---|{chr(10)}{scores}" if scores else "No scores were recorded."}

```json
{config}
```
"""
    return ModelCard(text)
