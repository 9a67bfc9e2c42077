"""Setting the demo pages: a compositor puts words, graphics and zones into a layout.

All lengths are in units of 1/256 of the page's height, as in page_ink.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from segrnn.datasets.demo_drawing import Box
from segrnn.datasets.page_ink import CAPITALS, LETTERS, Capital, Plate, Word, word_width

PAD = 2.0
"""The distance of a zone's sides from its lines."""

Letters = tuple[int, ...]
"""The letters of a word, by their places in `LETTERS`."""


class Zone(NamedTuple):
    """A zone of a class."""

    name: str
    """The name of the class."""
    box: Box
    """The sides of the zone, before the page is tilted."""


@dataclass
class Layout:
    """What stands on one side of a leaf. Later zones lie over earlier ones."""

    words: list[Word] = field(default_factory=list)
    """All text of the page."""
    plates: list[Plate] = field(default_factory=list)
    """The graphics, and the ornaments behind drop capitals."""
    capitals: list[Capital] = field(default_factory=list)
    """The drop capitals."""
    zones: list[Zone] = field(default_factory=list)
    """The zones of all classes except the background."""


class Compositor:
    """A compositor, who sets lines that are ``pitch`` apart into a layout.

    Args:
        rng: the source of all chance.
        pitch: the distance from line to line.

    Example:
        >>> compositor = Compositor(np.random.default_rng(0), 8.0)
        >>> compositor.column((30.0, 40.0, 130.0, 120.0), opening=True)
        >>> [zone.name for zone in compositor.layout.zones]
        ['main zone', 'drop capital']
    """

    def __init__(self, rng: np.random.Generator, pitch: float) -> None:
        self._rng, self._pitch, self._size = rng, pitch, 0.36 * pitch
        self._space = 1.4 * self._size
        self.layout = Layout()

    def gap(self) -> float:
        """Return the distance of a line that stands alone. It is the same inside and outside the main zone."""
        return self._pitch * self._rng.uniform(0.6, 1.1)

    def choose_word(self, longest: int = 8) -> Letters:
        """Return a word of two letters or more."""
        return tuple(self._rng.integers(len(LETTERS), size=self._rng.integers(2, longest + 1)).tolist())

    def choose_words(self, room: float) -> list[Letters]:
        """Return as many words as a room holds, and at least one."""
        words: list[Letters] = []
        for longest in (8, 4, 2):  # shorter words fill what is left
            while self._measure([*words, word := self.choose_word(longest)]) <= room:
                words.append(word)
        return words or [self.choose_word(longest=2)]

    def _measure(self, words: list[Letters]) -> float:
        return sum(word_width(word, self._size) for word in words) + self._space * (len(words) - 1)

    def write(self, words: list[Letters], at: tuple[float, float], anchor: float = 0.0, stretch: float = 0.0) -> Box:
        """Write words on a line.

        Args:
            words: the words.
            at: the place of the line, as x and the top of the line.
            anchor: which part of the line stands at x: 0 for its left end, 0.5 for its middle, 1 for its right end.
            stretch: how much wider than usual its spaces are.

        Returns:
            The sides of the line.
        """
        x, top = at
        left = x = x - anchor * self._measure(words)
        for letters in words:
            self.layout.words.append(Word(x, top + 0.74 * self._pitch, self._size, letters))
            x += word_width(letters, self._size) + self._space + stretch
        return left, top, x - self._space - stretch, top + self._pitch

    def mark(self, name: str, boxes: list[Box]) -> None:
        """Draw a zone around boxes."""
        lefts, tops, rights, bottoms = zip(*boxes, strict=True)
        box = min(lefts) - PAD, min(tops) - PAD, max(rights) + PAD, max(bottoms) + PAD
        self.layout.zones.append(Zone(name, box))

    def print_plate(self, box: Box) -> None:
        """Print a hatched plate with two to four ellipses."""
        corners = self._rng.uniform(0.05, 0.6, (int(self._rng.integers(2, 5)), 2))
        sides = self._rng.uniform(0.15, 0.35, corners.shape)
        shapes = tuple(np.hstack([corners, corners + sides]).tolist())
        self.layout.plates.append(Plate(box, self._rng.uniform(-0.5, 0.5), shapes))

    def graphic(self, box: Box) -> None:
        """Print a graphic with its zone."""
        self.print_plate(box)
        self.mark("graphic", [box])

    def column(self, box: Box, opening: bool) -> None:
        """Fill a column with paragraphs, headings, drop capitals and graphics.

        Args:
            box: the sides of the column.
            opening: whether a chapter begins at its top.
        """
        left, top, right, bottom = box
        y, chapter, first = top, opening, len(self.layout.zones)
        while (lines := int((bottom - y) / self._pitch + 1e-6)) > 0:
            if chapter:
                y = self._set_heading(left, right, y)
                lines = int((bottom - y) / self._pitch + 1e-6)
            wanted = int(self._rng.integers(4, 10))
            y = self._set_paragraph(left, right, y, lines if lines < wanted + 2 else wanted, chapter)
            choice, rest, chapter = self._rng.random(), (bottom - y) / self._pitch, False
            if rest > 9 and choice < 0.25:
                plate = left, y + self.gap(), right, y + self._pitch * self._rng.uniform(4, 7)
                self.graphic(plate)
                y = plate[3] + self.gap()
            elif rest > 8 and choice > 0.85:
                y, chapter = y + self.gap(), True
        self.mark("main zone", [(left, top, right, y)])
        self.layout.zones.insert(first, self.layout.zones.pop())  # it lies under what stands in it

    def _set_heading(self, left: float, right: float, y: float) -> float:
        """Set a heading, and return where the text below it begins."""
        words = self.choose_words((right - left) * self._rng.uniform(0.3, 0.8))
        return self.write(words, ((left + right) / 2, y), anchor=0.5)[3] + self.gap()

    def _set_paragraph(self, left: float, right: float, y: float, lines: int, begins: bool) -> float:
        """Set a paragraph, with a drop capital where a chapter begins. Return where it ends."""
        hollow = 2 + int(self._rng.random() < 0.6) if begins else 0
        corner = left + hollow * self._pitch * self._rng.uniform(0.85, 1.1)
        if begins:
            self._set_capital((left, y + 1, corner, y + hollow * self._pitch - 1))
        for line in range(lines):
            start = corner + self._space if line < hollow else left + 1.5 * self._space * (line == 0)
            room, is_last = right - start, line == lines - 1
            words = self.choose_words(room * min(1.0, self._rng.uniform(0.2, 1.3)) if is_last else room)
            slack = room - self._measure(words)
            self.write(words, (start, y), stretch=0.0 if is_last else slack / max(1, len(words) - 1))
            y += self._pitch
        return y

    def _set_capital(self, box: Box) -> None:
        """Set a drop capital, which may stand on an ornament."""
        if self._rng.random() < 0.5:
            self.print_plate(box)
        self.layout.capitals.append(Capital(box, int(self._rng.choice(CAPITALS))))
        self.mark("drop capital", [box])
