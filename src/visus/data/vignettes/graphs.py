"""`vignettes` for making images: the scene graph of each scene as the input, its image as the target.

As in arXiv 1804.01622 for COCO, stuff such as sky and grass is among the objects, and every object has a relationship
by its place alone (`visus.ops.graphs.GEOMETRIC`) to another one, beside those that the scene has.
"""

from __future__ import annotations

from dataclasses import replace
from random import Random

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from visus.data.vignettes.annotate import tight_boxes
from visus.data.vignettes.backgrounds import STUFF
from visus.data.vignettes.dataset import Scene, Split, Vignettes
from visus.data.vignettes.kinds import CATEGORIES
from visus.ops.graphs import GEOMETRIC, geometric_relation
from visus.scenes import SceneGraph
from visus.types import ImageTarget, Sample

BACKDROPS = (
    ("sky", "distance", "grass"),
    ("sky", "distance", "pavement"),
    ("sky", "distance", "sand"),
    ("wall", "floor"),
)
"""The stuff that occurs together."""
_STUFF = tuple(name for name in STUFF if name != "clutter")
_LEAST_SHARE = 0.02  # of the pixels, for stuff to be an object


class VignetteGraphs:
    """The scenes of `Vignettes`: 13 kinds of objects and 7 of stuff, a graph and its image each.

    Args:
        split: "train", "val" or "test".
        length: how many scenes there are.
        size: pixels of the square image's side.
        seed: another seed gives other scenes.
    """

    def __init__(self, *, split: Split, length: int, size: int = 64, seed: int = 0) -> None:
        self._scenes = Vignettes(split=split, length=length, size=size, seed=seed)
        schema = self._scenes.schema
        names = (*CATEGORIES, *_STUFF)
        self.schema = replace(
            schema,
            categories=names,
            category_ids=tuple(range(1, len(names) + 1)),
            keypoints=None,
            predicates=(*schema.predicates, *GEOMETRIC),
            backdrops=BACKDROPS,
        )

    def __len__(self) -> int:
        return len(self._scenes)

    def size(self, index: int) -> tuple[int, int]:
        """Rows and columns of sample ``index``."""
        return self._scenes.size(index)

    def path(self, index: int) -> str:
        """A name for sample ``index`` in messages."""
        return self._scenes.path(index)

    def __getitem__(self, index: int) -> Sample:
        scene = self._scenes.scene(index)
        known = scene.sample.target
        stuff, stuff_masks = _stuff_of(scene)
        boxes = torch.cat([known.boxes_xyxy, tight_boxes(stuff_masks)])
        labels = torch.cat([known.labels, len(CATEGORIES) + stuff])
        rows = _with_geometric(known.relationships, boxes, Random(f"{self._scenes.stream(index)} graph"))
        rows[:, 1] += (torch.arange(len(rows)) >= len(known.relationships)) * (
            len(self.schema.predicates) - len(GEOMETRIC)
        )
        attributes = torch.cat([known.attributes, known.attributes.new_zeros(len(stuff), known.attributes.shape[1])])
        graph = SceneGraph(labels, attributes, rows, known.size, seed=index)
        masks = torch.cat([known.masks, stuff_masks])
        target = ImageTarget(scene.sample.input, boxes, labels, known.size, image_id=index, masks=masks)
        return Sample(graph, target, self.path(index))


def _stuff_of(scene: Scene) -> tuple[Int64[Tensor, " stuff"], Bool[Tensor, "stuff h w"]]:
    """The stuff of which enough is seen, by its place in the list, and where it is."""
    wanted = torch.tensor([len(CATEGORIES) + STUFF.index(name) for name in _STUFF], dtype=torch.uint8)
    masks = scene.semantic == wanted[:, None, None]
    seen = (masks.float().mean(dim=(1, 2)) >= _LEAST_SHARE).nonzero()[:, 0]
    return seen, masks[seen]


def _with_geometric(rows: Int64[Tensor, "m 3"], boxes: Float[Tensor, "n 4"], rng: Random) -> Int64[Tensor, "all 3"]:
    """The relationships, and behind them one of each object to another by their boxes."""
    count, added = len(boxes), list[tuple[int, int, int]]()
    for place in range(count if count > 1 else 0):
        other = rng.choice([one for one in range(count) if one != place])
        first, second = (place, other) if rng.random() < 0.5 else (other, place)
        added.append((first, geometric_relation(boxes[first], boxes[second]), second))
    return torch.cat([rows, torch.tensor(added, dtype=torch.int64).reshape(-1, 3)])
