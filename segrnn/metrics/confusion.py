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
        void_column: whether a prediction may be void. If so, the counts have one column more, ``(K, K + 1)``. It counts
            the pixels that are predicted as no class.

    Example:
        >>> matrix = ConfusionMatrix(2)
        >>> matrix.update(torch.tensor([0, 1, 1]), torch.tensor([0, 0, 255])).tolist()
        [[1, 1], [0, 0]]
        >>> matrix.update(torch.tensor([1]), torch.tensor([1])).tolist(), matrix.counts.tolist()
        ([[0, 0], [0, 1]], [[1, 1], [0, 1]])
    """

    def __init__(self, num_classes: int, void_column: bool = False) -> None:
        self.num_classes, self.void_column = num_classes, void_column
        self.counts = torch.zeros(num_classes, num_classes + void_column, dtype=torch.int64)

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
        if self.void_column:
            predicted[predicted == IGNORE_INDEX] = self.num_classes
        columns = self.counts.shape[1]
        for name, ids, limit in (("prediction", predicted, columns), ("target", true, self.num_classes)):
            if ids.numel() and (int(ids.min()) < 0 or int(ids.max()) >= limit):
                raise ValueError(f"{name} holds ids outside 0..{self.num_classes - 1}: {ids.unique().tolist()}")
        cells = torch.bincount(true * columns + predicted, minlength=self.num_classes * columns)
        counts = cells.reshape(self.num_classes, columns).to(self.counts.device)
        self.counts += counts
        return counts

    def merge(self, other: "ConfusionMatrix") -> None:
        """Add the counts of other images."""
        self.counts += other.counts
