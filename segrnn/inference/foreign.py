"""Weights that other libraries have written: what they are, and how a `segrnn.models.Segmenter` names their tensors."""

import inspect
from collections.abc import Mapping
from typing import Any, NamedTuple

from torch import Tensor

from segrnn.compat import smp
from segrnn.errors import CheckpointError
from segrnn.models.architecture import MODEL_TARGETS, STRUCTURAL

_WRAPPINGS = ("state_dict", "model_state_dict", "model")
"""The keys under which training scripts put a network's tensors."""
_PREFIXES = ("module.", "model.", "_orig_mod.")
"""What DDP, Lightning and torch.compile put before the names of tensors."""
_CLASS_KEY = "_model_class"
_LIBRARY = "segmentation_models_pytorch"


class Foreign(NamedTuple):
    """What a file of another library holds."""

    kind: str
    """Words for the file, as in "it is a model of torchvision"."""
    weights: dict[str, Tensor]
    """The tensors as a `Segmenter` names them. Empty if no network here has such tensors."""


def recognise(content: object) -> Foreign:
    """Find out whose tensors a file holds.

    Args:
        content: what `torch.load` or safetensors has read.

    Example:
        >>> recognise(smp.Unet("resnet18", encoder_weights=None).state_dict()).kind
        'the weights of a model of segmentation_models_pytorch'
        >>> recognise({"epoch": 3}).kind
        'a file without tensors, with the keys epoch'
    """
    state = _unwrap(content)
    parts = {name.partition(".")[0] for name in state}
    if parts >= {"encoder", "decoder", "segmentation_head"}:
        return Foreign("the weights of a model of segmentation_models_pytorch", _as_segmenter(state))
    if parts >= {"backbone", "classifier"}:
        return Foreign("the weights of a segmentation model of torchvision, which segrnn does not have", {})
    if state:
        return Foreign(f"a state dict of another network, with tensors such as {next(iter(state))}", {})
    keys = f", with the keys {', '.join(map(str, list(content)[:5]))}" if isinstance(content, Mapping) else ""
    return Foreign(f"a file without tensors{keys}", {})


def _unwrap(content: object) -> dict[str, Tensor]:
    """Return the tensors of a state dict that may lie in another one. Prefixes that all names share are removed."""
    for key in _WRAPPINGS:
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    entries = content.items() if isinstance(content, Mapping) else ()
    state = {str(name): value for name, value in entries if isinstance(value, Tensor)}
    while prefix := next((own for own in _PREFIXES if state and all(name.startswith(own) for name in state)), ""):
        state = {name.removeprefix(prefix): value for name, value in state.items()}
    return state


def _as_segmenter(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Give the tensors of a model of segmentation_models_pytorch their names in a `Segmenter`."""
    renamed = {name.replace("segmentation_head.", "head.", 1): value for name, value in state.items()}
    return {name: value for name, value in renamed.items() if not name.startswith("classification_head.")}


class HubModel(NamedTuple):
    """The description that ``save_pretrained`` of segmentation_models_pytorch writes beside the weights."""

    name: str
    """The class, such as ``Unet``."""
    arguments: Mapping[str, Any]
    """The arguments that it was built with."""

    @classmethod
    def read(cls, content: Mapping[str, Any]) -> "HubModel | None":
        """Return the description, or None if ``config.json`` is of something else.

        Raises:
            CheckpointError: segrnn does not have the model.
        """
        if _CLASS_KEY not in content:
            return None
        known = [target.rpartition(".")[2] for target in MODEL_TARGETS if target.startswith(_LIBRARY)]
        if content[_CLASS_KEY] not in known:
            raise CheckpointError(
                f"it holds a {content[_CLASS_KEY]} of segmentation_models_pytorch; segrnn has {', '.join(known)}"
            )
        return cls(content[_CLASS_KEY], {key: value for key, value in content.items() if key != _CLASS_KEY})

    @property
    def target(self) -> str:
        """The import path of the class."""
        return f"{_LIBRARY}.{self.name}"

    def overrides_for(self, model: Mapping[str, Any], channels: int) -> list[str]:
        """Return the overrides that turn a configured network of the same class into this one; none if it is this one.

        Arguments that no tensor depends on are compared as well: with another output stride, the same tensors give
        other masks.

        Args:
            model: the component ``model`` of the configuration.
            channels: the number of channels of an image.

        Example:
            >>> hub = HubModel("Unet", {"encoder_name": "resnet18", "decoder_channels": [8, 8, 8, 8, 8]})
            >>> hub.overrides_for({"_target_": hub.target, "encoder_name": "vgg11"}, channels=3)
            ['encoder.name=resnet18', '++model.decoder_channels=[8,8,8,8,8]']
        """
        parameters = inspect.signature(getattr(smp, self.name)).parameters
        defaults = {key: own.default for key, own in parameters.items() if key in STRUCTURAL}
        here = {**defaults, **model, "in_channels": channels}
        there = {**defaults, **{key: value for key, value in self.arguments.items() if key in STRUCTURAL}}
        keys = {"encoder_name": "encoder.name", "in_channels": "data.channels"}
        return [
            f"{keys.get(key, f'++model.{key}')}={_written(value)}"
            for key, value in there.items()
            if _written(value) != _written(here.get(key))
        ]


def _written(value: Any) -> str:
    """Write a value as Hydra reads it."""
    if isinstance(value, (list, tuple)):
        return f"[{','.join(map(_written, value))}]"
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
