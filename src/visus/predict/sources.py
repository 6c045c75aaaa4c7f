"""What a word means that says where images are: a file, a folder, a pattern, a list, an address, a video, a camera.

Nothing is opened and nothing heavy is imported here, so that a wrong word is answered at once; `visus.predict.items`
reads what is found.
"""

from __future__ import annotations

import glob
import os
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from visus.data.files.listed_files import read_lines
from visus.data.files.suffixes import SHAPE_SUFFIXES, SUFFIXES
from visus.data.files.walk import files_below
from visus.errors import VisusError
from visus.names import closest_path

VIDEO_SUFFIXES: Final = frozenset(
    {".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg", ".wmv", ".mts", ".ts", ".m3u8"}
)
STDIN: Final = "-"
_WEB = ("http://", "https://")
_STREAMS = ("rtsp", "rtsps", "rtmp", "rtmps")
_CAMERA = re.compile(r"(?:webcam:?)?(\d*)")
_TAKEN = (
    "an image, a shape (.off, .obj, .ply ...), a folder, a glob, a .txt list, a video, an http(s) or rtsp address, "
    "webcam, or - for standard input"
)


@dataclass(frozen=True)
class ImageFile:
    """One image of a source: its file or address, and a name that no other image has (a relative path)."""

    name: str
    path: str | Path


@dataclass(frozen=True)
class Source:
    """What one word means.

    Args:
        text: the word.
        images: the images that it names, in order; of `STDIN` one.
        video: a file, an address or a camera whose frames it names; empty where it names images.
    """

    text: str
    images: tuple[ImageFile, ...] = ()
    video: str = ""

    @property
    def stem(self) -> str:
        """A short name for what is made of it."""
        return _stem(self.text)


def find_sources(words: Iterable[str | Path]) -> list[Source]:
    """What each word means; all images have names of their own, and a file that is named twice counts once.

    Raises:
        VisusError: a word that means nothing, or nothing that exists.
    """
    sources: list[Source] = []
    seen: set[str] = set()
    for word in words:
        found = find_source(word)
        new = tuple(image for image in found.images if _place(image.path) not in seen)
        seen.update(_place(image.path) for image in new)
        if new or found.video:
            sources.append(replace(found, images=new))
    names = Counter(image.name for source in sources for image in source.images)
    if all(count == 1 for count in names.values()):
        return sources
    apart = iter(_apart([image for source in sources for image in source.images]))
    return [replace(source, images=tuple(next(apart) for _ in source.images)) for source in sources]


def find_source(word: str | Path) -> Source:
    """What a word means.

    Raises:
        VisusError: nothing, or nothing that exists.
    """
    text = str(word)
    if not text:
        raise VisusError(f"the name of a source is empty; give {_TAKEN}")
    if text == STDIN:
        return Source(text, (ImageFile("stdin", STDIN),))
    if camera_of(text) is not None and not os.path.exists(text):
        return Source(text, video=text)
    scheme, found, _ = text.partition("://")
    if found:
        return _at_address(text, scheme.lower())
    path = os.path.expanduser(text)
    if is_video(path):
        if not os.path.isfile(path):
            raise VisusError(f"{text}: no such video{_meant(text)}")
        return Source(text, video=path)
    return Source(text, tuple(list_images(path)))


def is_video(source: str | Path) -> bool:
    """Whether a path or an address is that of a video, by its suffix."""
    text = str(source)
    return Path(name_in(text) if is_address(text) else text).suffix.lower() in VIDEO_SUFFIXES


def is_address(text: str) -> bool:
    """Whether a text is the address of something on the web, rather than a path."""
    return text.lower().startswith(_WEB)


def name_in(address: str) -> str:
    """The name of the file that an address ends with; empty where it ends with none."""
    return unquote(urlsplit(address).path).rpartition("/")[2]


def camera_of(text: str) -> int | None:
    """The number of the camera that a word means (``webcam``, ``webcam:1``, ``0``); None where it means none."""
    found = _CAMERA.fullmatch(text)
    return int(found[1] or 0) if found and text else None


