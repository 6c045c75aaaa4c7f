"""What is asked for: images and entries, made into one vector."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeAlias

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from visus.data.errors import ImageError
from visus.galleries.scan import Closeness
from visus.predict.items import Picture, Reading, items_of

Query: TypeAlias = int | Picture
"""The identifier of an entry, or an image; a folder or another source stands for all of its images."""

NEGATIVE_WEIGHT: Final = 0.25
"""How much the mean of what an answer should not be like counts against the mean of what it should be like."""


def images_of(query: Query) -> list[UInt8[Tensor, "3 h w"]]:
    """The pixels of each image of a query; none of an entry.

    Raises:
        ImageError: something that is no image, or holds none.
    """
    if isinstance(query, int):
        return []
    found = [item.read() for item in items_of(query, Reading())]
    if not found:
        raise ImageError(f"{query}: no image in it")
    return found


def combined(
    vectors: Float[Tensor, "n d"], negatives: Float[Tensor, "m d"], closeness: Closeness
) -> Float[Tensor, " d"]:
    """One vector for several (Rocchio 1971): their mean, less a share of the mean of the negatives.

    Of vectors that are compared by their angle, the directions are averaged. A single vector stays as it is.
    """
    if len(vectors) == 1 and not len(negatives):
        return vectors[0]
    parts = [
        torch.nn.functional.normalize(side, dim=1) if closeness == "cosine" else side for side in (vectors, negatives)
    ]
    mean = parts[0].mean(0)
    return mean - NEGATIVE_WEIGHT * parts[1].mean(0) if len(negatives) else mean


def stacked(vectors: Sequence[Float[Tensor, "_ d"]], dimensions: int) -> Float[Tensor, "n d"]:
    """All vectors below each other; of the right width where there are none."""
    return torch.cat([*vectors, torch.empty(0, dimensions)])
