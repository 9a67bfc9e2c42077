"""segmentation_models_pytorch and timm, imported without wandb.

timm imports wandb wherever it is installed, for a logger of its own training script that segrnn does not use. That
costs every command its import time, and wandb is to be loaded only by those who choose it.
"""

import sys

_hide = "wandb" not in sys.modules
if _hide:
    sys.modules["wandb"] = None  # type: ignore[assignment]  # makes `import wandb` fail, which timm allows for
try:
    import segmentation_models_pytorch as smp
    import timm
    from timm.layers.conv2d_same import Conv2dSame
finally:
    if _hide:
        del sys.modules["wandb"]

__all__ = ["Conv2dSame", "smp", "timm"]
