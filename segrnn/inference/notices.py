"""Messages about how images are processed, which depend on the images."""

from collections.abc import Callable

from segrnn.images.bands import ImageArray
from segrnn.inference.predictor import MOST_WHOLE, SINGLE, Predictor


class Notices:
    """Says once that images are too large to be processed as a whole, and once what half precision changes.

    Args:
        predictor: the predictor that processes the images.
        say: gets each message, one line.
    """

    def __init__(self, predictor: Predictor, say: Callable[[str], None]) -> None:
        self.predictor, self.say = predictor, say
        self._said_windows, self._said_precision = predictor.windows is not None, predictor.precision == SINGLE

    def note(self, image: ImageArray, name: object) -> None:
        """Look at an image ``(H, W, C)``, and give a message if this is the first image that it is about."""
        if not self._said_windows and (windows := self.predictor.windows_for(image)):
            self._said_windows = True
            (height, width), (down, right) = windows.size, windows.stride or windows.size
            self.say(
                f"{name} is {image.shape[1]} x {image.shape[0]}: the network would see more than {MOST_WHOLE} pixels "
                f"at once, so the image is cut into windows of {width} x {height} every {right} x {down}; "
                "windows.size= chooses other windows"
            )
        if not self._said_precision:
            self._said_precision = True
            predictor = self.predictor
            changed = int((predictor.mask(image) != predictor.in_precision(SINGLE).mask(image)).sum())
            pixels = image.shape[0] * image.shape[1]
            self.say(
                f"precision={predictor.precision}: {changed} of {pixels} pixels ({changed / pixels:.3%}) of {name} get "
                f"another class than with {SINGLE}"
            )
