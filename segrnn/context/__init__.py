"""Context modules: each maps ``(B, C, H, W)`` to ``(B, C, H, W)`` for any height and width."""

from segrnn.context.convolution import Convolutions
from segrnn.context.renet import ReNet
from segrnn.context.residual import Residual
from segrnn.context.sequential import ConvolutionReNet
from segrnn.context.sweep import Sweep

__all__ = ["ConvolutionReNet", "Convolutions", "ReNet", "Residual", "Sweep"]
