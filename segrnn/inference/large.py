"""Images that are looked at in windows although nobody asked for windows."""

from collections.abc import Callable

from segrnn.inference.predictor import MOST_WHOLE, Predictor
from segrnn.labels.space import ByteArray


class LargeImages:
    """Says once that images are too large to be looked at as a whole.

    Args:
        predictor: what looks at them.
        say: gets the line.
    """

    def __init__(self, predictor: Predictor, say: Callable[[str], None]) -> None:
        self.predictor, self.say = predictor, say
        self.said = False

    def note(self, image: ByteArray, name: object) -> None:
        """Look at the size of an image."""
        if self.said or self.predictor.windows is not None or not (windows := self.predictor.windows_for(image)):
            return
        self.said = True
        (height, width), (down, right) = windows.size, windows.stride or windows.size
        self.say(
            f"{name} is {image.shape[1]} x {image.shape[0]}: images of which the network would see more than "
            f"{MOST_WHOLE} pixels are looked at in windows, this one of {width} x {height} every {right} x {down}; "
            "windows.size= chooses others"
        )
