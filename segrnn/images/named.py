"""The names of files that are not on a disk."""

from abc import ABC, abstractmethod
from pathlib import PurePosixPath


class Named(ABC):
    """A file in a store or an archive, whose name and its parts are those that a `Path` would have."""

    @property
    @abstractmethod
    def place(self) -> PurePosixPath:
        """Return the path inside the store or the archive."""

    @property
    def name(self) -> str:
        """Return the last part of the path."""
        return self.place.name

    @property
    def stem(self) -> str:
        """Return the name without its suffix."""
        return self.place.stem

    @property
    def suffix(self) -> str:
        """Return the suffix with its dot."""
        return self.place.suffix
