"""Street scenes drawn by rule, in the layout of Cityscapes: a dataset that needs no download.

Two pairs of classes look alike and are told apart only by a cue that lies far away:

* building and wall are the same masonry; the bunting high above it, in the same columns, is orange over a building and
  blue over a wall,
* bus and car are the same vehicle; the panels painted on the road at the ends of its lane, in the same rows, are pink
  for buses and green for cars.

A network that sees some 50 pixels to each side has to guess most of them; one that sweeps columns and rows can know.
A few of them (towers, vehicles near a panel) are close to their cue: from these the rule is soon learned.
"""

import os
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw
from rich.console import Console
from rich.progress import track

from segrnn.errors import OutputError
from segrnn.labels.cityscapes import CITYSCAPES

CITIES = {"train": ("arden", "brook"), "val": ("cliffton", "dunmere")}
"""The made-up cities of each split."""

# All lengths below are in units of 1/128 of the picture's height: pixels, at the default size.
HEIGHT = 128.0
CUE_DEPTH = 8.0
BLOCK_BOTTOM = 80.0
CURB = 88.0
LANES = ((88.0, 104.0), (112.0, 127.0))
PANEL_WIDTH = 16.0
CLEARANCE = 64.0
"""How far from both panels of their lane vehicles are, but for a few."""
GRID = 8.0
"""Most edges lie on this grid: a network that labels cells of 8 pixels is judged by its classes, not its edges."""

OVERSAMPLING = 3
"""Scenes are drawn this much larger; odd, so that a pixel's label is that of its centre."""

_ID = {label.name: label.id for label in CITYSCAPES.labels}
_INSTANCE_NAMES = {label.name for label in CITYSCAPES.labels if label.has_instances}

Color = tuple[int, int, int]
Point = tuple[float, float]

BUNTING: dict[str, Color] = {"building": (255, 128, 10), "wall": (40, 60, 245)}
PANEL: dict[str, Color] = {"bus": (250, 20, 130), "car": (0, 215, 110)}
WHITE: Color = (240, 240, 235)
BRICKS: tuple[Color, ...] = ((176, 104, 80), (204, 176, 136), (150, 146, 142), (186, 128, 104), (214, 200, 172))
PAINTS: tuple[Color, ...] = (
    (226, 226, 222),
    (150, 156, 160),
    (70, 74, 82),
    (150, 52, 54),
    (96, 128, 112),
    (196, 178, 140),
)
CLOTHES: tuple[Color, ...] = ((190, 50, 90), (230, 200, 70), (60, 130, 120), (110, 70, 150), (220, 110, 130))
LEAVES: tuple[Color, ...] = ((62, 118, 48), (84, 138, 52), (48, 98, 56))


class Scene(NamedTuple):
    """A drawn scene."""

    image: npt.NDArray[np.uint8]
    """RGB, ``(H, W, 3)``."""
    label_ids: npt.NDArray[np.uint8]
    """Cityscapes label ids, ``(H, W)``."""
    instance_ids: npt.NDArray[np.uint16]
    """``(H, W)``: the label id, or for a person, car or bus the label id * 1000 + its number."""


@dataclass(frozen=True)
class Block:
    """Masonry from ``left`` to ``right``, of the class ``kind``: building or wall."""

    left: float
    right: float
    top: float
    kind: str


@dataclass(frozen=True)
class Lane:
    """A lane from ``top`` to ``bottom``, with vehicles of the class ``kind``: bus or car."""

    top: float
    bottom: float
    kind: str


@dataclass(frozen=True)
class Plan:
    """What a scene shows. But for the cues, all that `render` paints follows from ``seed`` and the geometry."""

    size: tuple[int, int]
    blocks: tuple[Block, ...]
    lanes: tuple[Lane, ...]
    seed: int


