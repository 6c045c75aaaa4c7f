"""From images to rows of a store, batch by batch: whatever a report says was added is on the disk by then.

An image is known by its decoded pixels. A file of the same size and time as when it was read is not read again; a file
that moved is read, recognised and not described again.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor

from visus.errors import VisusError
from visus.galleries.describer import Describer
from visus.galleries.entry import Box, Metadata, NewEntry, SeenFile, pixel_hash
from visus.galleries.errors import GalleryError, OutsideRootError
from visus.galleries.parts import Parts
from visus.galleries.store import Store
from visus.predict.items import Item, image_of
from visus.predict.sources import is_address

Pixels: TypeAlias = UInt8[Tensor, "3 h w"]
Boxes: TypeAlias = Callable[[Pixels], Sequence[Box]]
"""The parts of an image that become entries, in its pixels."""

BATCH: Final = 64
_MOST_PIXELS = 1 << 26  # of the images that wait for being described together
_SIDE = 160
_PART = "#"  # between a file and the number of its page or frame


@dataclass
class Report:
    """What became of images.

    Args:
        images: that were looked at.
        added: entries that are new.
        known: images that were there already, wherever their files lie now.
        unchanged: files that had been read before and were not read again.
        moved: images that are at another place than before.
        gone: entries whose files are missing now.
        empty: new images without anything that becomes an entry, such as a face.
        failures: names and causes of what could not be read.
    """

    images: int = 0
    added: int = 0
    known: int = 0
    unchanged: int = 0
    moved: int = 0
    gone: int = 0
    empty: int = 0
    failures: list[tuple[str, str]] = field(default_factory=list)

    def count_in(self, other: Report) -> None:
        """Adds what became of other images."""
        for one in fields(Report):
            setattr(self, one.name, getattr(self, one.name) + getattr(other, one.name))


Watch: TypeAlias = Callable[[Report], None]


@dataclass
class _Batch:
    """Images on their way: of each its pixels, their hash, its file, and what is said of it."""

    images: list[tuple[Pixels, bytes, SeenFile | None, Metadata]] = field(default_factory=list)
    pixels: int = 0

    def full(self) -> bool:
        return len(self.images) >= BATCH or self.pixels >= _MOST_PIXELS


@dataclass(frozen=True)
class Adder:
    """Puts images into a store.

    Args:
        store: where to.
        describer: makes the vectors; its own parts of an image, such as faces, become the entries where it has any.
        root: the folder that the gallery is about; None for any.
        boxes: the parts of each image that become entries; None for the whole image.
        metadata: what is said of the entries of an image, by its item.
        watch: called after each batch that is on the disk.
    """

    store: Store
    describer: Describer
    root: Path | None = None
    boxes: Boxes | None = None
    metadata: Callable[[Item], Metadata] = lambda item: {}
    watch: Watch = lambda report: None

    def add(self, items: Iterable[Item], known: Mapping[str, SeenFile] | None = None) -> tuple[Report, set[bytes]]:
        """Adds the images of items; what became of them, and the hashes of those that were read.

        Args:
            items: images.
            known: files that are not read again where they did not change; None for those of the store.

        Raises:
            OutsideRootError: a file that does not lie below the root; what came before it is added.
            DiskFullError: there is no room; what was reported is there.
        """
        report, read, batch = Report(), set[bytes](), _Batch()
        for item, file in self.unread(items, report, known):
            try:
                pixels = image_of(item)
            except (VisusError, OSError) as error:
                report.failures.append((item.name or item.path, str(error)))
                continue
            digest = pixel_hash(pixels)
            read.add(digest)
            batch.images.append((pixels, digest, replace(file, pixels=digest) if file else None, self.metadata(item)))
            batch.pixels += pixels[0].numel()
            if batch.full():
                self._finish(batch, report)
                batch = _Batch()
        self._finish(batch, report)
        return report, read

    def unread(
        self, items: Iterable[Item], report: Report, known: Mapping[str, SeenFile] | None = None
    ) -> Iterator[tuple[Item, SeenFile | None]]:
        """The images that have to be read, and their files; the others are reported, and what is said of them is kept.

        Raises:
            OutsideRootError: a file that does not lie below the root.
        """
        known = self.store.files() if known is None else known
        for item in items:
            report.images += 1
            path = place_of(item, self.root)
            file = _stat(path, item) if path else None
            if file is not None and self._is_unchanged(known.get(file.path), file):
                self._say_again(known[file.path].pixels, item)
                report.unchanged += 1
            else:
                yield item, file

    @staticmethod
    def _is_unchanged(before: SeenFile | None, now: SeenFile) -> bool:
        return before is not None and (before.size, before.modified) == (now.size, now.modified)

    def _say_again(self, pixels: bytes, item: Item) -> None:
        """What is said now of an image that is there, holds from now on."""
        if metadata := self.metadata(item):
            self._say(self.store.known([pixels]).get(pixels, []), metadata)

    def _say(self, ids: Sequence[int], metadata: Metadata) -> None:
        """Writes what is said of entries where it is not written there already."""
        known = (entry.metadata for entry in self.store.entries(ids))
        if any(json.dumps({**told, **metadata}) != json.dumps(dict(told)) for told in known):  # 1 is not True
            self.store.edit(ids, metadata)

    def _finish(self, batch: _Batch, report: Report) -> None:
        """Describes what is new and writes all of the batch in one transaction."""
        if not batch.images:
            return
        present = self.store.known([digest for _, digest, _, _ in batch.images])
        fresh: dict[bytes, tuple[Pixels, Metadata]] = {}
        for pixels, digest, _, metadata in batch.images:
            if digest in present:
                report.known += 1
                if metadata:
                    self._say(present[digest], metadata)
            elif digest in fresh:
                report.known += 1
            else:
                fresh[digest] = (pixels, metadata)
        entries = self._described(fresh)
        report.empty += len(fresh.keys() - {entry.pixels for entry in entries})
        report.added += self.store.add(entries, [file for _, _, file, _ in batch.images if file is not None])
        self.watch(report)

    def _described(self, fresh: Mapping[bytes, tuple[Pixels, Metadata]]) -> list[NewEntry]:
        """The entries of new images, with vectors of the gallery's dimensions.

        Raises:
            GalleryError: others, or one that is not finite.
        """
        entries = self._by_parts(fresh, self.describer.parts) if self.describer.parts else self._by_boxes(fresh)
        width = int(self.store.settings()["dimensions"])
        for entry in entries:
            if len(entry.vector) != width:
                raise GalleryError(f"{self.describer.name}: vectors of {len(entry.vector)} dimensions, not {width}")
            if not np.isfinite(entry.vector).all():
                raise GalleryError(f"{self.describer.name}: a vector holds NaN or infinity; did its training diverge?")
        return entries

    def _by_boxes(self, fresh: Mapping[bytes, tuple[Pixels, Metadata]]) -> list[NewEntry]:
        """Whole images, or what ``boxes`` gives of them, described together."""
        parts: list[tuple[bytes, Box | None, Pixels]] = []
        for digest, (pixels, _) in fresh.items():
            if self.boxes is None:
                parts.append((digest, None, pixels))
            else:
                parts += [(digest, box, cut_out(pixels, box)) for box in self.boxes(pixels)]
        vectors = self.describer.describe([part for _, _, part in parts]) if parts else ()
        return [
            NewEntry(digest, box, _size(fresh[digest][0]), vector, thumbnail(part), fresh[digest][1])
            for (digest, box, part), vector in zip(parts, vectors, strict=True)
        ]

    @staticmethod
    def _by_parts(fresh: Mapping[bytes, tuple[Pixels, Metadata]], parts: Parts) -> list[NewEntry]:
        """What the describer itself finds in the images."""
        return [
            NewEntry(digest, one.box_xyxy, _size(pixels), one.vector, thumbnail(cut_out(pixels, one.box_xyxy)), said)
            for digest, (pixels, said) in fresh.items()
            for one in parts.find(pixels)
        ]


def _size(pixels: Pixels) -> tuple[int, int]:
    return pixels.shape[1], pixels.shape[2]


def place_of(item: Item, root: Path | None) -> str:
    """How a gallery writes where an image lies; empty for one in memory.

    Raises:
        OutsideRootError: it does not lie below the root.
    """
    if not item.path:
        return ""
    number = next((f"{_PART}{item.details[key]:.0f}" for key in ("frame", "page") if key in item.details), "")
    return path_in(item.path, root) + number


def path_in(path: str | Path, root: Path | None) -> str:
    """The path below ``root`` where there is one, else the absolute one; links are seen through.

    Raises:
        OutsideRootError: it does not lie below the root.
    """
    if is_address(str(path)):
        if root is not None:
            raise OutsideRootError(f"{path}: an address, but this gallery is about the files below {root}")
        return str(path)
    real = os.path.realpath(os.path.expanduser(path))
    if root is None:
        return real
    top = os.path.realpath(root)
    if real != top and not real.startswith(top.rstrip(os.sep) + os.sep):
        raise OutsideRootError(f"{path}: not below {root}, the folder that this gallery is about")
    return os.path.relpath(real, top)


def file_of(place: str, root: Path | None) -> Path:
    """The file of a place that `place_of` wrote."""
    path = Path(place) if root is None else root / place
    if not path.exists() and _PART in path.name:
        return path.with_name(path.name.rpartition(_PART)[0])
    return path


def cut_out(pixels: Pixels, box: Box) -> Pixels:
    """The part of an image in a box, whole pixels that it touches.

    Raises:
        GalleryError: the box has no pixel of the image.
    """
    height, width = pixels.shape[1:]
    x1, y1, x2, y2 = box
    left, top = max(int(x1), 0), max(int(y1), 0)
    right, bottom = min(-int(-x2 // 1), width), min(-int(-y2 // 1), height)
    if not (left < right and top < bottom):
        raise GalleryError(f"the box {x1:g} {y1:g} {x2:g} {y2:g} has no pixel of an image of {width}x{height}")
    return pixels[:, top:bottom, left:right].contiguous()


def thumbnail(pixels: Pixels) -> bytes:
    """A small JPEG of an image."""
    image = Image.fromarray(pixels.permute(1, 2, 0).contiguous().numpy())
    image.thumbnail((_SIDE, _SIDE))
    content = io.BytesIO()
    image.save(content, "JPEG", quality=82)
    return content.getvalue()


def _stat(path: str, item: Item) -> SeenFile:
    if is_address(item.path):
        return SeenFile(path, 0, 0, b"")
    try:
        found = os.stat(item.path)
    except OSError:  # whoever reads it says so
        return SeenFile(path, -1, -1, b"")
    return SeenFile(path, found.st_size, found.st_mtime_ns, b"")
