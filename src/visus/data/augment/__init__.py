"""Random changes of training samples and batches, by name."""

from visus.data.augment.augment import Augment, Unchanged
from visus.data.augment.mirror import Mirror, mirror_of
from visus.data.augment.ssd import SSDAugment

AUGMENTATIONS = {"warp": Augment, "ssd": SSDAugment, "none": Unchanged}
"""What a recipe's ``data.augment.kind`` names. A constructor takes those fields of the recipe that it has arguments
for, and ``mirror``, what the data becomes in a mirror; fields that it does not take may not be set."""

__all__ = ["AUGMENTATIONS", "Augment", "Mirror", "SSDAugment", "Unchanged", "mirror_of"]
