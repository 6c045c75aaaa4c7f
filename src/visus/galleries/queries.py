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

NEGATIVE_WEIGHT: Final = 0.25
"""How much the mean of what an answer should not be like counts against the mean of what it should be like."""


@dataclass(frozen=True)
class Asked:
    """One image or entry that is asked for: its vector, a small picture, and its name."""

    vector: Float[Tensor, " d"]
    picture: Image.Image
    name: str


def asked_for(
    queries: Sequence[Query],
    contents: Contents,
    table: ScanTable,
    describer: Callable[[], Describer],
    box: Box | None = None,
) -> list[Asked]:
    """Each image and entry of queries.

    Args:
        queries: in their order.
        contents: of the gallery.
        table: its vectors.
        describer: gives what describes images; called only where there are any.
        box: the part of the one image that is meant.

    Raises:
        ImageError: something that is no image, or holds none.
        GalleryError: an entry that there is not, or a box for anything but one image.
    """
    read = [[] if isinstance(query, int) else _images(query) for query in queries]
    if box is not None:
        if len(queries) != 1 or len(read[0]) != 1:
            raise GalleryError("a box needs one image: it says which part of that is meant")
        name, pixels = read[0][0]
        read = [[(name, cut_out(pixels, box))]]
    images = [pixels for part in read for _, pixels in part]
    vectors = iter(torch.from_numpy(describer().describe(images)) if images else torch.empty(0))
    found = []
    for query, part in zip(queries, read, strict=True):
        if isinstance(query, int):
            vector = contents.vector(table, query)[0].clone()
            entry = contents.store.entries([query])[0]
            found.append(Asked(vector, picture_of(entry), short_name(entry)))
        found += [Asked(next(vectors), as_picture(thumbnail(pixels)), name) for name, pixels in part]
    return found


def _images(query: Picture) -> list[tuple[str, UInt8[Tensor, "3 h w"]]]:
    found = [(Path(item.path).name or "an image", image_of(item)) for item in items_of(query, Reading())]
    if not found:
        raise ImageError(f"{query!s}: no image in it")
    return found


def combined(likes: Sequence[Asked], dislikes: Sequence[Asked], closeness: Closeness) -> Float[Tensor, " d"]:
    """One vector for several (Rocchio 1971): their mean, less a share of the mean of what should not be found.

    Of vectors that are compared by their angle, the directions are averaged. A single vector stays as it is.

    Raises:
        GalleryError: nothing is asked for.
    """
    if not likes:
        raise GalleryError("nothing is asked for: give an image, or the identifier of an entry")
    if len(likes) == 1 and not dislikes:
        return likes[0].vector
    wanted = _mean(likes, closeness)
    return wanted - NEGATIVE_WEIGHT * _mean(dislikes, closeness) if dislikes else wanted


def _mean(side: Sequence[Asked], closeness: Closeness) -> Float[Tensor, " d"]:
    vectors = torch.stack([one.vector for one in side]).double()
    if closeness == "cosine":
        vectors = torch.nn.functional.normalize(vectors, dim=1, eps=1e-300)
    return vectors.mean(0).float()
