"""Everything that is taken for images, one at a time: the only door to predictions, in Python and on the command line.

Images are read when they are asked for, so that a folder of any size needs the memory of one image.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path, PurePath
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
from jaxtyping import Shaped, UInt8
from PIL import Image
from torch import Tensor

from visus.clouds import PointCloud
from visus.data.errors import ImageError
from visus.data.files.arrays import array_images
from visus.data.files.content import read_content
from visus.data.files.images import decode_image, rgb_pixels
from visus.data.files.pages import page_count, read_pages
from visus.data.files.shapes import decode_shape, read_shape
from visus.data.files.suffixes import SHAPE_SUFFIXES
from visus.errors import VisusError
from visus.predict.sources import STDIN, ImageFile, Source, find_source, is_address
from visus.scenes import SceneGraph
from visus.types import Sample
from visus.web import read_address

_TAKEN = (
    "a path, a folder, a glob, an address, bytes, an open file, an image of Pillow's, an array, a tensor, or several "
    "of these"
)
_MOST_STDIN = 1_000_000_000  # bytes

Pixels: TypeAlias = UInt8[Tensor, "3 h w"]
Input: TypeAlias = Pixels | PointCloud | SceneGraph
"""What a model looks at: the pixels of an image, a shape, or the scene graph of an image that is to be made."""


@runtime_checkable
class Readable(Protocol):
    """An open file, or the answer of a server."""

    def read(self) -> bytes:
        """The content."""


@runtime_checkable
class Indexed(Protocol):
    """A data set: its length, and its images by number."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Any: ...


Picture: TypeAlias = (
    str
    | PurePath
    | bytes
    | bytearray
    | Image.Image
    | Shaped[np.ndarray, "..."]
    | Shaped[Tensor, " ..."]
    | Sample
    | Readable
    | PointCloud
    | SceneGraph
)
"""One image, or what stands for several: a folder, a pattern, a list file, a video, a batch."""

Pictures: TypeAlias = Picture | Iterable[Picture] | Indexed
"""What `visus.predict` takes."""


@dataclass(frozen=True)
class Item:
    """One image, or one shape, to look at.

    Args:
        name: that no other image of its source has; empty where it lies in memory.
        path: the file or the address; empty where there is none.
        read: its pixels, or its points; called once, in the order of the items.
        details: what else is known of it, such as the second of a frame.
    """

    name: str
    path: str
    read: Callable[[], Input]
    details: Mapping[str, float] = field(default_factory=dict)


def image_of(item: Item) -> Pixels:
    """What an item holds, where nothing but an image will do.

    Raises:
        ImageError: it is no image, but a shape for example.
    """
    found = item.read()
    if not isinstance(found, Tensor):
        raise ImageError(f"{item.path or item.name}: a shape, where an image is needed")
    return found


@dataclass(frozen=True)
class Reading:
    """How images are read.

    Args:
        bgr: arrays and tensors have blue first, as OpenCV's.
        pages: read all pages and frames of an image, not the first alone.
        every: of a video, take every n-th frame.
        on_note: told where only the first of several pages is read.
    """

    bgr: bool = False
    pages: bool = False
    every: int = 1
    on_note: Callable[[str], None] = lambda note: warnings.warn(note, stacklevel=2)


def items_of(images: Any, how: Reading) -> Iterator[Item]:
    """One item after the other of whatever holds images.

    Raises:
        VisusError: something that is no image, or a path that does not exist.
    """
    kind = next((TAKEN[base] for base in type(images).__mro__ if base in TAKEN), None)
    if kind is not None:
        yield from kind(images, how)
    elif isinstance(images, os.PathLike):
        yield from _of_word(os.fspath(images), how)
    elif isinstance(images, Readable):
        yield from _of_file(images, how)
    elif isinstance(images, Iterable):
        for image in images:
            yield from items_of(image, how)
    elif isinstance(images, Indexed):
        for index in range(len(images)):
            yield from items_of(images[index], how)
    else:
        _refuse(images, how)


def items_of_source(source: Source, how: Reading) -> Iterator[Item]:
    """The images of a source of the command line.

    Raises:
        VisusError: a video that cannot be read. An image that cannot says so when it is read.
    """
    if source.video:
        yield from _frames(source.video, how)
    for image in source.images:
        yield from _of_image(image, how)


def _frames(video: str, how: Reading) -> Iterator[Item]:
    from visus.predict.video import read_frames

    for frame in read_frames(video, every=how.every):
        details = {"frame": frame.index, "seconds": round(frame.seconds, 4)}
        yield Item(frame.name, video, partial(_itself, frame.image), details)


def _itself(content: Input) -> Input:
    return content


