"""`VignetteObjects`: pictures of one main object, for classification and localisation."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import torch

from visus.data.vignettes.dataset import SPLITS, Split
from visus.data.vignettes.kinds import CATEGORIES, KINDS
from visus.data.vignettes.portraits import draw_portrait
from visus.data.vignettes.scene import Cast
from visus.types import ClassTarget, Sample, Schema

_INDIVIDUALS = 400  # of each category, as in Vignettes


class VignetteObjects:
    """Windows of drawn scenes around one object: its category and its box; the same everywhere for the same index.

    The object lies anywhere in the window, other objects and clutter around it. Every category comes equally often.
    Splits share neither scenes nor individuals.

    Args:
        split: "train", "val" or "test".
        length: how many pictures there are.
        size: pixels of the square picture's side.
        seed: another seed gives other scenes and other individuals.
        categories: what the main objects are, label by label: any that vignettes draws.
    """

    def __init__(
        self,
        *,
        split: Split,
        length: int,
        size: int = 128,
        seed: int = 0,
        categories: Sequence[str] = CATEGORIES,
    ) -> None:
        if split not in SPLITS:
            raise ValueError(f"vignette objects have no split {split!r}; they have {', '.join(SPLITS)}")
        if length < 0:
            raise ValueError(f"length must be 0 or more, not {length}")
        if size < 32:
            raise ValueError(f"vignette objects are drawn at 32 pixels or more a side, not {size}")
        if unknown := [name for name in categories if name not in KINDS]:
            raise ValueError(f"vignettes draws {', '.join(KINDS)}; not {', '.join(unknown)}")
        self.split, self.length, self.side, self.seed = split, length, size, seed
        self.categories = tuple(categories)
        self.labels = torch.arange(length) % len(self.categories)
        """Int64 [n]: the category of each picture."""
        self.super_labels = None
        self.schema = Schema(categories=self.categories, category_ids=tuple(range(1, len(self.categories) + 1)))

    def __len__(self) -> int:
        return self.length

    def size(self, index: int) -> tuple[int, int]:
        """Rows and columns of sample ``index``."""
        return self.side, self.side

    def path(self, index: int) -> str:
        """A name for sample ``index`` in messages."""
        return f"vignette_objects/{self.split}/{self.seed}/{index:06d}"

    def __getitem__(self, index: int) -> Sample:
        if not 0 <= index < self.length:
            raise IndexError(f"there are {self.length} vignette objects in {self.split!r}, so none of number {index}")
        key = f"visus vignettes object {self.seed} {self.split} {index}"
        label = index % len(self.categories)
        lead = self.categories[label], Random(key).randrange(_INDIVIDUALS)
        cast = Cast(self.categories, f"{self.seed} {self.split}", _INDIVIDUALS, lead)
        target = ClassTarget(torch.tensor(label), self.size(index), index)
        return draw_portrait(lambda attempt: f"{key} {attempt}", cast, self.side, target, self.path(index))
