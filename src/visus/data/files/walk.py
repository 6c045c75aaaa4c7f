"""Which files a folder holds, and where an image lies whose name is written as another machine knew it."""

from __future__ import annotations

import os
import unicodedata
import warnings
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PureWindowsPath
from urllib.parse import unquote

from visus.data.files.suffixes import SUFFIXES

_DEEPEST = 32  # folders above an image that are tried


def is_left_behind(name: str) -> bool:
    """Whether a file or folder is hidden, or left behind by a system, an archiver or a notebook."""
    return name.startswith((".", "__MACOSX"))


def visible(folder: Path) -> list[Path]:
    """What lies in a folder itself, in alphabetical order; nothing where there is no such folder."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if not is_left_behind(path.name))


def walk_files(root: Path, suffixes: Iterable[str] = SUFFIXES) -> Iterator[Path]:
    """The files below a folder that have one of the endings, folder by folder, each folder once whatever links say.

    Args:
        root: the folder.
        suffixes: in lower case.
    """
    endings = tuple(suffixes)
    seen: set[str] = set()  # a link may lead back to a folder above it
    seen.update(str(above) for above in Path(os.path.realpath(root)).parents)
    for place, folders, names in os.walk(root, followlinks=True):
        real = os.path.realpath(place)
        again = real in seen
        folders[:] = [] if again else sorted(name for name in folders if not is_left_behind(name))
        seen.add(real)
        if not again:
            kept = sorted(name for name in names if name.lower().endswith(endings) and not is_left_behind(name))
            yield from (Path(place) / name for name in kept)


def files_below(root: Path, suffixes: Iterable[str] = SUFFIXES) -> list[Path]:
    """The files of `walk_files`, sorted."""
    return sorted(walk_files(root, suffixes))


class ImageFinder:
    """Finds images by the names that annotations give them.

    A name counts as it is written where such a file exists. Else backslashes, ``%20``, folders that another machine
    had in front, and the two ways to write an accent are seen through, and in the end capitals; a name that then fits
    several files fits none. `guessed` remembers what was found so.

    Args:
        folders: what names may be relative to, the likeliest first; images are looked for below all of them.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        self.folders = tuple(dict.fromkeys(folders))
        self.guessed: list[tuple[str, Path]] = []
        self._present: dict[Path, set[str]] = {}
        self._by_name: dict[str, list[Path]] | None = None

    def find(self, name: str) -> Path | None:
        """The file that is meant; None where there is none, or more than one."""
        for folder in self.folders:
            if self._holds(folder, name):
                return folder / name
        found = self._guess(name)
        if found is not None:
            self.guessed.append((name, found))
        return found

    def _holds(self, folder: Path, name: str) -> bool:
        if "/" in name or "\\" in name or "\0" in name:
            return os.path.isfile(folder / name)
        if folder not in self._present:  # read once: a data set may have a hundred thousand names
            self._present[folder] = set(os.listdir(folder)) if folder.is_dir() else set()
        return name in self._present[folder] and os.path.isfile(folder / name)

    def _guess(self, name: str) -> Path | None:
        plain = name.partition("?")[0] if "://" in name else name
        for text in dict.fromkeys((plain, unquote(plain))):
            parts = [part for part in PureWindowsPath(text.replace("\\", "/")).parts if part not in ("..", ".")]
            for first in range(max(0, len(parts) - _DEEPEST), len(parts)):
                for folder in self.folders:
                    if os.path.isfile(place := folder.joinpath(*parts[first:])):
                        return place
            if parts and (found := self._by_its_name(parts)):
                return found
        return None

    def _by_its_name(self, parts: Sequence[str]) -> Path | None:
        """The only image of this name, whatever its capitals; of several, the only one in folders of these names."""
        if self._by_name is None:
            self._by_name = defaultdict(list)
            for path in dict.fromkeys(path for folder in self.folders for path in walk_files(folder)):
                self._by_name[folded(path.name)].append(path)
                self._by_name[folded(path.stem)].append(path)
        found = self._by_name.get(folded(parts[-1]), [])  # a name without ending may be meant
        for count in range(2, len(parts) + 1):
            if len(found) < 2:
                break
            tail = [folded(part) for part in parts[-count:-1]]
            found = [path for path in found if [folded(part) for part in path.parts[-count:-1]] == tail]
        real = {os.path.realpath(path) for path in found}
        return found[0] if len(real) == 1 else None

    def warn(self, source: Path) -> None:
        """One warning about all that was found by its name."""
        if self.guessed:
            said, found = self.guessed[0]
            many = f"{len(self.guessed)} images are not where it says and were found by their names"
            one = "1 image is not where it says and was found by its name"
            message = f"{source}: {one if len(self.guessed) == 1 else many}, "
            warnings.warn(f"{message}such as {said!r} as {found}", stacklevel=3)


def folded(name: str) -> str:
    """A name whose capitals and forms of accents do not matter."""
    return unicodedata.normalize("NFC", name).casefold()
