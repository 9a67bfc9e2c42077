"""How a context gets into a network."""

from collections.abc import Callable, Sequence

import torch
from torch import nn

from segrnn.compat import smp
from segrnn.context import Residual
from segrnn.models.encoders import levels, levels_read
from segrnn.models.modes import evaluating
from segrnn.models.segmenter import Network, Segmenter
from segrnn.models.trial import try_encoder

ContextFactory = Callable[[int], nn.Module]


def add_context(smp_model: Network, context: nn.Module | ContextFactory, stride: int | Sequence[int] = 8) -> Segmenter:
    """Put a context between encoder and decoder, as a residual branch that starts at zero.

    Until it is trained, the result computes exactly the same as the plain model. It shares the model's layers, so that
    training one trains the other.

    Args:
        smp_model: a model of segmentation_models_pytorch, or `FCN`; trained or not.
        context: a module ``(B, C, H, W) -> (B, C, H, W)``, or a function that makes one from the number of channels C,
            e.g. ``segrnn.context.ReNet`` or a `functools.partial` of it.
        stride: the stride of the map that the context works on. If several maps have that stride (in a dilated
            encoder), the deepest is taken. A list of strides puts one context on the map of each, which L-RNN (Xie,
            Noble and Zisserman 2016) found strongest.

    Raises:
        ValueError: the decoder reads no features at a stride, or the context does not fit their channels.

    Example:
        >>> network = smp.Unet("resnet18", encoder_weights=None, classes=4).eval()
        >>> image = torch.rand(1, 3, 64, 64)
        >>> torch.equal(add_context(network, ReNet, stride=8).eval()(image), network(image))
        True
    """
    if not hasattr(smp_model, "segmentation_head"):
        kind = type(smp_model).__name__
        raise ValueError(f"a context goes into a model of segmentation_models_pytorch or an FCN, not into a {kind}")
    if isinstance(smp_model, smp.DPT):
        raise ValueError("DPT's decoder takes tokens besides its maps, so a context can't be put before it")
    strides = [stride] if isinstance(stride, int) else list(stride)
    if not strides or not all(isinstance(wanted, int) for wanted in strides):
        raise ValueError(f"stride must be a whole number or a list of them, got {stride!r}")
    if isinstance(context, nn.Module) and len(strides) > 1:
        raise ValueError(
            f"one module can't serve the strides {list(strides)}: give a function that makes a module from a "
            "number of channels"
        )
    maps = _maps(Segmenter(smp_model))
    contexts = {}
    for wanted in strides:
        if wanted not in maps:
            raise ValueError(
                f"there are no features at stride {wanted} for a context; the decoder reads the strides {sorted(maps)}"
            )
        level, channels = maps[wanted]
        module = context if isinstance(context, nn.Module) else context(channels)
        _try(module, channels, wanted)
        contexts[level] = Residual(module, channels)
    return Segmenter(smp_model, contexts).to(next(smp_model.parameters()))


def _maps(model: Segmenter) -> dict[int, tuple[int, int]]:
    """Return the index and the channels of the deepest map that the decoder reads, for each stride."""
    pyramid = getattr(model.neck, "levels", None) or levels(model.encoder)
    with evaluating(model):  # the trial image is too small for batch statistics, and must not change them
        read = levels_read(model.neck(try_encoder(model.encoder, 128)), model.decoder)
    return {pyramid[i].stride: (i, pyramid[i].channels) for i in read}


def _try(context: nn.Module, channels: int, stride: int) -> None:
    parameter = next(context.parameters(), torch.empty(0))
    x = torch.zeros(1, channels, 64, 64, device=parameter.device, dtype=parameter.dtype)
    try:
        with torch.no_grad(), evaluating(context):
            shape = context(x).shape
    except (ValueError, RuntimeError) as error:
        raise ValueError(f"the context can't take the {channels} channels at stride {stride}: {error}") from error
    if shape != x.shape:
        raise ValueError(
            f"a context must keep the shape of its map; this one changed {tuple(x.shape)} to {tuple(shape)}"
        )
