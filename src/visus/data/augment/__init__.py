"""Random changes of training samples and batches, by name."""

from visus.data.augment.augment import Augment
from visus.data.augment.ssd import SSDAugment

AUGMENTATIONS = {"warp": Augment, "ssd": SSDAugment}
"""What a recipe's ``data.augment.kind`` names. A constructor takes those fields of the recipe that it has arguments
for, and ``keypoints``, the schema's; fields that it does not take may not be set."""

__all__ = ["AUGMENTATIONS", "Augment", "SSDAugment"]
