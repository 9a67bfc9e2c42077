"""Pictures drawn by matplotlib. An error in one is reported, and does not end the command."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, StrMethodFormatter

from segrnn.atomic import write_atomically
from segrnn.errors import SegrnnError
from segrnn.text import tell


@contextmanager
def picture(path: Path, size: tuple[float, float], dpi: int = 100) -> Iterator[Figure]:
    """Give a figure to draw on, and write it as a PNG at the end. A ``$`` in its text does not begin a formula.

    If drawing fails, the error is printed in one line.

    Args:
        path: the file of the picture.
        size: width and height in inches.
        dpi: pixels per inch.

    Raises:
        OutputError: the file can't be written.
    """
    with matplotlib.rc_context({"text.parse_math": False, "text.usetex": False}), warnings.catch_warnings():
        # a character that is missing in the font becomes a box in the picture
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        try:
            figure = Figure(figsize=size, dpi=dpi, layout="constrained")
            canvas = FigureCanvasAgg(figure)
            yield figure
            _write_powers_as_numbers(figure)
            write_atomically(path, canvas.print_png)  # savefig draws twice, and most of the time goes into the layout
        except SegrnnError:
            raise
        except Exception as error:  # matplotlib and its fonts raise many kinds of errors
            tell(f"{path} can't be drawn: {type(error).__name__}: {error}")


def _write_powers_as_numbers(figure: Figure) -> None:
    """Label logarithmic axes with plain numbers. Matplotlib labels them with formulas, which `picture` turns off."""
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            if axis.get_scale() == "log":
                axis.set_major_formatter(StrMethodFormatter("{x:g}"))
                axis.set_minor_formatter(NullFormatter())