class _Canvas:
    """A picture and its instance ids, drawn with the same strokes; coordinates are x, y in units."""

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
        """The id of a new object of the class: numbered if the class has instances."""
        if name not in _INSTANCE_NAMES:
            return _ID[name]
        self._count[name] += 1
        return _ID[name] * 1000 + self._count[name] - 1

    def _box(self, left: float, top: float, right: float, bottom: float) -> tuple[int, int, int, int]:
        x0, y0, x1, y1 = (round(v * self._scale) for v in (left, top, right, bottom))
        return x0, y0, max(x0, x1 - 1), max(y0, y1 - 1)  # Pillow counts the last pixel in

    def rectangle(self, box: tuple[float, float, float, float], color: Color, ident: int | None = None) -> None:
        """Fill left, top, right, bottom; without ``ident`` it is a detail of what is there already."""
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
        """Fill everything with a picture, ``(H, W, 3)`` in 0 to 255."""
        self.image.paste(Image.fromarray(picture.clip(0, 255).astype(np.uint8)).resize(self.image.size))
        self.ids.paste(ident, (0, 0, *self.ids.size))


def plan_scene(rng: np.random.Generator, size: tuple[int, int] = (128, 256)) -> Plan:
    """Lay out a scene of ``size`` (height, width), and toss a coin for each block and each lane.

    Raises:
        ValueError: a picture too narrow for its height: vehicles have to keep clear of their lane's panels.
    """
    height, width = size
    if width < 1.75 * height:
        raise ValueError(f"a scene must be at least 1.75 times as wide as high, got {height} x {width}")
    seed = int(rng.integers(2**32))
    right_end = HEIGHT * width / height
    spans: list[tuple[float, float, float]] = []
    x = GRID * float(rng.integers(0, 3))
    while right_end - x >= 5 * GRID:
        right = x + GRID * float(rng.integers(5, 11))
        right = right if right_end - right >= 5 * GRID else right_end
        spans.append((x, right, 56.0 + 2 * float(rng.integers(0, 2))))
        x = right + GRID * float(rng.choice((0, 0, 2, 3)))
    # the coins come last: nothing that is drawn may depend on them but the cues
    over, along = rng.random(len(spans)) < 0.5, rng.random(len(LANES)) < 0.5
    blocks = tuple(Block(*span, "building" if coin else "wall") for span, coin in zip(spans, over, strict=True))
    lanes = tuple(Lane(*edges, "bus" if coin else "car") for edges, coin in zip(LANES, along, strict=True))
    return Plan(size, blocks, lanes, seed)


def render(plan: Plan) -> Scene:
    """Draw a planned scene, the farthest things first."""
    canvas, rng = _Canvas(plan.size), np.random.default_rng(plan.seed)
    _draw_sky(canvas, rng)
    for x in np.arange(-4.0, canvas.width, 7.0):
        canvas.ellipse((x, 74), 7, 11, _pick(rng, LEAVES), _ID["vegetation"])
    for block in plan.blocks:
        _draw_bunting(canvas, block)
        _draw_masonry(canvas, rng, block)
    _draw_ground(canvas, rng)
    _draw_pavement_life(canvas, rng)
    for lane in plan.lanes:
        _draw_lane(canvas, rng, lane)
    canvas.rectangle((0, HEIGHT - 2, canvas.width, HEIGHT), (44, 46, 54), _ID["ego vehicle"])
    return _develop(canvas, rng)


def draw_scene(rng: np.random.Generator, size: tuple[int, int] = (128, 256)) -> Scene:
    """Plan and render a scene of ``size`` (height, width).

    Raises:
        ValueError: a picture too narrow for its height.
    """
    return render(plan_scene(rng, size))


def _pick(rng: np.random.Generator, colors: Sequence[Color], spread: float = 0.1) -> Color:
    return _shade(colors[int(rng.integers(len(colors)))], rng.uniform(1 - spread, 1 + spread))


def _shade(color: Color, gain: float) -> Color:
    red, green, blue = (min(255, int(channel * gain)) for channel in color)
    return red, green, blue


