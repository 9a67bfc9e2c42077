"""segmentation_models_pytorch and timm, imported without wandb.

timm imports wandb if it is installed, because timm's training script has a logger for it. segrnn does not use that
logger. The import would slow down every command, and wandb should be loaded only if the user chooses it.
"""

import sys

_hide = "wandb" not in sys.modules
if _hide:
    sys.modules["wandb"] = None  # type: ignore[assignment]  # makes `import wandb` fail; timm can handle that
try:
    import segmentation_models_pytorch as smp
    import timm
    from timm.layers.conv2d_same import Conv2dSame
    from timm.layers.norm import LayerNorm2d
finally:
    if _hide:
        del sys.modules["wandb"]

__all__ = ["Conv2dSame", "LayerNorm2d", "smp", "timm"]
