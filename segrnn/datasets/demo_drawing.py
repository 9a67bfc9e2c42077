"""Drawing for the demo scenes: a canvas for picture and labels at once, and the objects of a street.

All lengths are in units of 1/128 of the picture's height. At the default size, a unit is a pixel. Objects that the
network has to find stand on a grid of 8 units, the stride of its features. So a minute of training is enough for clean
outlines.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from segrnn.labels.cityscapes_classes import CITYSCAPES

HEIGHT = 128.0
GRID = 8.0
CUE_DEPTH = 8.0
BLOCK_BOTTOM = 80.0
CURB = 88.0

OVERSAMPLING = 3
"""The factor by which scenes are drawn larger. It is odd, so that a pixel gets the label at its centre."""

LABEL_ID = {label.name: label.id for label in CITYSCAPES.labels}

Color = tuple[int, int, int]
Point = tuple[float, float]
Box = tuple[float, float, float, float]
"""The left, top, right and bottom side of a box."""

WHITE: Color = (240, 240, 235)
GREY: tuple[Color, ...] = ((226, 226, 222), (150, 156, 160), (70, 74, 82))
BRICKS: tuple[Color, ...] = ((176, 104, 80), (204, 176, 136), (150, 146, 142), (186, 128, 104), (214, 200, 172))
PAINTS: tuple[Color, ...] = (*GREY, (150, 52, 54), (96, 128, 112), (196, 178, 140))
CLOTHES: tuple[Color, ...] = ((190, 50, 90), (230, 200, 70), (60, 130, 120), (110, 70, 150), (220, 110, 130))
LEAVES: tuple[Color, ...] = ((62, 118, 48), (84, 138, 52), (48, 98, 56))


class Canvas:
    """A picture and its instance ids, drawn with the same strokes. Coordinates are x, y in units."""

    def __init__(self, size: tuple[int, int]) -> None:
        height, width = size
        self.width = HEIGHT * width / height
        self._scale = OVERSAMPLING * height / HEIGHT
        big = (width * OVERSAMPLING, height * OVERSAMPLING)
        self.image = Image.new("RGB", big)
        self.ids = Image.new("I", big)
        self._brush, self._stamp = ImageDraw.Draw(self.image), ImageDraw.Draw(self.ids)
        self._count: Counter[str] = Counter()

    def new_id(self, name: str) -> int:
        """Return the instance id of a new object, for a class that has instances."""
        self._count[name] += 1
        return LABEL_ID[name] * 1000 + self._count[name] - 1

    def _box(self, left: float, top: float, right: float, bottom: float) -> tuple[int, int, int, int]:
        x0, y0, x1, y1 = (round(v * self._scale) for v in (left, top, right, bottom))
        return x0, y0, max(x0, x1 - 1), max(y0, y1 - 1)  # Pillow includes the last pixel

    def rectangle(self, box: Box, color: Color, ident: int | None = None) -> None:
        """Fill a box. Without ``ident``, only the picture changes: the box is a detail of an object drawn before."""
        self._brush.rectangle(self._box(*box), color)
        if ident is not None:
            self._stamp.rectangle(self._box(*box), ident)

    def ellipse(self, center: Point, rx: float, ry: float, color: Color, ident: int | None = None) -> None:
        """Fill an ellipse."""
        box = self._box(center[0] - rx, center[1] - ry, center[0] + rx, center[1] + ry)
        self._brush.ellipse(box, color)
        if ident is not None:
            self._stamp.ellipse(box, ident)

    def polygon(self, points: Sequence[Point], color: Color, ident: int | None = None) -> None:
        """Fill a polygon."""
        scaled = [(x * self._scale, y * self._scale) for x, y in points]
        self._brush.polygon(scaled, color)
        if ident is not None:
            self._stamp.polygon(scaled, ident)

    def backdrop(self, picture: npt.NDArray[np.float64], ident: int) -> None:
        """Fill the whole canvas with a picture, ``(H, W, 3)`` in 0 to 255."""
        self.image.paste(Image.fromarray(picture.clip(0, 255).astype(np.uint8)).resize(self.image.size))
        self.ids.paste(ident, (0, 0, *self.ids.size))


def pick(rng: np.random.Generator, colors: Sequence[Color], spread: float = 0.1) -> Color:
    """Return a random one of the colours, up to ``spread`` darker or lighter."""
    return _shade(colors[int(rng.integers(len(colors)))], rng.uniform(1 - spread, 1 + spread))


def _shade(color: Color, gain: float) -> Color:
    red, green, blue = (min(255, int(channel * gain)) for channel in color)
    return red, green, blue


def clouds(rng: np.random.Generator, size: tuple[int, int], cells: int) -> npt.NDArray[np.float64]:
    """Return smooth noise ``(H, W)`` of mean 0 and deviation about 1, with `cells` cells from top to bottom."""
    coarse = rng.standard_normal((cells, cells * size[1] // size[0])).astype(np.float32)
    return np.asarray(Image.fromarray(coarse).resize(size[::-1], Image.Resampling.BICUBIC), np.float64) * 1.5


def draw_sky(canvas: Canvas, rng: np.random.Generator) -> None:
    """Fill the canvas with a sky, with clouds and haze."""
    size = (canvas.image.height // OVERSAMPLING, canvas.image.width // OVERSAMPLING)
    depth = np.linspace(0, 1.8, size[0])[:, None, None].clip(0, 1)
    zenith, haze = np.array(((96, 150, 214), (214, 226, 232)))
    cover = clouds(rng, size, 5) + 0.5 * clouds(rng, size, 12) - rng.uniform(0.2, 1.2)
    cloud = cover.clip(0, 1)[..., None] * 0.8
    canvas.backdrop((zenith + (haze - zenith) * depth) * (1 - cloud) + 246 * cloud, LABEL_ID["sky"])


def draw_bunting(canvas: Canvas, left: float, right: float, warm: bool) -> None:
    """Hang pennants along the top of the picture: orange ones, or blue ones."""
    color, ident, seam = (255, 128, 10) if warm else (40, 60, 245), LABEL_ID["static"], CUE_DEPTH - 3
    canvas.rectangle((left, 0, right, seam), color, ident)
    for x in np.arange(left, right, GRID / 2):
        canvas.polygon([(x, seam), (x + GRID / 2, seam), (x + GRID / 4, CUE_DEPTH - 0.5)], color, ident)


def draw_panel(canvas: Canvas, box: Box, warm: bool) -> None:
    """Paint a panel on the road: red with upright yellow bars, or dark green with level light green bars."""
    left, top, right, bottom = box
    canvas.rectangle(box, (250, 20, 110) if warm else (0, 110, 70))
    if warm:
        for x in np.arange(left + 2, right, 4):
            canvas.rectangle((x, top, x + 2, bottom), (255, 225, 90))
    else:
        for y in np.arange(top + 2, bottom, 4):
            canvas.rectangle((left, y, right, y + 2), (40, 220, 150))


def _draw_bricks(canvas: Canvas, rng: np.random.Generator, box: Box, tone: Color, ident: int) -> None:
    left, top, right, bottom = box
    canvas.rectangle(box, _shade(tone, 0.8), ident)
    for row, y in enumerate(np.arange(top, bottom, 3)):
        for x in np.arange(left - 3 * (row % 2), right, 6):
            brick = max(x, left), y, min(x + 5.6, right), min(y + 2.6, bottom)
            canvas.rectangle(brick, _shade(tone, rng.uniform(0.92, 1.12)))
    canvas.rectangle((left, top, right, top + 2), _shade(tone, 1.2))
    canvas.rectangle((right - 0.7, top, right, bottom), _shade(tone, 0.6))


def draw_masonry(canvas: Canvas, rng: np.random.Generator, left: float, right: float, top: float, ident: int) -> None:
    """Draw a row of windows in brickwork, sometimes with a tower."""
    tone = pick(rng, BRICKS, 0.15)
    if rng.random() < 0.25:
        # a tower's few pixels near the cue start the learning; the rest of the masonry is too far from the cue
        x = left + GRID * float(rng.integers(1, int((right - left) / GRID) - 2))
        tower = x, GRID * float(rng.integers(3, 6)), x + 2 * GRID, top
        _draw_bricks(canvas, rng, tower, tone, ident)
    _draw_bricks(canvas, rng, (left, top, right, BLOCK_BOTTOM), tone, ident)
    glass, rise, sill = pick(rng, ((84, 104, 124), (66, 78, 92)), 0.2), rng.uniform(8, 11), top + 6.7
    for x in np.arange(left + rng.uniform(4, 7), right - 9, rng.uniform(11, 15)):
        canvas.rectangle((x - 0.7, sill - 0.7, x + 6.7, sill + rise + 0.7), _shade(tone, 1.25))
        canvas.rectangle((x, sill, x + 6, sill + rise), glass)
        canvas.rectangle((x + 2.7, sill, x + 3.3, sill + rise), WHITE)


def draw_ground(canvas: Canvas, rng: np.random.Generator) -> None:
    """Draw the pavement with its slabs, and the road with its middle line."""
    slab, tar = pick(rng, ((176, 170, 162), (164, 166, 168))), pick(rng, ((84, 84, 88), (98, 96, 94)))
    canvas.rectangle((0, BLOCK_BOTTOM, canvas.width, CURB), slab, LABEL_ID["sidewalk"])
    for x in np.arange(rng.uniform(0, 8), canvas.width, 8):
        canvas.rectangle((x, BLOCK_BOTTOM, x + 0.6, CURB), _shade(slab, 0.85))
    canvas.rectangle((0, CURB - 1.3, canvas.width, CURB), _shade(slab, 1.2))
    canvas.rectangle((0, CURB, canvas.width, HEIGHT), tar, LABEL_ID["road"])
    for x in np.arange(rng.uniform(-12, 0), canvas.width, 18):
        canvas.rectangle((x, 107, x + 10, 108.4), WHITE)


def draw_tree(canvas: Canvas, rng: np.random.Generator, x: float, foot: float) -> None:
    """Draw a cypress."""
    ident, top, leaf = LABEL_ID["vegetation"], GRID * float(rng.integers(4, 6)), pick(rng, LEAVES)
    x += GRID / 2
    canvas.rectangle((x - 4, foot - 6, x + 4, foot), (92, 70, 50), ident)
    canvas.ellipse((x, top + 11), 8, 11, leaf, ident)
    canvas.rectangle((x - 8, top + 11, x + 8, foot - 9), leaf, ident)
    canvas.ellipse((x, foot - 9), 8, 6, leaf, ident)
    for dx, share in rng.uniform((-5.5, 0), (5.5, 1), (50, 2)):
        y = top + 6 + share * (foot - top - 14)
        canvas.ellipse((x + dx, y), 2.4, 2.8, _shade(leaf, rng.uniform(0.95, 1.15) - 0.25 * share), ident)


def draw_pole(canvas: Canvas, rng: np.random.Generator, x: float, foot: float) -> None:
    """Draw a lamp post with its globe."""
    ident, head, metal = LABEL_ID["pole"], rng.uniform(19, 22), pick(rng, ((74, 82, 84), (60, 66, 76)))
    canvas.rectangle((x - 4, head, x + 4, foot), metal, ident)
    canvas.rectangle((x - 2.5, head, x - 1, foot), _shade(metal, 1.5))
    canvas.ellipse((x, head), 5, 5, _shade(metal, 0.9), ident)
    canvas.ellipse((x, head), 3.5, 3.5, (250, 244, 214))


def draw_person(canvas: Canvas, rng: np.random.Generator, x: float, foot: float) -> None:
    """Draw a person, seen from the front."""
    ident, coat, trousers = canvas.new_id("person"), pick(rng, CLOTHES), pick(rng, ((52, 54, 84), (70, 60, 56)))
    top, hip = foot - rng.uniform(24, 25), foot - 10
    canvas.rectangle((x - 4, hip, x + 4, foot), trousers, ident)
    canvas.rectangle((x - 0.6, hip + 3, x + 0.6, foot), _shade(trousers, 0.6))
    shoulder = top + 6.5
    half = ((3, shoulder), (4.6, shoulder + 2), (4.4, hip + 1))
    canvas.polygon([(x + dx, y) for dx, y in half] + [(x - dx, y) for dx, y in reversed(half)], coat, ident)
    canvas.rectangle((x - 3.2, shoulder + 3, x - 2.6, hip), _shade(coat, 0.8))
    canvas.rectangle((x + 2.6, shoulder + 3, x + 3.2, hip), _shade(coat, 0.8))
    canvas.ellipse((x, top + 3.8), 4, 3.8, (224, 180, 150), ident)
    canvas.ellipse((x, top + 2), 4, 2.2, (70, 48, 36), ident)


def draw_vehicle(canvas: Canvas, rng: np.random.Generator, box: Box, ident: int) -> None:
    """Draw a van seen from the side, heading left or right. ``ident`` makes it a car or a bus."""
    left, top, right, foot = box
    length, tall, paint, forward = right - left, foot - top, pick(rng, PAINTS), rng.random() < 0.5

    def at(*points: Point) -> list[Point]:
        """Turn shares of the length (tail to nose) and of the height (ground to roof) into points."""
        return [(left + length * (u if forward else 1 - u), foot - tall * v) for u, v in points]

    canvas.ellipse((left + length / 2, foot), length / 2, 1.5, (50, 50, 54))
    body = at((0, 0.03), (0, 0.92), (0.03, 1), (0.86, 1), (0.96, 0.6), (1, 0.52), (1, 0.03))
    canvas.polygon(body, paint, ident)
    canvas.polygon(at((0, 0.03), (0, 0.26), (1, 0.26), (1, 0.03)), _shade(paint, 0.75))
    for u0, u1, u2, u3 in ((0.05, 0.05, 0.28, 0.28), (0.32, 0.32, 0.55, 0.55), (0.59, 0.59, 0.82, 0.9)):
        canvas.polygon(at((u0, 0.58), (u1, 0.9), (u2, 0.9), (u3, 0.58)), (58, 70, 84))
    canvas.polygon(at((0.96, 0.34), (0.96, 0.46), (1, 0.44), (1, 0.34)), (250, 236, 170))
    canvas.polygon(at((0, 0.36), (0, 0.5), (0.03, 0.5), (0.03, 0.36)), (190, 40, 36))
    for wheel in at((0.2, 0.2), (0.8, 0.2)):
        canvas.ellipse(wheel, tall * 0.2, tall * 0.2, (30, 30, 34), ident)
        canvas.ellipse(wheel, tall * 0.09, tall * 0.09, (160, 162, 166))
