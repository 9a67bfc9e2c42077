"""Names from strangers, as archives of all kinds have them."""

from pathlib import PurePosixPath, PureWindowsPath

import numpy as np
import pytest

from segrnn.paths import safe_path

NAMES = {
    "images/a.b.png": "images/a.b.png",
    "./images//a.png": "images/a.png",
    "images\\sub\\a.png": "images/sub/a.png",
    "images/..\\..\\a.png": "images/a.png",
    "/etc/passwd": "etc/passwd",
    "../../../etc/passwd": "etc/passwd",
    "a/../../b.png": "a/b.png",
    "c:\\windows\\a.png": "windows/a.png",
    "D:a.png": "a.png",
    "\\\\server\\share\\a.png": "server/share/a.png",
    "\\\\?\\C:\\a.png": "?/a.png",
    "a\0.png": "a_.png",
    "a\x1b[31m\n.png": "a_[31m_.png",
    "CON": "_CON",
    "con.tar.gz": "_con.tar.gz",
    "lpt1 .txt": "_lpt1 .txt",
    "aux/nul.png/COM7": "_aux/_nul.png/_COM7",
    "console.png": "console.png",
    "com10": "com10",
    "a. . /b...": "a/b",
    "12:30 straße 早.png": "12:30 straße 早.png",
    ".hidden/a": ".hidden/a",
}


@pytest.mark.parametrize("name", NAMES)
def test_a_name_becomes_a_path_that_stays(name: str) -> None:
    assert str(safe_path(name)) == NAMES[name]
    assert safe_path(NAMES[name]) == PurePosixPath(NAMES[name]), "what is safe stays as it is"


@pytest.mark.parametrize("name", ["", ".", "/", "..", "../..", "\\", "C:", "C:\\", "...", " ", "./ /."])
def test_a_name_of_nothing_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="is not the name of a file"):
        safe_path(name)


def test_no_name_leads_out() -> None:
    rng = np.random.default_rng(0)
    pieces = ["..", ".", "/", "\\", "a", "C:", "con", "\0", "\n", " ", ".png", "\udcdf", "//", "~", "$HOME", "早"]
    for _ in range(3000):
        name = "".join(rng.choice(pieces, rng.integers(1, 9)))
        try:
            path = safe_path(name)
        except ValueError:
            continue
        assert not path.is_absolute()
        assert not {"..", ".", ""} & set(path.parts)
        assert not PureWindowsPath(str(path)).root
        assert "\\" not in str(path)
        assert str(path).isprintable() or "\udcdf" in str(path)
