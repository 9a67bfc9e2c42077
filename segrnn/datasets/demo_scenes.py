"""Street scenes drawn by rule, in the layout of Cityscapes. This dataset needs no download.

Two pairs of classes look alike. Only a cue far away tells them apart:

* Building and wall are the same masonry. High above it, in the same columns, hangs bunting. Its colour is warm over a
  building and cold over a wall.
* Bus and car are the same vehicle. In the same rows, at one end of the lane, a panel is painted on the road. Its colour
  is warm for buses and cold for cars.

A network that sees about 50 pixels to each side has to guess. A network that sweeps columns and rows can know.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from segrnn.datasets import demo_drawing as drawing
from segrnn.datasets.demo_drawing import BLOCK_BOTTOM, CURB, GRID, HEIGHT, LABEL_ID, OVERSAMPLING, Canvas
from segrnn.datasets.drawn_folder import drawn_folder, draws

CITIES = {"train": ("arden", "brook"), "val": ("cliffton", "dunmere")}
"""The made-up cities of each split."""

# lengths are in units of 1/128 of the picture's height, as in demo_drawing
BLOCK_CLEARANCE = 48.0
"""The distance from the bunting down to its block, without the block's tower."""
LANE_CLEARANCE = 60.0
"""The distance from a lane's panel to its first vehicle. A few early vehicles stand nearer."""
LANES = ((CURB, 104.0), (112.0, 127.0))
PANEL_WIDTH = 20.0
QUEUE_END = 208.0


class Scene(NamedTuple):
    """A drawn scene with its labels."""

    image: npt.NDArray[np.uint8]
    """The picture in RGB, ``(H, W, 3)``."""
    label_ids: npt.NDArray[np.uint8]
    """The label ids of Cityscapes, ``(H, W)``."""
    instance_ids: npt.NDArray[np.uint16]
    """The instance ids ``(H, W)``: the label id, or for a person, car or bus the label id * 1000 + its number."""


@dataclass(frozen=True)
class Block:
    """Masonry from ``left`` to ``right``: a building under warm bunting, a wall under cold bunting."""

    left: float
    right: float
    top: float
    warm: bool


@dataclass(frozen=True)
class Lane:
    """A lane from ``top`` to ``bottom``: with buses if its panel is warm, with cars if the panel is cold."""

    top: float
    bottom: float
    panel_at_left: bool
    warm: bool


@dataclass(frozen=True)
class Plan:
    """The plan of a scene. `render` draws everything from ``seed`` and the geometry, except the ``warm`` choices."""

    size: tuple[int, int]
    blocks: tuple[Block, ...]
    lanes: tuple[Lane, ...]
    seed: int


def plan_scene(rng: np.random.Generator, size: tuple[int, int] = (128, 256)) -> Plan:
    """Lay out a scene of ``size`` (height, width), and toss a coin for each block and each lane.

    Raises:
        ValueError: the picture is too narrow for its height, so vehicles would be too near to their lane's panel.
    """
    height, width = size
    if width < 1.25 * height:
        raise ValueError(f"a scene must be at least 1.25 times as wide as high, got {height} x {width}")
    seed = int(rng.integers(2**32))
    right_end = HEIGHT * width / height
    spans: list[tuple[float, float, float]] = []
    x = GRID * float(rng.integers(0, 3))
    while right_end - x >= 5 * GRID:
        right = x + GRID * float(rng.integers(5, 11))
        right = right if right_end - right >= 5 * GRID else right_end
        spans.append((x, right, drawing.CUE_DEPTH + BLOCK_CLEARANCE + float(rng.choice((0, 2)))))
        x = right + GRID * float(rng.choice((0, 0, 2, 3)))
    panels = rng.random(len(LANES)) < 0.5
    # the coins are tossed last: nothing except the cues and the labels may depend on them
    over, along = rng.random(len(spans)) < 0.5, rng.random(len(panels)) < 0.5
    blocks = tuple(Block(*span, warm=bool(warm)) for span, warm in zip(spans, over, strict=True))
    edges = zip(LANES, panels, along, strict=True)
    lanes = tuple(Lane(*edge, bool(at_left), bool(warm)) for edge, at_left, warm in edges)
    return Plan(size, blocks, lanes, seed)


