"""Files that a list names without their endings, or in full."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from visus.data.errors import AnnotationError
from visus.data.files.content import read_content
from visus.data.files.walk import folded, visible

UTF_16 = (b"\xff\xfe", b"\xfe\xff")
"""The byte order marks in front of what Windows calls Unicode."""


def read_text(path: Path) -> str:
    """The content of a text file in UTF-8, or in UTF-16 with a byte order mark.

    Raises:
        AnnotationError: the file is no text, or there is none.
    """
    data = read_content(path, AnnotationError)
    code = "utf-16" if data.startswith(UTF_16) else "utf-8-sig"
    try:
        return data.decode(code)
    except UnicodeDecodeError as error:
        message = (
            f"not a text file in {'UTF-16' if code == 'utf-16' else 'UTF-8'} ({error.reason} at byte {error.start})"
        )
        raise AnnotationError(f"{path}: {message}") from error


def read_lines(path: Path, *, blank: bool = False) -> list[str]:
    """The lines of a text file, stripped.

    Args:
        path: the file.
        blank: keep blank lines.

    Raises:
        AnnotationError: the file is no text, or there is none.
    """
    return [line.strip() for line in read_text(path).splitlines() if blank or line.strip()]


class FolderListing:
    """The files of a folder by their names without ending, read from the folder once.

    Args:
        folder: the folder; one that does not exist is empty.
        suffixes: the endings that count, lower case, the preferred ones first.
    """

    def __init__(self, folder: Path, suffixes: Iterable[str]) -> None:
        self.folder = folder
        self._suffixes = tuple(suffixes)
        names = [file.name for file in visible(folder)]
        ranks = {suffix: rank for rank, suffix in enumerate(self._suffixes)}
        kept = [name for name in names if Path(name).suffix.lower() in ranks]
        # The preferred ending comes last and so wins where a name has two.
        kept.sort(key=lambda name: -ranks[Path(name).suffix.lower()])
        self._by_stem = {Path(name).stem: name for name in kept}
        self._folded: dict[str, list[str]] = defaultdict(list)  # other capitals, other forms of accents
        for stem in self._by_stem:
            self._folded[folded(stem)].append(stem)

    def __contains__(self, stem: str) -> bool:
        return self._stem(stem) is not None

    def _stem(self, stem: str) -> str | None:
        """A name as the folder has it: the same, or the only one that differs in capitals or forms of accents."""
        if stem in self._by_stem:
            return stem
        found = self._folded.get(folded(stem), [])
        return found[0] if len(found) == 1 else None

    def stems(self) -> list[str]:
        """All names without ending, in alphabetical order."""
        return sorted(self._by_stem)

    def name(self, entry: str) -> str:
        """The file that a line of a list means: a path whose folders do not matter, or a name without ending.

        A file that is not there gets the preferred ending, so that reading it says which one is missing.
        """
        bare = Path(entry.replace("\\", "/")).name
        if Path(bare).suffix.lower() in self._suffixes:
            bare = Path(bare).stem
        found = self._stem(bare)
        return f"{bare}{self._suffixes[0]}" if found is None else self._by_stem[found]
