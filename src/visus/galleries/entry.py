"""What a gallery holds, and what a store is told and tells."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from jaxtyping import Float32, UInt8
from torch import Tensor

Value: TypeAlias = str | int | float | bool
Metadata: TypeAlias = Mapping[str, Value]
Box: TypeAlias = tuple[float, float, float, float]


@dataclass(frozen=True)
class SeenFile:
    """A file as it was when its image was read.

    Args:
        path: below the gallery's root where it has one, else absolute.
        size: in bytes.
        modified: in nanoseconds, as the file system says.
        pixels: the hash of its image.
        gone: whether it was missing when somebody looked again.
    """

    path: str
    size: int
    modified: int
    pixels: bytes
    gone: bool = False


@dataclass(frozen=True)
class NewEntry:
    """An image, or a part of one, to be put into a store.

    Args:
        pixels: `pixel_hash` of the whole image.
        box_xyxy: the part in the pixels of the image; None for all of it.
        size: (h, w) of the image.
        vector: its descriptor.
        thumbnail: a small JPEG.
        metadata: anything that is known of it, by name.
    """

    pixels: bytes
    box_xyxy: Box | None
    size: tuple[int, int]
    vector: Float32[np.ndarray, " d"]
    thumbnail: bytes
    metadata: Metadata = field(default_factory=dict)


@dataclass(frozen=True)
class Entry:
    """What a gallery knows of an image or a part of one.

    Args:
        id: never used for another entry.
        pixels: the hash of the whole image's decoded pixels: what makes the entry the same wherever its file moves.
        box_xyxy: the part of the image; None for all of it.
        size: (h, w) of the image.
        paths: where it lies now.
        past_paths: where it was found before and is no longer.
        metadata: what was said of it.
        thumbnail: a small JPEG.
    """

    id: int
    pixels: bytes
    box_xyxy: Box | None
    size: tuple[int, int]
    paths: tuple[str, ...]
    past_paths: tuple[str, ...]
    metadata: Metadata
    thumbnail: bytes

    @property
    def gone(self) -> bool:
        """Whether it came from files, none of which is there any more."""
        return bool(self.past_paths) and not self.paths

    @property
    def name(self) -> str:
        """Its path, the last known one where it is gone, or its number where it never had one."""
        known = (*self.paths, *self.past_paths)
        return known[0] if known else f"entry {self.id}"


def pixel_hash(image: UInt8[Tensor, "3 h w"]) -> bytes:
    """What tells images apart: their decoded pixels and their size, whatever file holds them (SHA-256)."""
    height, width = image.shape[1:]
    digest = hashlib.sha256(f"{height} {width} ".encode())
    digest.update(image.contiguous().numpy().data)
    return digest.digest()
