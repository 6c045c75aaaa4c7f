"""Where images come from: one image, a folder, a glob, a list file, or the frames of a video.

Images are read one at a time when they are asked for, so a folder of any size needs the memory of one image.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from jaxtyping import UInt8
from torch import Tensor

from visus.data.files.images import SUFFIXES, read_image
from visus.data.files.listed_files import read_lines
from visus.errors import VisusError
from visus.predict.video import read_frames

IMAGE_SUFFIXES: Final = frozenset(SUFFIXES)
VIDEO_SUFFIXES: Final = frozenset(
    {".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg", ".wmv", ".mts", ".ts"}
)

OnError = Callable[[str, Exception], None]


@dataclass(frozen=True)
class ImageFile:
    """One image of a source: its file, and a name that no other image of the source has (a relative path)."""

    name: str
    path: Path


def images_from(
    source: str | Path, *, on_error: OnError | None = None, every: int = 1
) -> Iterator[tuple[str, UInt8[Tensor, "3 h w"]]]:
    """Reads the images of a source in a fixed order.

    Args:
        source: an image, a folder (searched with its sub-folders), a glob (``"photos/**/*.jpg"``), a list file
            (``.txt``, one path a line) or a video.
        on_error: called with the name and the error of each image that cannot be read, which is then left out;
            without it the error is raised.
        every: of a video, take every n-th frame.

    Yields:
        The name of the image and its RGB pixels.

    Raises:
        VisusError: the source does not exist or holds no image.
    """
    if is_video(source):
        for frame in read_frames(Path(source), every=every):
            yield frame.name, frame.image
        return
    for file in list_images(source):
        try:
            image = read_image(file.path)
        except Exception as error:
            if on_error is None:
                raise
            on_error(file.name, error)
        else:
            yield file.name, image


def is_video(source: str | Path) -> bool:
    """Whether a source is a video file, by its suffix."""
    return Path(source).suffix.lower() in VIDEO_SUFFIXES


def list_images(source: str | Path) -> list[ImageFile]:
    """The image files of a source, sorted by path (a list file keeps its own order). Nothing is opened.

    Raises:
        VisusError: the source does not exist or names no image.
    """
    path = Path(source)
    if os.path.isdir(path):  # which, unlike the method, is False for a name that no file can have
        found = sorted(p for p in path.rglob("*") if p.suffix.lower() in IMAGE_SUFFIXES and not _hidden(p, path))
        if not found:
            raise VisusError(f"{path}: no image in this folder or below it (looked for {_suffixes()})")
        return [ImageFile(p.relative_to(path).as_posix(), p) for p in found]
    if os.path.isfile(path) and path.suffix.lower() == ".txt":
        return _named(_paths_of_list(path))
    if os.path.isfile(path):
        return [ImageFile(path.name, path)]
    if glob.has_magic(str(source)):
        matches = sorted(Path(p) for p in glob.glob(str(source), recursive=True))
        matches = [p for p in matches if p.suffix.lower() in IMAGE_SUFFIXES and p.is_file()]
        if not matches:
            raise VisusError(f"{source}: this pattern matches no image (looked for {_suffixes()})")
        return _named(matches)
    raise VisusError(f"{source}: no such file or folder; give an image, a folder, a glob, a .txt list or a video")


def _paths_of_list(path: Path) -> list[Path]:
    """The paths in a list file: one a line, relative to the file's folder or else to the working directory."""
    entries = [Path(line) for line in dict.fromkeys(read_lines(path)) if not line.startswith("#")]
    if not entries:
        raise VisusError(f"{path}: the list names no image; write one path a line")
    return [
        entry if not os.path.exists(path.parent / entry) and os.path.exists(entry) else path.parent / entry
        for entry in entries
    ]


def _named(paths: list[Path]) -> list[ImageFile]:
    """Files named by their path below the folder that they share."""
    absolute = [Path(os.path.abspath(path)) for path in paths]
    root = os.path.commonpath([path.parent for path in absolute])
    return [ImageFile(full.relative_to(root).as_posix(), path) for full, path in zip(absolute, paths, strict=True)]


def _hidden(path: Path, root: Path) -> bool:
    """Whether a file lies in a hidden folder or is hidden itself, as thumbnails of file managers are."""
    return any(part.startswith(".") for part in path.relative_to(root).parts)


def _suffixes() -> str:
    return ", ".join(sorted(suffix[1:] for suffix in IMAGE_SUFFIXES))
