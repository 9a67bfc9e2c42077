"""What is optional is asked for by name."""

import sys

import numpy as np
import pytest

from segrnn.errors import ConfigError
from segrnn.labels import Label, LabelSpace
from segrnn.polygons import Outliner, Polygon


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = LabelSpace("one", [Label("a", 0, 0, (0, 0, 0))])
    for name in ("pycocotools", "shapely"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ConfigError, match=r'polygons need pycocotools.*pip install "segrnn\[polygons\]"'):
        Polygon.box(0, 0, 1, 1).encode((2, 2))
    with pytest.raises(ConfigError, match=r'need shapely.*pip install "segrnn\[polygons\]", or .*tolerance=0'):
        Outliner().check(labels)
    Outliner(tolerance=0).check(labels)  # neither is needed to follow the pixels
    assert len(Outliner(tolerance=0).regions(labels, np.zeros((2, 2), np.uint8))) == 1