def _clouds(rng: np.random.Generator, size: tuple[int, int], cells: int) -> npt.NDArray[np.float64]:
    """Smooth noise of mean 0 and deviation about 1, ``(H, W)``, with so many cells from top to bottom."""
    coarse = rng.standard_normal((cells, cells * size[1] // size[0])).astype(np.float32)
    return np.asarray(Image.fromarray(coarse).resize(size[::-1], Image.Resampling.BICUBIC), np.float64) * 1.5


def _draw_sky(canvas: _Canvas, rng: np.random.Generator) -> None:
    size = (canvas.image.height // OVERSAMPLING, canvas.image.width // OVERSAMPLING)
    depth = np.linspace(0, 1.8, size[0])[:, None, None].clip(0, 1)
    zenith, haze = np.array(((96, 150, 214), (214, 226, 232)))
    cover = _clouds(rng, size, 5) + 0.5 * _clouds(rng, size, 12) - rng.uniform(0.2, 1.2)
    cloud = cover.clip(0, 1)[..., None] * 0.8
    canvas.backdrop((zenith + (haze - zenith) * depth) * (1 - cloud) + 246 * cloud, _ID["sky"])


def _draw_bunting(canvas: _Canvas, block: Block) -> None:
    ident = _ID["static"]
    color = BUNTING[block.kind]
    for x in np.arange(block.left, block.right, GRID / 2):
        canvas.rectangle((x, 0, x + 4, CUE_DEPTH - 3), color, ident)
        canvas.polygon([(x, CUE_DEPTH - 3), (x + 4, CUE_DEPTH - 3), (x + 2, CUE_DEPTH)], color, ident)


def _draw_masonry(canvas: _Canvas, rng: np.random.Generator, block: Block) -> None:
    left, right, top = block.left, block.right, block.top
    tone = _pick(rng, BRICKS, 0.15)
    canvas.rectangle((left, top, right, BLOCK_BOTTOM), _shade(tone, 0.8), _ID[block.kind])
    for row, y in enumerate(np.arange(top, BLOCK_BOTTOM, 3)):
        for x in np.arange(left - 3 * (row % 2), right, 6):
            brick = max(x, left), y, min(x + 5.6, right), min(y + 2.6, BLOCK_BOTTOM)
            canvas.rectangle(brick, _shade(tone, rng.uniform(0.92, 1.12)))
    canvas.rectangle((left, top, right, top + 2), _shade(tone, 1.2))
    if rng.random() < 0.35:  # a tower, some of them close to the bunting
        x = left + GRID * float(rng.integers(1, int((right - left) // GRID) - 2))
        spire = 24 + GRID * float(rng.integers(0, 3))
        canvas.rectangle((x, spire, x + 16, top), tone, _ID[block.kind])
    glass, rise = _pick(rng, ((84, 104, 124), (66, 78, 92)), 0.2), rng.uniform(8, 11)
    for x in np.arange(left + rng.uniform(4, 7), right - 9, rng.uniform(11, 15)):
        canvas.rectangle((x - 0.7, top + 6, x + 6.7, top + 7.4 + rise), _shade(tone, 1.25))
        canvas.rectangle((x, top + 6.7, x + 6, top + 6.7 + rise), glass)
        canvas.rectangle((x + 2.7, top + 6.7, x + 3.3, top + 6.7 + rise), WHITE)
    canvas.rectangle((right - 0.7, top, right, BLOCK_BOTTOM), _shade(tone, 0.6))


def _draw_ground(canvas: _Canvas, rng: np.random.Generator) -> None:
    slab, tar = _pick(rng, ((176, 170, 162), (164, 166, 168))), _pick(rng, ((84, 84, 88), (98, 96, 94)))
    canvas.rectangle((0, BLOCK_BOTTOM, canvas.width, CURB), slab, _ID["sidewalk"])
    for x in np.arange(rng.uniform(0, 8), canvas.width, 8):
        canvas.rectangle((x, BLOCK_BOTTOM, x + 0.6, CURB), _shade(slab, 0.85))
    canvas.rectangle((0, CURB - 1.3, canvas.width, CURB), _shade(slab, 1.2))
    canvas.rectangle((0, CURB, canvas.width, HEIGHT), tar, _ID["road"])
    for x in np.arange(rng.uniform(-12, 0), canvas.width, 18):
        canvas.rectangle((x, 107, x + 10, 108.4), WHITE)


def _draw_pavement_life(canvas: _Canvas, rng: np.random.Generator) -> None:
    """Trees, poles and people, each in a slot of its own so that they hide little of one another."""
    slots = rng.permutation(np.arange(1.5 * GRID, canvas.width - GRID, 2 * GRID))
    counts = rng.integers((2, 2, 2), (4, 4, 5))
    draw = [_draw_tree] * counts[0] + [_draw_pole] * counts[1] + [_draw_person] * counts[2]
    for x, draw_one in zip(slots, draw, strict=False):
        draw_one(canvas, rng, x, CURB)


def _draw_tree(canvas: _Canvas, rng: np.random.Generator, x: float, foot: float) -> None:
    ident, top, leaf = _ID["vegetation"], GRID * float(rng.integers(4, 6)), _pick(rng, LEAVES)
    x += GRID / 2
    canvas.rectangle((x - 4, foot - 6, x + 4, foot), (92, 70, 50), ident)
    canvas.ellipse((x, top + 11), 8, 11, leaf, ident)
    canvas.rectangle((x - 8, top + 11, x + 8, foot - 9), leaf, ident)
    canvas.ellipse((x, foot - 9), 8, 6, leaf, ident)
    for dx, share in rng.uniform((-5.5, 0), (5.5, 1), (50, 2)):
        y = top + 6 + share * (foot - top - 14)
        canvas.ellipse((x + dx, y), 2.4, 2.8, _shade(leaf, rng.uniform(0.95, 1.15) - 0.25 * share), ident)


def _draw_pole(canvas: _Canvas, rng: np.random.Generator, x: float, foot: float) -> None:
    ident, head, metal = _ID["pole"], rng.uniform(19, 22), _pick(rng, ((74, 82, 84), (60, 66, 76)))
    canvas.rectangle((x - 4, head, x + 4, foot), metal, ident)
    canvas.rectangle((x - 2.5, head, x - 1, foot), _shade(metal, 1.5))
    canvas.ellipse((x, head), 5, 5, _shade(metal, 0.9), ident)
    canvas.ellipse((x, head), 3.5, 3.5, (250, 244, 214))


def _draw_person(canvas: _Canvas, rng: np.random.Generator, x: float, foot: float) -> None:
    ident, coat, trousers = canvas.new_id("person"), _pick(rng, CLOTHES), _pick(rng, ((52, 54, 84), (70, 60, 56)))
    top, hip = foot - rng.uniform(24, 25), foot - 10
    canvas.rectangle((x - 4, hip, x + 4, foot), trousers, ident)
    canvas.rectangle((x - 0.6, hip + 3, x + 0.6, foot), _shade(trousers, 0.6))
    shoulder = top + 6.5
    right = [(3, shoulder), (4.6, shoulder + 2), (4.4, hip + 1)]
    canvas.polygon([(x + dx, y) for dx, y in right] + [(x - dx, y) for dx, y in reversed(right)], coat, ident)
    canvas.rectangle((x - 3.2, shoulder + 3, x - 2.6, hip), _shade(coat, 0.8))
    canvas.rectangle((x + 2.6, shoulder + 3, x + 3.2, hip), _shade(coat, 0.8))
    canvas.ellipse((x, top + 3.8), 4, 3.8, (224, 180, 150), ident)
    canvas.ellipse((x, top + 2), 4, 2.2, (70, 48, 36), ident)


def _draw_lane(canvas: _Canvas, rng: np.random.Generator, lane: Lane) -> None:
    for left in (0, canvas.width - PANEL_WIDTH):
        canvas.rectangle((left, lane.top, left + PANEL_WIDTH, lane.bottom), PANEL[lane.kind])
    if rng.random() < 0.2:  # close to a panel
        near = 2 * PANEL_WIDTH
        _draw_vehicle(canvas, rng, lane, near if rng.random() < 0.5 else canvas.width - near - 5 * GRID, 5 * GRID)
    left = PANEL_WIDTH + CLEARANCE
    while True:
        length = GRID * float(rng.integers(5, 7))
        if left + length > canvas.width - PANEL_WIDTH - CLEARANCE:
            break
        _draw_vehicle(canvas, rng, lane, left, length)
        left += length + GRID * float(rng.integers(1, 3))


def _draw_vehicle(canvas: _Canvas, rng: np.random.Generator, lane: Lane, left: float, length: float) -> None:
    ident, paint = canvas.new_id(lane.kind), _pick(rng, PAINTS)
    foot, forward = lane.bottom, rng.random() < 0.5
    tall = lane.bottom - lane.top

    def at(*points: Point) -> list[Point]:
        """From shares of the length, tail to nose, and of the height, ground to roof."""
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


def _develop(canvas: _Canvas, rng: np.random.Generator) -> Scene:
    """Reduce to the final size, and light it: exposure, tint, uneven surfaces, sensor noise."""
    image = np.asarray(canvas.image.reduce(OVERSAMPLING), np.float64)
    middle = slice(OVERSAMPLING // 2, None, OVERSAMPLING)
    instance_ids = np.asarray(canvas.ids)[middle, middle].astype(np.uint16)
    label_ids = np.where(instance_ids < 1000, instance_ids, instance_ids // 1000).astype(np.uint8)
    size = label_ids.shape
    light = rng.uniform(0.94, 1.06) * rng.uniform(0.98, 1.02, 3) + 0.015 * _clouds(rng, size, 32)[..., None]
    noise = rng.normal(0, rng.uniform(2, 3), image.shape)
    return Scene((image * light + noise).clip(0, 255).astype(np.uint8), label_ids, instance_ids)


def write_demo(root: Path, train: int = 240, val: int = 40, seed: int = 0) -> None:
    """Draw a demo dataset and write it below ``root``: all of it or, on a failure, nothing.

    A scene depends on the seed, its split and its number only. If another process wrote ``root`` meanwhile, that copy
    stays and this one is dropped.

    Raises:
        OutputError: ``root`` is there already and not an empty folder, or can't be written.
    """
    if _is_taken(root):
        raise OutputError(f"{root} exists already and would be overwritten: remove it, or name another folder")
    jobs = [(split, number) for split, count in zip(CITIES, (train, val), strict=True) for number in range(count)]
    console = Console(stderr=True)
    try:
        root.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{root.name}-", dir=root.parent) as scratch:
            draft = Path(scratch, root.name)
            for split, number in track(jobs, "drawing demo scenes", console=console):
                rng = np.random.default_rng([seed, list(CITIES).index(split), number])
                _write_scene(draft, split, number, draw_scene(rng))
            _publish(draft, root)
    except OSError as error:
        raise OutputError(f"can't write the demo scenes to {root}: {error}") from error


def _is_taken(root: Path) -> bool:
    return root.exists() and not (root.is_dir() and not any(root.iterdir()))


def _publish(draft: Path, root: Path) -> None:
    try:
        os.replace(draft, root)  # onto an empty folder too; fails on a full one
    except OSError:
        if not _is_taken(root):
            raise


def _write_scene(root: Path, split: str, number: int, scene: Scene) -> None:
    cities = CITIES[split]
    city, sequence = cities[number % len(cities)], number // len(cities)
    for kind, suffix, pixels in (
        ("leftImg8bit", "leftImg8bit", scene.image),
        ("gtFine", "gtFine_labelIds", scene.label_ids),
        ("gtFine", "gtFine_instanceIds", scene.instance_ids),
    ):
        folder = root / kind / split / city
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(folder / f"{city}_{sequence:06d}_000019_{suffix}.png")
