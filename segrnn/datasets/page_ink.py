"""Ink and paper for the demo pages: words of strokes, drop capitals, graphics, and what a scan adds to them.

All lengths are in units of 1/256 of the page's height. At the default size, a unit is a pixel. A word does not know
which zone it belongs to, and nothing here knows: zones of text differ only in their places.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter, ImageOps

from segrnn.datasets.demo_drawing import OVERSAMPLING, Box, Point, clouds

HEIGHT = 256.0

ASCENDER, DESCENDER = 1.8, -0.6
"""How far letters reach above and below the baseline. The height of a small letter is 1."""
LETTERS: tuple[tuple[float, tuple[tuple[Point, ...], ...]], ...] = (
    (0.1, (((0, 0), (0, 1)),)),
    (0.1, (((0, 0), (0, ASCENDER)),)),
    (0.7, (((0, 0), (0, 1), (0.5, 1), (0.7, 0.8), (0.7, 0)),)),
    (0.7, (((0, 1), (0, 0.2), (0.2, 0), (0.7, 0.2)), ((0.7, 1), (0.7, 0)))),
    (1.2, (((0, 0), (0, 1), (0.4, 1), (0.6, 0.8), (0.6, 0)), ((0.6, 0.8), (1, 1), (1.2, 0.8), (1.2, 0)))),
    (0.8, (((0.4, 1), (0, 0.7), (0, 0.3), (0.4, 0), (0.8, 0.3), (0.8, 0.7), (0.4, 1)),)),
    (0.7, (((0.7, 0.8), (0.4, 1), (0, 0.7), (0, 0.3), (0.4, 0), (0.7, 0.2)),)),
    (0.8, (((0.8, 0.2), (0.4, 0), (0, 0.3), (0, 0.7), (0.4, 1), (0.8, 0.8)), ((0.8, 0), (0.8, ASCENDER)))),
    (0.8, (((0, 0.8), (0.4, 1), (0.8, 0.7), (0.8, 0.3), (0.4, 0), (0, 0.2)), ((0, 1), (0, DESCENDER)))),
    (0.6, (((0.6, 0.9), (0.1, 0.9), (0, 0.7), (0.6, 0.3), (0.5, 0.1), (0, 0.1)),)),
    (0.5, (((0.2, 1.5), (0.2, 0.2), (0.5, 0)), ((0, 1), (0.5, 1)))),
    (0.8, (((0, 1), (0.4, 0), (0.8, 1)),)),
)
"""The width and the strokes of each letter."""
SPACING = 0.5
"""The space after a letter. The height of a small letter is 1."""
CAPITALS = (2, 3, 4, 5, 6, 9, 11)
"""The letters that fill their height, and so can be drop capitals."""


class Word(NamedTuple):
    """A word on the page."""

    x: float
    """The left end of the word."""
    baseline: float
    """The height at which its letters stand, from the top of the page."""
    size: float
    """The height of a small letter."""
    letters: tuple[int, ...]
    """The places of its letters in `LETTERS`."""


class Plate(NamedTuple):
    """A graphic, or the ornament behind a drop capital."""

    box: Box
    """The sides of the plate."""
    slant: float
    """The slope of its hatching."""
    shapes: tuple[Box, ...]
    """The ellipses on it, in shares of the box."""


class Capital(NamedTuple):
    """A drop capital."""

    box: Box
    """The sides of the letter."""
    letter: int
    """The place of the letter in `LETTERS`."""


def word_width(letters: tuple[int, ...], size: float) -> float:
    """Return the width of a word whose small letters are ``size`` high.

    Example:
        >>> round(word_width((0, 0), 10.0), 3)
        7.0
    """
    return size * (sum(LETTERS[letter][0] for letter in letters) + SPACING * (len(letters) - 1))


class Ink:
    """A layer of ink, larger than the page by `OVERSAMPLING`. Coordinates are x, y in units."""

    def __init__(self, size: tuple[int, int]) -> None:
        height, width = size
        self._scale = OVERSAMPLING * height / HEIGHT
        self.layer = Image.new("L", (width * OVERSAMPLING, height * OVERSAMPLING))
        self._pen = ImageDraw.Draw(self.layer)

    def stroke(self, points: list[Point], width: float, tone: int = 255) -> None:
        """Draw a line through points."""
        scaled = [(x * self._scale, y * self._scale) for x, y in points]
        self._pen.line(scaled, tone, max(1, round(width * self._scale)), joint="curve")

    def word(self, word: Word) -> None:
        """Write a word."""
        x = word.x
        for letter in word.letters:
            width, strokes = LETTERS[letter]
            for points in strokes:
                self.stroke([(x + u * word.size, word.baseline - v * word.size) for u, v in points], 0.3 * word.size)
            x += (width + SPACING) * word.size

    def plate(self, plate: Plate) -> None:
        """Print a frame with hatching and ellipses."""
        left, top, right, bottom = plate.box
        width, height = right - left, bottom - top
        for share in np.arange(0.0, 1.0, 3.0 / height):
            y = top + share * height
            end = min(max(y + plate.slant * height, top), bottom)
            self.stroke([(left, y), (right, end)], 0.8, 170)
        for u0, v0, u1, v1 in plate.shapes:
            turn = np.linspace(0, 2 * np.pi, 24)
            xs = left + width * (u0 + u1 + (u1 - u0) * np.cos(turn)) / 2
            ys = top + height * (v0 + v1 + (v1 - v0) * np.sin(turn)) / 2
            ring = [(float(x * self._scale), float(y * self._scale)) for x, y in zip(xs, ys, strict=True)]
            self._pen.polygon(ring, fill=90, outline=255)
        frame = [(left, top), (right, top), (right, bottom), (left, bottom), (left, top)]
        self.stroke(frame, 1.2)

    def capital(self, capital: Capital) -> None:
        """Write a drop capital on a clear ground."""
        left, top, right, bottom = capital.box
        ground = [round(value * self._scale) for value in capital.box]
        self._pen.rectangle(ground, 0)
        width, strokes = LETTERS[capital.letter]
        for points in strokes:
            line = [
                (left + (right - left) * (0.2 + 0.6 * u / max(width, 0.5)), bottom - (bottom - top) * (0.15 + 0.7 * v))
                for u, v in points
            ]
            self.stroke(line, 0.16 * (bottom - top))


def develop(
    ink: Image.Image, ids: Image.Image, back: Image.Image, rng: np.random.Generator
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Turn a page into its scan: tilt, paper, uneven light, ink of the other side, and noise.

    Args:
        ink: the ink of the page. As the next two, it is larger than the page by `OVERSAMPLING`.
        ids: the ids of the page's classes.
        back: the ink of the page's other side.
        rng: the source of all chance.

    Returns:
        The picture ``(H, W, 3)`` and the ids ``(H, W)``.
    """
    tilt = rng.uniform(-1.2, 1.2)
    ink, back = (layer.rotate(tilt, Image.Resampling.BILINEAR).reduce(OVERSAMPLING) for layer in (ink, back))
    middle = slice(OVERSAMPLING // 2, None, OVERSAMPLING)
    zones = np.asarray(ids.rotate(tilt))[middle, middle].copy()
    size = zones.shape
    mirrored = ImageOps.mirror(back).filter(ImageFilter.GaussianBlur(0.8))
    through = np.asarray(mirrored, np.float64) / 255 * max(0.0, rng.uniform(-0.15, 0.2))
    cover = np.asarray(ink, np.float64) / 255 * rng.uniform(0.75, 1.0)
    paper = np.array((236, 226, 204)) * rng.uniform(0.82, 1.04) * rng.uniform(0.98, 1.02, 3)
    fresh = np.array((52, 44, 40)) * rng.uniform(0.6, 1.6)
    ramp = np.linspace(-1, 1, size[0])[:, None] * rng.uniform(-0.08, 0.08)
    ramp = ramp + np.linspace(-1, 1, size[1]) * rng.uniform(-0.08, 0.08)
    light = 1 + ramp + 0.03 * clouds(rng, size, 6) + 0.012 * clouds(rng, size, 48)
    dark = 1 - (1 - cover) * (1 - through)
    image = (paper + (fresh - paper) * dark[..., None]) * light[..., None]
    image = image + rng.normal(0, rng.uniform(2, 6), image.shape)
    return image.clip(0, 255).astype(np.uint8), zones
