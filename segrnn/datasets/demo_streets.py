"""The demo dataset, which is the default: drawn street scenes in the Cityscapes layout."""

from typing import ClassVar

from segrnn.datasets.cityscapes import Cityscapes
from segrnn.datasets.demo_scenes import write_demo
from segrnn.datasets.drawn_folder import draw_unless_there
from segrnn.labels import DEMO, LabelSpace


class Demo(Cityscapes):
    """A dataset of street scenes. They are drawn once if they are missing, and then read as a Cityscapes tree.

    Two pairs of classes look alike in every local patch. Buildings and walls differ by the pennants far above in the
    same columns. Cars and buses differ by the panel that is painted on the road far away in the same rows. A network
    needs context to tell them apart.

    Args:
        root: the folder to draw into. If it exists already, it is only read.
        split: ``train`` or ``val``.
        strict: whether an image without a label is an error.

    Raises:
        DataError: the folder exists but does not hold the scenes.
    """

    table: ClassVar[LabelSpace] = DEMO

    def __init__(self, root: str, split: str, strict: bool = True) -> None:
        draw_unless_there(root, write_demo)
        super().__init__(root, split, strict)
