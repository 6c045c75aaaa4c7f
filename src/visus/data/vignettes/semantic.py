"""`vignettes` for semantic segmentation: the same scenes, with the class of every pixel as their target."""

from __future__ import annotations

from dataclasses import replace

import torch

from visus.data.vignettes.backgrounds import STUFF
from visus.data.vignettes.dataset import Split, Vignettes
from visus.data.vignettes.kinds import CATEGORIES
from visus.types import VOID, Sample, Schema, SemanticTarget

# Windows, pictures, crates and strokes have nothing in common: there is no class to learn, so they do not count.
_NOT_A_CLASS = "clutter"
_COLOURS = {
    "person": (220, 60, 70),
    "dog": (176, 112, 60),
    "cat": (240, 150, 60),
    "bird": (250, 205, 70),
    "ball": (232, 96, 168),
    "cup": (120, 220, 220),
    "bench": (140, 84, 160),
    "couch": (96, 70, 150),
    "chair": (190, 130, 220),
    "table": (120, 60, 72),
    "car": (40, 70, 170),
    "bicycle": (30, 150, 150),
    "tree": (40, 110, 60),
    "sky": (150, 200, 240),
    "grass": (140, 196, 96),
    "pavement": (146, 150, 160),
    "sand": (232, 214, 160),
    "wall": (222, 200, 196),
    "floor": (168, 144, 124),
    "distance": (108, 140, 150),
}


class SemanticVignettes:
    """The scenes of `Vignettes`, each with a `SemanticTarget`: 13 kinds of objects, 7 of surroundings.

    What lies or hangs about without being an object (clutter: windows, pictures, shelves, crates, strokes; about 7 % of
    the pixels) is `VOID`.

    Args:
        split: "train", "val" or "test".
        length: how many scenes there are.
        size: pixels of the square picture's side, or (h, w).
        seed: another seed gives other scenes.
    """

    def __init__(self, split: Split, length: int, size: int | tuple[int, int] = 192, seed: int = 0) -> None:
        self._scenes = Vignettes(split=split, length=length, size=size, seed=seed)
        names = (*CATEGORIES, *(name for name in STUFF if name != _NOT_A_CLASS))
        self.schema = Schema(
            categories=names, category_ids=tuple(range(len(names))), colours=tuple(_COLOURS[name] for name in names)
        )
        labels = [VOID if name == _NOT_A_CLASS else names.index(name) for name in (*CATEGORIES, *STUFF)]
        self._labels = torch.tensor(labels, dtype=torch.uint8)

    def __len__(self) -> int:
        return len(self._scenes)

    def __getitem__(self, index: int) -> Sample:
        scene = self._scenes.scene(index)
        labels = self._labels[scene.semantic.int()]
        target = SemanticTarget(labels=labels, size=self._scenes.shape, image_id=index)
        return replace(scene.sample, target=target)

    def size(self, index: int) -> tuple[int, int]:
        """Rows and columns of sample ``index``."""
        return self._scenes.size(index)

    def path(self, index: int) -> str:
        """A name for sample ``index`` in messages."""
        return self._scenes.path(index)