def render(plan: Plan) -> Scene:
    """Draw a planned scene, the farthest things first."""
    canvas, rng = Canvas(plan.size), np.random.default_rng(plan.seed)
    drawing.draw_sky(canvas, rng)
    for x in np.arange(-4.0, canvas.width, 7.0):
        canvas.ellipse((x, BLOCK_BOTTOM - 6), 7, 11, drawing.pick(rng, drawing.LEAVES), LABEL_ID["vegetation"])
    for block in plan.blocks:
        drawing.draw_bunting(canvas, block.left, block.right, block.warm)
        name = "building" if block.warm else "wall"
        drawing.draw_masonry(canvas, rng, block.left, block.right, block.top, LABEL_ID[name])
    drawing.draw_ground(canvas, rng)
    _fill_pavement(canvas, rng)
    for lane in plan.lanes:
        _fill_lane(canvas, rng, lane)
    canvas.rectangle((0, HEIGHT - 2, canvas.width, HEIGHT), (44, 46, 54), LABEL_ID["ego vehicle"])
    return _develop(canvas, rng)


def draw_scene(rng: np.random.Generator, size: tuple[int, int] = (128, 256)) -> Scene:
    """Plan and render a scene of ``size`` (height, width).

    Raises:
        ValueError: the picture is too narrow for its height.
    """
    return render(plan_scene(rng, size))


def _fill_pavement(canvas: Canvas, rng: np.random.Generator) -> None:
    """Draw trees, poles and people, each in a slot of its own, so that they hide little of one another."""
    slots = rng.permutation(np.arange(1.5 * GRID, canvas.width - GRID, 2 * GRID))
    counts = rng.integers((2, 2, 2), (4, 4, 5))
    draw = [drawing.draw_tree] * counts[0] + [drawing.draw_pole] * counts[1] + [drawing.draw_person] * counts[2]
    for x, draw_one in zip(slots, draw, strict=False):
        draw_one(canvas, rng, x, CURB)


def _fill_lane(canvas: Canvas, rng: np.random.Generator, lane: Lane) -> None:
    """Draw the panel at one end of a lane, and a queue of vehicles that begins far away from it."""

    def from_panel(start: float, length: float) -> drawing.Box:
        left = start if lane.panel_at_left else canvas.width - start - length
        return left, lane.top, left + length, lane.bottom

    name, end = "bus" if lane.warm else "car", min(QUEUE_END, canvas.width)
    drawing.draw_panel(canvas, from_panel(0, PANEL_WIDTH), lane.warm)
    if rng.random() < 0.2:  # an early vehicle near its cue starts the learning
        drawing.draw_vehicle(canvas, rng, from_panel(4 * GRID, 5 * GRID), canvas.new_id(name))
    start = PANEL_WIDTH + LANE_CLEARANCE
    while start + (length := GRID * float(rng.integers(5, 8))) <= end:
        drawing.draw_vehicle(canvas, rng, from_panel(start, length), canvas.new_id(name))
        start += length + GRID * float(rng.integers(1, 3))


def _develop(canvas: Canvas, rng: np.random.Generator) -> Scene:
    """Reduce a scene to its final size, and add light: exposure, tint, uneven surfaces and sensor noise."""
    image = np.asarray(canvas.image.reduce(OVERSAMPLING), np.float64)
    middle = slice(OVERSAMPLING // 2, None, OVERSAMPLING)
    instance_ids = np.asarray(canvas.ids)[middle, middle].astype(np.uint16)
    label_ids = np.where(instance_ids < 1000, instance_ids, instance_ids // 1000).astype(np.uint8)
    size = label_ids.shape
    light = rng.uniform(0.9, 1.08) * rng.uniform(0.97, 1.03, 3) + 0.015 * drawing.clouds(rng, size, 32)[..., None]
    noise = rng.normal(0, rng.uniform(2, 4), image.shape)
    return Scene((image * light + noise).clip(0, 255).astype(np.uint8), label_ids, instance_ids)


def write_demo(root: Path, train: int = 240, val: int = 40, seed: int = 0, size: tuple[int, int] = (128, 256)) -> None:
    """Draw a demo dataset and write it below ``root``. After a failure, nothing is left there.

    A scene depends only on the seed, its split and its number. If another process wrote ``root`` meanwhile, that copy
    stays and this one is dropped.

    Raises:
        ValueError: a split would have no scenes.
        OutputError: ``root`` exists already and is not an empty folder, or can't be written.
    """
    turns = draws("demo scenes", {"train": train, "val": val}, seed)
    with drawn_folder(root, "demo scenes") as draft:
        for split, number, rng in turns:
            _write_scene(draft, split, number, draw_scene(rng, size))


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