def _of_image(image: ImageFile, how: Reading) -> Iterator[Item]:
    """The pages of a file, or the first alone."""
    path = "" if str(image.path) == STDIN else str(image.path)
    if Path(image.name).suffix.lower() in SHAPE_SUFFIXES:
        yield Item(image.name, path, partial(_shape, image))
        return
    if not how.pages:
        yield Item(image.name, path, partial(_first_page, image, how))
        return
    try:
        data = _content(image)
        count = page_count(data, image.path)
    except VisusError as error:
        yield Item(image.name, path, partial(_fail, error))
        return
    pages = read_pages(data, image.path)
    for page in range(count):
        name = image.name if count == 1 else _page_name(image.name, page)
        yield Item(name, path, partial(_next_page, pages, image), {} if count == 1 else {"page": page})


def _shape(image: ImageFile) -> PointCloud:
    """The shape in a file, whose size is looked at first, or at an address."""
    return decode_shape(_content(image), image.path) if is_address(str(image.path)) else read_shape(image.path)


def _first_page(image: ImageFile, how: Reading) -> Pixels:
    return _decoded(_content(image), image.path, how)


def _decoded(data: bytes, name: str | Path, how: Reading) -> Pixels:
    pixels = decode_image(data, name)
    if (count := page_count(data, name)) > 1:
        how.on_note(f"{name}: {count} pages, and only the first is looked at; --pages (in Python pages=True) takes all")
    return pixels


def _next_page(pages: Iterator[Pixels], image: ImageFile) -> Pixels:
    pixels = next(pages, None)
    if pixels is None:
        raise ImageError(f"{image.path}: not read, as a page before it is damaged")
    return pixels


def _page_name(name: str, page: int) -> str:
    path = Path(name)
    return path.with_name(f"{path.stem}_page{page:03d}{path.suffix}").as_posix()


def _fail(error: VisusError) -> Pixels:
    raise error


def _content(image: ImageFile) -> bytes:
    """The bytes of a file, of an address, or of standard input."""
    text = str(image.path)
    if text == STDIN:
        return _of_stdin()
    content = read_address(text) if is_address(text) else read_content(text, ImageError)
    if not content:
        raise ImageError(f"{text}: the file is empty (0 bytes)")
    return content


def _of_stdin() -> bytes:
    if sys.stdin.isatty():
        raise ImageError("-: nothing is piped into standard input: cat photo.jpg | visus predict MODEL -")
    content = sys.stdin.buffer.read(_MOST_STDIN + 1)
    if not content:
        raise ImageError("-: standard input is empty")
    if len(content) > _MOST_STDIN:
        raise ImageError(f"-: more than {_MOST_STDIN:,} bytes in standard input")
    return content


def _of_word(word: str | PurePath, how: Reading) -> Iterator[Item]:
    return items_of_source(find_source(str(word)), how)


def _of_bytes(data: bytes | bytearray | memoryview, how: Reading, name: str = "bytes") -> Iterator[Item]:
    content = bytes(data)
    if not content:
        raise ImageError(f"{name}: empty (0 bytes)")
    if not how.pages:
        yield Item("", "", partial(_decoded, content, name, how))
        return
    pages = read_pages(content, name)
    for page in range(page_count(content, name)):
        yield Item("", "", partial(_next_page, pages, ImageFile("", name)), {"page": page})


def _of_file(file: Readable, how: Reading) -> Iterator[Item]:
    content = file.read()
    name = getattr(file, "name", "")  # which only some kinds of file have
    if not isinstance(content, bytes):
        raise ImageError(f"{name or 'an open file'}: opened as text; open images with mode 'rb'")
    return _of_bytes(content, how, name if isinstance(name, str) and name else "an open file")


def _of_pillow(image: Image.Image, how: Reading) -> Iterator[Item]:
    path = getattr(image, "filename", "")  # of those alone that were opened from a file
    yield Item("", path if isinstance(path, str) else "", partial(rgb_pixels, image))


def _of_array(array: Any, how: Reading) -> Iterator[Item]:
    for pixels in array_images(array, bgr=how.bgr):
        yield Item("", "", partial(_itself, pixels))


def _of_sample(sample: Sample, how: Reading) -> Iterator[Item]:
    for item in items_of(sample.input, Reading()):
        yield replace(item, path=sample.path)


def _of_cloud(cloud: PointCloud | SceneGraph, how: Reading) -> Iterator[Item]:
    yield Item("", "", partial(_itself, cloud))


def _of_item(item: Item, how: Reading) -> Iterator[Item]:
    yield item


def _refuse(thing: Any, how: Reading) -> Iterator[Item]:
    raise ImageError(f"no image: {type(thing).__name__}; give {_TAKEN}")


TAKEN: dict[type, Callable[[Any, Reading], Iterator[Item]]] = {
    Item: _of_item,
    str: _of_word,
    PurePath: _of_word,
    bytes: _of_bytes,
    bytearray: _of_bytes,
    memoryview: _of_bytes,
    Image.Image: _of_pillow,
    np.ndarray: _of_array,
    Tensor: _of_array,
    Sample: _of_sample,
    PointCloud: _of_cloud,
    SceneGraph: _of_cloud,
    dict: _refuse,
}
"""What is made of each kind of thing, and of the kinds that derive from it."""
