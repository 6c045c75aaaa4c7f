"""What a data set's own objects say about a small detector: the size of images, the anchors, how many are found.

The rules are for the networks on an EfficientNet-Lite0, whose finest cells have four pixels. Their numbers follow from
that; they are not tuned to any data set.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from visus.data.feed.loader import SampleDataset
from visus.data.records.chosen import readable
from visus.names import counted
from visus.training.recipe import Option, Recipe
from visus.types import InstanceTarget

MOST_LOOKED_AT = 200
"""Images whose objects are looked at, evenly over the data set."""

SIZES = range(320, 513, 32)
"""The shorter sides, in pixels, that a small detector may work at."""

PIXELS_OF_A_STEP = 8 * 320**2
"""The pixels of a batch, at most: larger images make smaller batches, so that a run has as many steps in its time."""

CLEAR = 20.0
"""The side in pixels that a small object of a data set should have when the network sees it."""

SMALLEST_ANCHOR = 6.0
"""The side of an anchor, in pixels, below which cells of the finest level (4 pixels) tell no objects apart."""


@dataclass(frozen=True)
class Objects:
    """The objects of some images.

    Args:
        shares: the square root of each object's area over the shorter side of its image.
        counts: the objects of each image.
    """

    shares: Float[Tensor, " n"]
    counts: Float[Tensor, " m"]

    @property
    def most(self) -> int:
        """The most objects of an image."""
        return int(self.counts.max())

    def share(self, part: float) -> float:
        """The share below which so large a part of the objects lies."""
        return float(self.shares.quantile(part))


def objects_of(dataset: SampleDataset) -> Objects | None:
    """The objects of up to `MOST_LOOKED_AT` images; None where there is none."""
    step = max(1, len(dataset) // MOST_LOOKED_AT)
    shares, counts = [], []
    for sample in readable(dataset, range(0, len(dataset), step)):
        target: InstanceTarget = sample.target
        boxes = target.boxes_xyxy[~target.is_crowd]
        sides = (boxes[:, 2:] - boxes[:, :2]).clamp(min=0).prod(1).sqrt()
        shares.append(sides / min(target.size))
        counts.append(float(len(boxes)))
    found = torch.cat(shares)
    return Objects(found, torch.tensor(counts)) if len(found) else None


def suited(recipe: Recipe, dataset: SampleDataset) -> Recipe:
    """The recipe of a small detector with the size, the anchors and the limits that suit the objects of ``dataset``.

    What was chosen and why is in `Recipe.about`.
    """
    objects = objects_of(dataset)
    if objects is None:
        return recipe
    small = objects.share(0.25)
    size = next((side for side in SIZES if side * small >= CLEAR), SIZES[-1])
    smallest = max(SMALLEST_ANCHOR, min(size / 16, objects.share(0.05) * size))
    largest = min(float(size), max(16 * smallest, objects.share(0.95) * size))
    found = _hundreds(1.5 * objects.most)
    options: dict[str, Option] = {
        "size": size,
        "smallest": round(smallest / size, 4),
        "largest": round(largest / size, 4),
        "detections": found,
    }
    batch_size = min(recipe.data.batch_size, max(1, PIXELS_OF_A_STEP // size**2))
    about = (
        f"images at {size} pixels, where a quarter of the objects are smaller than {size * small:.0f}, "
        f"{batch_size} in a batch; "
        f"anchors of {smallest:.0f} to {largest:.0f} pixels, as the objects are; up to {found} objects an image, "
        f"as one image has {counted(objects.most, 'objects')}"
    )
    augment = replace(recipe.data.augment, size=(size, size))
    return replace(
        recipe,
        model_options={**recipe.model_options, **options},
        data=replace(recipe.data, augment=augment, batch_size=batch_size),
        about=about,
    )


def _hundreds(count: float) -> int:
    """A limit that holds ``count``, from 100 to 1000."""
    return min(1000, max(100, 100 * math.ceil(count / 100)))
