"""A trained network as a folder that anybody can load: weights, a description and a model card; no pickle."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from huggingface_hub import ModelCard, ModelCardData, snapshot_download
from safetensors.torch import load_file
from safetensors.torch import save as serialize
from torch import Tensor

from segrnn.datasets.drafts import new_folder
from segrnn.errors import CheckpointError, SegrnnError
from segrnn.guard import no_side_effects
from segrnn.labels import LabelSpace
from segrnn.models.architecture import build_segmenter
from segrnn.models.info import ModelInfo
from segrnn.models.loading import load_weights
from segrnn.models.reading import WEIGHTS, digest_weights
from segrnn.models.segmenter import Segmenter
from segrnn.text import markdown

CONFIG, CARD = "config.json", "README.md"
_FORMAT = "segrnn bundle 1"


def save(segmenter: Segmenter, folder: Path) -> None:
    """Write a bundle; the folder is there whole, or not at all.

    Raises:
        OutputError: the folder is taken, or can't be written.
        ValueError: the network has no `info`.
    """
    with new_folder(folder) as draft:
        write(segmenter, draft)


def write(segmenter: Segmenter, folder: Path) -> None:
    """Write a bundle's files into a folder. The auxiliary head, which is for training only, is left out.

    Raises:
        ValueError: the network has no `info`.
    """
    content = {"format": _FORMAT, **segmenter.info.to_dict()}
    weights = {
        name: tensor.contiguous()
        for name, tensor in segmenter.state_dict().items()
        if not name.startswith("auxiliary.")
    }
    # safetensors would make a file that only its owner can read
    (folder / WEIGHTS).write_bytes(serialize(weights, metadata={"format": "pt"}))
    content["sha256"] = {WEIGHTS: digest_weights(folder), "description": _digest_description(content)}
    (folder / CONFIG).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    _card(segmenter.info).save(folder / CARD)


def load(
    source: str | Path,
    revision: str | None = None,
    cache_dir: str | Path | None = None,
    force_download: bool = False,
    local_files_only: bool = False,
    token: str | bool | None = None,
    allow: Sequence[str] = (),
) -> Segmenter:
    """Read a bundle, in evaluation mode on the CPU.

    Args:
        source: a folder, or the name of a model on the Hugging Face hub, ``owner/name``.
        revision: of the model on the hub.
        cache_dir: where what is downloaded is kept.
        force_download: whether to download again what is there.
        local_files_only: whether to look only at what is there.
        token: for models that not everybody may read.
        allow: import paths of the caller's own code that the bundle may name, ``my_package.`` for all of a package.

    Raises:
        CheckpointError: there is no bundle, it is damaged or was changed, or it asks for more than a network.
    """
    folder = Path(source)
    if not folder.is_dir():
        if folder.exists():
            raise CheckpointError(f"{source} is a file; a bundle is a folder with {WEIGHTS} and {CONFIG}")
        try:
            folder = Path(
                snapshot_download(
                    str(source),
                    revision=revision,
                    cache_dir=cache_dir,
                    force_download=force_download,
                    local_files_only=local_files_only,
                    token=token,
                    allow_patterns=[WEIGHTS, CONFIG],
                )
            )
        except Exception as error:  # hubs raise anything from ValueError to their own HTTP errors
            raise CheckpointError(f"{source} is no folder, and can't be had from the hub: {error}") from error
    content = _read(folder)
    try:
        info = ModelInfo.from_dict(content)
        with no_side_effects("building its network"):
            segmenter = build_segmenter(info.architecture, info.labels.num_classes, allow)
        load_weights(segmenter, load_file(folder / WEIGHTS))
    except Exception as error:  # what was written by another version can fail anywhere on the way
        raise CheckpointError(f"{folder} can't be loaded: {error}") from error
    segmenter.info = info
    return segmenter.eval()


def read_weights(folder: Path) -> tuple[dict[str, Tensor], LabelSpace]:
    """Read the tensors of a bundle and the classes that they are for; no network is built.

    Raises:
        CheckpointError: there is no bundle, or it is damaged or was changed.
    """
    content = _read(folder)
    try:
        return load_file(folder / WEIGHTS), LabelSpace.from_dict(content["labels"])
    except Exception as error:
        raise CheckpointError(f"{folder} can't be loaded: {error}") from error


def _read(folder: Path) -> dict[str, Any]:
    """The description, once it and the weights are seen to be what was written."""
    for name in (WEIGHTS, CONFIG):
        if not (folder / name).is_file():
            raise CheckpointError(
                f"{folder} is no bundle: it lacks {name}. Segmenter.save and export_model write bundles"
            )
    try:
        content = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        if content["format"] != _FORMAT:
            raise CheckpointError(f"{folder / CONFIG}: its format is {content['format']!r}, not {_FORMAT!r}")
        expected = content["sha256"]
        found = {WEIGHTS: digest_weights(folder), "description": _digest_description(content)}
        changed = [name for name in found if found[name] != expected[name]]
    except SegrnnError:
        raise
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{folder / CONFIG} can't be read: {error!r}") from error
    if changed:
        names = " and ".join(CONFIG if name == "description" else name for name in changed)
        raise CheckpointError(f"{folder}: {names} was changed or damaged since the bundle was written: get it anew")
    return dict(content)


def _digest_description(content: Mapping[str, Any]) -> str:
    """Of all but the digests themselves, however it is laid out."""
    described = {key: value for key, value in content.items() if key != "sha256"}
    return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()


def _card(info: ModelInfo) -> ModelCard:
    """A model card: what the network tells apart, how well, and how to use it."""
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
from segrnn.models import Segmenter

model = Segmenter.load("this folder, or its name on the hub")
mask = model.predict("street.jpg")  # train ids, (H, W)
```

{f"| score | % |{chr(10)}|---|---|{chr(10)}{scores}" if scores else "It comes without scores."}

```json
{config}
```
"""
    return ModelCard(text)
