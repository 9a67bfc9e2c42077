"""Context modules: each maps ``(B, C, H, W)`` to ``(B, C, H, W)`` for any height and width."""

from segrnn.context.attention import AxialAttention, CrissCrossAttention, SelfAttention
from segrnn.context.axial_decay import AxialDecay
from segrnn.context.convolutions import Convolutions
from segrnn.context.coordinate_convolutions import CoordinateConvolutions
from segrnn.context.dilated_convolutions import DilatedConvolutions
from segrnn.context.irnn import FourDirectionIRNN
from segrnn.context.lateral_sweep import LateralSweep
from segrnn.context.local_global import LocalGlobal
from segrnn.context.lrnn import LRNN
from segrnn.context.narrow_renet import NarrowReNet
from segrnn.context.parallel_sweeps import ParallelSweeps
from segrnn.context.pooling import ASPP, PyramidPooling, StripPooling
from segrnn.context.renet import ReNet
from segrnn.context.residual import Residual
from segrnn.context.spatial_propagation import SCNN, SPN
from segrnn.context.sweep import Sweep

__all__ = [
    "ASPP",
    "LRNN",
    "SCNN",
    "SPN",
    "AxialAttention",
    "AxialDecay",
    "Convolutions",
    "CoordinateConvolutions",
    "CrissCrossAttention",
    "DilatedConvolutions",
    "FourDirectionIRNN",
    "LateralSweep",
    "LocalGlobal",
    "NarrowReNet",
    "ParallelSweeps",
    "PyramidPooling",
    "ReNet",
    "Residual",
    "SelfAttention",
    "StripPooling",
    "Sweep",
]
