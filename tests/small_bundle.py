"""A small network for CamVid that was not trained."""

from pathlib import Path

import torch

from segrnn.images import Preprocessing
from segrnn.inference import ModelInfo, Predictor
from segrnn.labels import CAMVID
from segrnn.models.architecture import build_segmenter


def save_small_bundle(folder: str) -> Path:
    """Save the network as a bundle and return the folder."""
    fcn = {"_target_": "segrnn.models.FCN", "_partial_": True, "encoder_name": "tu-test_resnet", "encoder_depth": 3}
    renet = {"_target_": "segrnn.context.ReNet", "_partial_": True, "hidden": 8, "stride": 8}
    architecture = {"model": {**fcn, "width": 16}, "context": renet}
    torch.manual_seed(0)
    model = build_segmenter(architecture, CAMVID.num_classes)
    Predictor(model, ModelInfo(architecture, CAMVID, Preprocessing((0.5,) * 3, (0.25,) * 3))).save(folder)
    return Path(folder).resolve()
