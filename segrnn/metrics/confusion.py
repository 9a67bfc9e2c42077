"""The confusion matrix, from which most scores are computed."""

import torch
from torch import Tensor

from segrnn.labels import IGNORE_INDEX


class ConfusionMatrix:
    """Counts of (true class, predicted class) over all pixels that are not void, in int64.

    Integers add up to the same total in any order. So scores do not depend on the batch size, the order of the images
    or the number of processes.

    Args:
        num_classes: K, the number of classes.

    Example:
        >>> matrix = ConfusionMatrix(2)
        >>> matrix.update(torch.tensor([0, 1, 1]), torch.tensor([0, 0, 255])).tolist()
        [[1, 1], [0, 0]]
        >>> matrix.update(torch.tensor([1]), torch.tensor([1])).tolist(), matrix.counts.tolist()
        ([[0, 0], [0, 1]], [[1, 1], [0, 1]])
    """

    def __init__(self, num_classes: int) -> None:
        self.num_classes = num_classes
        self.counts = torch.zeros(num_classes, num_classes, dtype=torch.int64)

    def update(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Count the pixels of two masks of train ids, ``(H, W)`` or ``(B, H, W)``, both of the same shape.

        Returns:
            The counts of these two masks only.

        Raises:
            ValueError: the shapes differ, or an id at a valid pixel is not a class.
        """
        if prediction.shape != target.shape:
            raise ValueError(f"prediction {tuple(prediction.shape)} and target {tuple(target.shape)} differ in shape")
        valid = target != IGNORE_INDEX
        true, predicted = target[valid].long(), prediction[valid].long()
        for name, ids in (("prediction", predicted), ("target", true)):
            if ids.numel() and (int(ids.min()) < 0 or int(ids.max()) >= self.num_classes):
                raise ValueError(f"{name} holds ids outside 0..{self.num_classes - 1}: {ids.unique().tolist()}")
        cells = torch.bincount(true * self.num_classes + predicted, minlength=self.num_classes**2)
        counts = cells.reshape(self.num_classes, self.num_classes).to(self.counts.device)
        self.counts += counts
        return counts