def list_images(source: str | Path) -> list[ImageFile]:
    """The image files of a file, a folder, a glob or a list, sorted by path (a list keeps its own order).

    Of a folder without an image, the shapes.

    Raises:
        VisusError: the source does not exist or names no image.
    """
    path = Path(source)
    if os.path.isdir(path):  # which, unlike the method, is False for a name that no file can have
        found = files_below(path) or files_below(path, SHAPE_SUFFIXES)
        if not found:
            raise VisusError(f"{path}: no image and no shape in this folder or below it (looked for {_suffixes()})")
        return [ImageFile(p.relative_to(path).as_posix(), p) for p in found]
    if os.path.isfile(path) and path.suffix.lower() == ".txt":
        return _named(_paths_of_list(path))
    if os.path.exists(path):
        return [ImageFile(path.name, path)]
    if glob.has_magic(str(source)):
        matches = sorted(Path(p) for p in glob.glob(str(source), recursive=True))
        matches = [p for p in matches if p.suffix.lower() in (*SUFFIXES, *SHAPE_SUFFIXES) and p.is_file()]
        if not matches:
            raise VisusError(f"{source}: this pattern matches no image (looked for {_suffixes()})")
        return _named(matches)
    raise VisusError(f"{source}: no such file or folder{_meant(str(source)) or f'; give {_TAKEN}'}")


def _at_address(text: str, scheme: str) -> Source:
    if scheme in _STREAMS or (is_address(text) and is_video(text)):
        return Source(text, video=text)
    if is_address(text):
        return Source(text, (ImageFile(_file_name(text), text),))
    raise VisusError(f"{text}: only http, https, rtsp and rtmp addresses are read; of a file, give its path")


def _file_name(address: str) -> str:
    """The name that results of an address get; what no file name may have is left out."""
    name = re.sub(r"[^\w.-]+", "-", name_in(address)).strip("-.")
    return name if Path(name).suffix.lower() in (*SUFFIXES, *SHAPE_SUFFIXES) else f"{name or 'image'}.jpg"


def _place(path: str | Path) -> str:
    """What tells whether two words mean the same image."""
    text = str(path)
    return text if text == STDIN or is_address(text) else os.path.abspath(text)


def _apart(images: list[ImageFile]) -> list[ImageFile]:
    """The images with names that differ: files by their path below the folder that they share, others by a number."""
    files = [image for image in images if isinstance(image.path, Path)]
    by_path = iter(_named([Path(image.path) for image in files]))
    taken: set[str] = set()
    named = []
    for image in images:
        name = next(by_path).name if isinstance(image.path, Path) else image.name
        number = 1
        while (other := name if number == 1 else f"{Path(name).stem}-{number}{Path(name).suffix}") in taken:
            number += 1
        taken.add(other)
        named.append(replace(image, name=other))
    return named


def _paths_of_list(path: Path) -> list[Path]:
    """The paths in a list file: one a line, relative to the file's folder or else to the working directory."""
    lines = [line for line in dict.fromkeys(read_lines(path)) if not line.startswith("#")]
    entries = [Path(line).expanduser() for line in lines]
    if not entries:
        raise VisusError(f"{path}: the list names no image; write one path a line")
    return [
        entry if not os.path.exists(path.parent / entry) and os.path.exists(entry) else path.parent / entry
        for entry in entries
    ]


def _named(paths: list[Path]) -> list[ImageFile]:
    """Files named by their path below the folder that they share."""
    if not paths:
        return []
    absolute = [Path(os.path.abspath(path)) for path in paths]
    root = os.path.commonpath([path.parent for path in absolute])
    return [ImageFile(full.relative_to(root).as_posix(), path) for full, path in zip(absolute, paths, strict=True)]


def _meant(text: str) -> str:
    near = closest_path(text)
    return f"; did you mean {near}?" if near else ""


def _stem(text: str) -> str:
    """The last part of a word, in characters that every file system takes."""
    stem = Path(name_in(text) or text).stem if "://" in text else Path(text).expanduser().resolve().stem
    plain = "".join(c if c.isalnum() or c in "._-" else "-" for c in stem).strip("-.")
    return {STDIN: "stdin"}.get(text, plain or "images")


def _suffixes() -> str:
    return ", ".join(sorted(suffix[1:] for suffix in SUFFIXES))
