"""A message about images that are so large that they are processed in windows, although nobody asked for windows."""

from collections.abc import Callable

from segrnn.images.bands import ImageArray
from segrnn.inference.predictor import MOST_WHOLE, Predictor


class LargeImages:
    """Says once that images are too large to be processed as a whole.

    Args:
        predictor: the predictor that processes the images.
        say: gets the message, one line.
    """

    def __init__(self, predictor: Predictor, say: Callable[[str], None]) -> None:
        self.predictor, self.say = predictor, say
        self.said = False

    def note(self, image: ImageArray, name: object) -> None:
        """Check the size of an image ``(H, W, C)``, and give the message if this is the first that is too large."""
        if self.said or self.predictor.windows is not None or not (windows := self.predictor.windows_for(image)):
            return
        self.said = True
        (height, width), (down, right) = windows.size, windows.stride or windows.size
        self.say(
            f"{name} is {image.shape[1]} x {image.shape[0]}: the network would see more than {MOST_WHOLE} pixels at "
            f"once, so the image is cut into windows of {width} x {height} every {right} x {down}; windows.size= "
            "chooses other windows"
        )
