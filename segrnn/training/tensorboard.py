"""A run's page in TensorBoard, with pictures of its examples."""

import math

import numpy as np
from PIL import Image
from pytorch_lightning.loggers import TensorBoardLogger

from segrnn.metrics import Scores
from segrnn.reports import Gallery, draw_rows
from segrnn.training.dashboard import Dashboard, Result, RunInfo


class TensorBoardDashboard(TensorBoardLogger, Dashboard):
    """Writes curves, and after each validation the chosen images with their masks, for ``tensorboard --logdir runs``.

    Args:
        save_dir: the run's folder. The files are in ``tensorboard`` below it.

    Raises:
        ModuleNotFoundError: tensorboard is not installed.
    """

    def __init__(self, save_dir: str) -> None:
        super().__init__(save_dir, name="", version="tensorboard")

    def begin(self, run: RunInfo) -> None:
        """Remember the classes."""
        self.labels = run.labels

    def show_validation(self, step: int, scores: Scores, gallery: Gallery) -> None:
        """Show the chosen images: each in a row with its label, its mask and the errors."""
        if gallery.chosen:
            rows = draw_rows(gallery.chosen, self.labels)
            # Lightning counts the steps of the curves from 0
            self.experiment.add_image("val/examples", rows, step - 1, dataformats="HWC")

    def show_result(self, result: Result) -> None:
        """Show figures and pictures of a command's folder."""
        for name, value in result.numbers.items():
            if not math.isnan(value):
                self.experiment.add_scalar(f"{result.job}/{name}", value)
        for path in sorted(result.folder.glob("*.png")):
            picture = np.asarray(Image.open(path).convert("RGB"))
            self.experiment.add_image(f"{result.job}/{path.stem}", picture, dataformats="HWC")
        self.experiment.flush()

    def end(self, error: BaseException | None) -> None:
        """Write what is left."""
        self.experiment.flush()
