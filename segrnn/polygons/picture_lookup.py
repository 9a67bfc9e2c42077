"""Finding the pictures that files of annotations name."""

import os
from collections import defaultdict
from pathlib import Path, PurePosixPath

from segrnn.errors import DataError
from segrnn.images.reading import picture_suffixes
from segrnn.images.storage import File, Tree


class Pictures:
    """The pictures below a folder or in a zip archive.

    Args:
        root: the folder or the archive.

    Raises:
        DataError: the root does not exist, can't be read, or holds no pictures.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        try:
            files = Tree(root, archives=False).files()
        except OSError as error:
            raise DataError(f"{root} can't be read: {error}") from error
        self.files = {name: file for name, file in files.items() if file.suffix.lower() in picture_suffixes()}
        if not self.files:
            raise DataError(f"{root} holds no pictures: say with images=<folder> where they are")
        self._by_stem: dict[str, list[str]] = defaultdict(list)
        for name in self.files:
            self._by_stem[PurePosixPath(name).stem].append(name)
        folders = [PurePosixPath(name).parent.as_posix() for name in self.files]
        common = os.path.commonpath(folders)
        self._prefix = "" if common in ("", ".") else f"{common}/"

    def find(self, named: str, folder: str = "", other_suffix: bool = False) -> str:
        """Return the path, from the root, of the picture that a file of annotations names.

        The path is taken as it is, from the folder of the file of annotations, or from the root. If nothing is there,
        the picture is taken whose path ends with the longest part of it.

        Args:
            named: the path of the picture.
            folder: the folder of the file of annotations, from the root.
            other_suffix: whether a picture of this name with another suffix will do if there is none with this one.

        Raises:
            DataError: there is no such picture, or several could be meant.
        """
        path = PurePosixPath(named.replace("\\", "/"))
        for exact in (os.path.normpath(PurePosixPath(folder, path)), os.path.normpath(path)):
            if exact in self.files:
                return exact
        same_stem = self._by_stem[path.stem]
        found = [name for name in same_stem if PurePosixPath(name).suffix == path.suffix]
        found = found or (same_stem if other_suffix else [])
        ends = {name: _common_end(PurePosixPath(name), path) for name in found}
        best = [name for name in found if ends[name] == max(ends.values())]
        if not best:
            raise DataError(f"{self.root} does not hold the picture {named!r}: say with images=<folder> where it is")
        if len(best) > 1:
            raise DataError(
                f"{named!r} could be {' or '.join(best[:2])} in {self.root}: rename one of them, or say with "
                "images=<folder> where the right one is"
            )
        return best[0]

    def shorten(self, name: str) -> str:
        """Return a picture's path from the deepest folder that holds all pictures."""
        return name.removeprefix(self._prefix)

    def file(self, name: str) -> File:
        """Return the file of a picture, by its path from the root."""
        return self.files[name]


def _common_end(one: PurePosixPath, other: PurePosixPath) -> int:
    """Return the number of folders that two paths have in common at their ends."""
    pairs = zip(reversed(one.parent.parts), reversed(other.parent.parts), strict=False)
    count = 0
    for first, second in pairs:
        if first != second:
            break
        count += 1
    return count
