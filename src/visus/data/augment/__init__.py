"""Random changes of training samples and batches, by name."""

from typing import Any

from visus.data.augment.augment import Augment, Unchanged
from visus.data.augment.mirror import Mirror, mirror_of
from visus.data.augment.shapes import ShapeAugment
from visus.data.augment.ssd import SSDAugment

AUGMENTATIONS: dict[str, Any] = {"warp": Augment, "ssd": SSDAugment, "shapes": ShapeAugment, "none": Unchanged}
"""What a recipe's ``data.augment.kind`` names. A constructor takes those fields of the recipe that it has arguments
for, and ``mirror``, what the data becomes in a mirror; fields that it does not take may not be set. Its ``inputs`` are
the kinds of input that it changes."""

__all__ = ["AUGMENTATIONS", "Augment", "Mirror", "SSDAugment", "ShapeAugment", "Unchanged", "mirror_of"]
