"""`VignetteIdentities`: the same individuals met again and again, for retrieval and re-identification."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from visus.data.vignettes.cameras import camera_of, photograph
from visus.data.vignettes.dataset import SPLITS, Split
from visus.data.vignettes.kinds import CATEGORIES, KINDS
from visus.data.vignettes.portraits import draw_portrait
from visus.data.vignettes.scene import Cast
from visus.types import ClassTarget, Sample, Schema


class VignetteIdentities:
    """Windows of drawn scenes around individuals, each in several poses, places and lights.

    The label is the individual, numbered category by category; the views of an individual follow each other. Splits
    share no individual, so a test asks for classes that were never trained.

    Args:
        split: "train", "val" or "test".
        individuals: how many individuals each category has.
        views: pictures of each individual.
        size: pixels of the square picture's side.
        seed: another seed gives other scenes and other individuals.
        categories: what the individuals are: any that vignettes draws.
        cameras: that take as many views of each individual, each with colours, brightness and sharpness of its own
            (see `visus.data.vignettes.cameras`); 0 for none. Outside of "train" the first view by each camera then is a
            query and the others are the gallery.
    """

    def __init__(
        self,
        *,
        split: Split,
        individuals: int = 40,
        views: int = 8,
        size: int = 96,
        seed: int = 0,
        categories: Sequence[str] = CATEGORIES,
        cameras: int = 0,
    ) -> None:
        if split not in SPLITS:
            raise ValueError(f"vignette identities have no split {split!r}; they have {', '.join(SPLITS)}")
        if min(individuals, views) < 1:
            raise ValueError(f"individuals and views must be at least 1, not {individuals} and {views}")
        if size < 32:
            raise ValueError(f"vignette identities are drawn at 32 pixels or more a side, not {size}")
        if cameras and (cameras < 0 or views % cameras or views < 2 * cameras):
            raise ValueError(f"{cameras} cameras cannot each take the same number of {views} views, 2 or more")
        unknown = [name for name in categories if name not in KINDS]
        if unknown or not categories:
            raise ValueError(f"vignettes draws {', '.join(KINDS)}; not {unknown or 'nothing'}")
        self.split, self.individuals, self.views = split, individuals, views
        self.side, self.seed, self.categories = size, seed, tuple(categories)
        self.cameras = tuple(camera_of(number, seed) for number in range(cameras))
        numbers = torch.arange(len(self.categories) * individuals * views)
        self.labels = numbers // views
        """Int64 [n]: the individual of each picture."""
        self.super_labels = self.labels // individuals
        """Int64 [n]: the category of each picture, a place in ``categories``."""
        names = tuple(f"{category} {number}" for category in self.categories for number in range(individuals))
        self.schema = Schema(categories=names, category_ids=tuple(range(len(names))))

    def __len__(self) -> int:
        return len(self.labels)

    def size(self, index: int) -> tuple[int, int]:
        """Rows and columns of sample ``index``."""
        return self.side, self.side

    def path(self, index: int) -> str:
        """A name for sample ``index`` in messages."""
        return f"vignette_identities/{self.split}/{self.seed}/{index:06d}"

    def __getitem__(self, index: int) -> Sample:
        if not 0 <= index < len(self):
            raise IndexError(f"there are {len(self)} vignette identities in {self.split!r}, so none of number {index}")
        label, view = divmod(index, self.views)
        category, number = divmod(label, self.individuals)
        lead = self.categories[category], number
        key = f"visus vignettes identity {self.seed} {self.split} {lead} {view}"
        # Others come from the same few hundred; that some are leads elsewhere makes the backgrounds honest.
        cast = Cast(self.categories, f"{self.seed} {self.split}", self.individuals, lead)
        target = ClassTarget(torch.tensor(label), self.size(index), index)
        sample = draw_portrait(lambda attempt: f"{key} {attempt}", cast, self.side, target, self.path(index))
        if not self.cameras:
            return sample
        camera, place = divmod(view, self.views // len(self.cameras))
        asks = None if self.split == "train" else place == 0
        taken = replace(sample.target, camera=camera, is_query=asks)
        return replace(sample, input=photograph(sample.input, self.cameras[camera]), target=taken)
