"""The layout of the demo pages: what stands where, by the habits of printers.

* The text block moves from page to page, and its size changes. It has one column or two.
* A running title stands above the block, in its middle. On the first page of a chapter, a heading stands there, which
  belongs to the main zone. The drop capital under it shows that it is a heading.
* A page number stands in the outer corner of the head line, or at the foot in the middle of the block.
* A quire mark stands at the foot, under the right part of the block. The foot line keeps its place where the text ends
  early.
* Notes stand in the margins, next to the block.

All of them are the same words. A network has to find the text block, which is far larger than what it sees around a
word.
"""

from typing import NamedTuple

import numpy as np

from segrnn.datasets.demo_drawing import Box
from segrnn.datasets.page_ink import HEIGHT
from segrnn.datasets.page_setting import Compositor, Layout

EDGE = 7.0
"""The least distance of notes and text from the sides of the page."""
HEAD, FOOT = 24.0, 24.0
"""The least room above and below the type area."""
GUTTER = 8.0
"""The distance between two columns."""


class Area(NamedTuple):
    """The type area of a page. Head line, foot line and notes stand around it."""

    box: Box
    """The sides of the area."""
    pitch: float
    """The distance from line to line."""
    columns: int
    """The number of columns."""
    margins: tuple[Box, ...]
    """The sides of the margins with notes."""


def choose_area(rng: np.random.Generator, width: float, recto: bool) -> Area:
    """Choose the type area of a page that is ``width`` units wide, and the margins with notes.

    Args:
        rng: the source of all chance.
        width: the width of the page.
        recto: whether the outer side of the page is the right one. Most notes stand in the outer margin.
    """
    pitch = rng.uniform(7.8, 9.4)
    outer, inner = (float(rng.uniform(32, 42)) if rng.random() < chance else 0.0 for chance in (0.45, 0.15))
    before, after = (inner, outer) if recto else (outer, inner)
    room = width - 2 * EDGE - before - after
    is_double = bool(rng.random() < 0.35)
    wide = min(room, rng.uniform(84, 122) + 14 * is_double)
    left = EDGE + before + rng.uniform(0, room - wide)
    right, top = left + wide, rng.uniform(HEAD, 74)
    bottom = top + pitch * min(int(rng.integers(13, 23)), int((HEIGHT - FOOT - top) / pitch))
    gap = rng.uniform(5, 8)
    sides = (left - before, left - gap), (right + gap, right + after)
    margins = tuple((start, top, end, bottom) for start, end in sides if end > start)
    return Area((left, top, right, bottom), pitch, 1 + (is_double and wide > 95), margins)


def lay_out(rng: np.random.Generator, width: float) -> Layout:
    """Lay out a page that is ``width`` units wide.

    Example:
        >>> layout = lay_out(np.random.default_rng(0), 176.0)
        >>> layout.zones[0].name, len(layout.words) > 50
        ('main zone', True)
    """
    recto = bool(rng.random() < 0.5)
    area = choose_area(rng, width, recto)
    compositor = Compositor(rng, area.pitch)
    left, top, right, bottom = area.box
    number_at, opening, short = rng.random(), rng.random() < 0.3, rng.random() < 0.3
    start, end = top, bottom
    if opening:
        start += area.pitch * float(rng.integers(1, 7))
        if start - top > 2.5 * area.pitch and rng.random() < 0.6:
            compositor.graphic((left, top, right, start - compositor.gap()))
    elif short:
        end -= (bottom - top) * rng.uniform(0.2, 0.6)
    wide = (right - left - GUTTER * (area.columns - 1)) / area.columns
    for column in range(area.columns):
        x, is_last = left + column * (wide + GUTTER), column == area.columns - 1
        compositor.column((x, start, x + wide, end if is_last else bottom), opening and column == 0)
    if not opening:
        _set_head_line(compositor, rng, area, recto, has_number=number_at < 0.42)
    _set_foot_line(compositor, rng, area, has_number=number_at > 0.58)
    for margin in area.margins:
        _set_notes(compositor, rng, margin, area.pitch)
    return compositor.layout


def _set_head_line(compositor: Compositor, rng: np.random.Generator, area: Area, recto: bool, has_number: bool) -> None:
    """Set a running title in the middle of the head line, and a page number in its outer corner."""
    left, top, right, _ = area.box
    line = top - compositor.gap() - area.pitch
    if has_number:
        outer = (right, line) if recto else (left, line)
        number = compositor.write([compositor.choose_word(4)], outer, anchor=float(recto))
        compositor.mark("page number", [number])
    if rng.random() < 0.8:
        room = (right - left) * rng.uniform(0.3, 0.8)
        words = compositor.choose_words(min(room, right - left - 56) if has_number else room)
        title = compositor.write(words, ((left + right) / 2, line), anchor=0.5)
        compositor.mark("running title", [title])


def _set_foot_line(compositor: Compositor, rng: np.random.Generator, area: Area, has_number: bool) -> None:
    """Set a page number in the middle of the foot line, and a quire mark under the right part of the block."""
    left, _, right, bottom = area.box
    line = bottom + compositor.gap()
    places = [("page number", 0.5)] if has_number else []
    if rng.random() < 0.55:
        places.append(("quire mark", rng.uniform(0.78, 0.94)))
    for name, share in places:
        box = compositor.write([compositor.choose_word(4)], (left + share * (right - left), line), anchor=0.5)
        compositor.mark(name, [box])


def _set_notes(compositor: Compositor, rng: np.random.Generator, margin: Box, pitch: float) -> None:
    """Set one note or two into a margin."""
    left, top, right, bottom = margin
    y = top + pitch * float(rng.integers(0, 5))
    for _ in range(int(rng.integers(1, 3))):
        lines = int(rng.integers(2, 8))
        if y + lines * pitch > bottom:
            break
        boxes = [
            compositor.write(compositor.choose_words(right - left), (left, y + line * pitch)) for line in range(lines)
        ]
        compositor.mark("margin text", boxes)
        y += pitch * (lines + float(rng.integers(1, 7)))
