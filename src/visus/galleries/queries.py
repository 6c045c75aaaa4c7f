"""What is asked for: images and entries, each with its vector, and one vector for several."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor

from visus.data.errors import ImageError
from visus.galleries.adding import cut_out, thumbnail
from visus.galleries.answer import as_picture, picture_of, short_name
from visus.galleries.contents import Contents
from visus.galleries.describer import Describer
from visus.galleries.entry import Box
from visus.galleries.errors import GalleryError
from visus.galleries.screens import Closeness, ScanTable
from visus.predict.items import Picture, Reading, image_of, items_of

Query: TypeAlias = int | Picture
"""The identifier of an entry, or an image; a folder or another source stands for all of its images."""

Named: TypeAlias = tuple[str, UInt8[Tensor, "3 h w"]]
"""The name of an image and its pixels."""

NEGATIVE_WEIGHT: Final = 0.25
"""How much the mean of what an answer should not be like counts against the mean of what it should be like."""


@dataclass(frozen=True)
class Asked:
    """One image, entry or face that is asked for: its vector, a small picture, its name, and where in the image."""

    vector: Float[Tensor, " d"]
    picture: Image.Image
    name: str
    box_xyxy: Box | None = None


def asked_for(
    queries: Sequence[Query],
    contents: Contents,
    table: ScanTable,
    describer: Callable[[], Describer],
    box: Box | None = None,
    *,
    several: bool = False,
) -> list[Asked]:
    """Each image and entry of queries; of a gallery of faces, the face of each image.

    Args:
        queries: in their order.
        contents: of the gallery.
        table: its vectors.
        describer: gives what describes images; called only where there are any.
        box: the part of the one image that is meant.
        several: whether an image may have several faces, each of which is asked for.

    Raises:
        ImageError: something that is no image, or holds none.
        GalleryError: an entry that there is not, a box for anything but one image, or an image without the one face.
    """
    read = [[] if isinstance(query, int) else _images(query) for query in queries]
    if box is not None and (len(queries) != 1 or len(read[0]) != 1):
        raise GalleryError("a box needs one image: it says which part of that is meant")
    of_images = iter(_described([one for part in read for one in part], describer, box, several=several))
    found = []
    for query, part in zip(queries, read, strict=True):
        if isinstance(query, int):
            vector = contents.vector(table, query)[0].clone()
            entry = contents.store.entries([query])[0]
            found.append(Asked(vector, picture_of(entry), short_name(entry)))
        for _ in part:
            found += next(of_images)
    return found


def _described(
    images: Sequence[Named], describer: Callable[[], Describer], box: Box | None, *, several: bool
) -> list[list[Asked]]:
    """What is asked for in each image: all of it, its part in the box, or the faces."""
    if not images:
        return []
    network = describer()
    if network.parts is None:
        images = [(name, pixels if box is None else cut_out(pixels, box)) for name, pixels in images]
        vectors = torch.from_numpy(network.describe([pixels for _, pixels in images]))
        return [[_asked(one, name, pixels)] for one, (name, pixels) in zip(vectors, images, strict=True)]
    return [
        [
            _asked(torch.from_numpy(one.vector), name, cut_out(pixels, one.box_xyxy), one.box_xyxy)
            for one in network.parts.asked(pixels, name, box, several=several)
        ]
        for name, pixels in images
    ]


def _asked(vector: Tensor, name: str, pixels: UInt8[Tensor, "3 h w"], box: Box | None = None) -> Asked:
    return Asked(vector, as_picture(thumbnail(pixels)), name, box)


def named_images(queries: Sequence[Query]) -> list[Named]:
    """All images of queries.

    Raises:
        ImageError: something that is no image, or holds none.
        GalleryError: the identifier of an entry, which is no image.
    """
    found = []
    for query in queries:
        if isinstance(query, int):
            raise GalleryError(f"id:{query}: an image is asked for, and this is an entry")
        found += _images(query)
    return found


def _images(query: Picture) -> list[Named]:
    found = [(Path(item.path).name or "an image", image_of(item)) for item in items_of(query, Reading())]
    if not found:
        raise ImageError(f"{query!s}: no image in it")
    return found


def combined(
    likes: Sequence[Asked], dislikes: Sequence[Asked], closeness: Closeness, *, decay: float = 1.0
) -> Float[Tensor, " d"]:
    """One vector for several (Rocchio 1971): their mean, less a share of the mean of what should not be found.

    Of vectors that are compared by their angle, the directions are averaged. A single vector stays as it is.

    Args:
        likes: what should be found, of a history the oldest first.
        dislikes: what should not be found.
        closeness: what is near.
        decay: what each step into the past of ``likes`` counts by.

    Raises:
        GalleryError: nothing is asked for.
    """
    if not likes:
        raise GalleryError("nothing is asked for: give an image, or the identifier of an entry")
    if len(likes) == 1 and not dislikes:
        return likes[0].vector
    wanted = _mean(likes, closeness, decay)
    return wanted - NEGATIVE_WEIGHT * _mean(dislikes, closeness) if dislikes else wanted


def _mean(side: Sequence[Asked], closeness: Closeness, decay: float = 1.0) -> Float[Tensor, " d"]:
    vectors = torch.stack([one.vector for one in side]).double()
    if closeness == "cosine":
        vectors = torch.nn.functional.normalize(vectors, dim=1, eps=1e-300)
    if decay == 1:
        return vectors.mean(0).float()
    weights = vectors.new_tensor([decay**age for age in range(len(side) - 1, -1, -1)])
    return (weights @ vectors / weights.sum()).float()
