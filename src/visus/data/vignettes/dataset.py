"""`vignettes`: small drawn scenes with the whole truth about them, made on the fly from numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Literal, TypeAlias

import torch
from jaxtyping import Bool, Int64, UInt8
from torch import Tensor

from visus.data.vignettes.annotate import seen_keypoints, semantic_map, tight_boxes, visible_masks
from visus.data.vignettes.drawing import Drawing, draw_scene
from visus.data.vignettes.kinds import CATEGORIES, KINDS
from visus.data.vignettes.language import (
    ATTRIBUTES,
    PREDICATES,
    Relationship,
    attributes_of,
    caption,
    phrase,
    relationships_of,
)
from visus.data.vignettes.scene import Cast
from visus.data.vignettes.skeleton import PERSON_KEYPOINTS
from visus.types import InstanceTarget, Keypoints, Sample, Schema

Split: TypeAlias = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")
_ATTRIBUTE_NUMBERS = {word: number for number, word in enumerate(ATTRIBUTES)}
_KIND_NUMBERS = {name: number for number, name in enumerate(KINDS)}


def _keypoints_of(categories: Sequence[str]) -> Keypoints | None:
    """The keypoints of people, carried by people alone; None without people."""
    if "person" not in categories:
        return None
    return replace(PERSON_KEYPOINTS, labels=() if len(categories) == 1 else (categories.index("person"),))


@dataclass(frozen=True)
class Scene:
    """A drawn scene and what is known of it beyond its target.

    Args:
        sample: the image and its target.
        phrases: the relationships in words ("man sitting on bench"), in the order of the target's.
        caption: a sentence.
        identities: the same number for the same individual wherever it is met in this split.
        names: what each object is called ("woman", "dog").
        semantic: the label of each pixel's object, or ``num_classes`` plus its place in ``STUFF``.
    """

    sample: Sample
    phrases: tuple[str, ...]
    caption: str
    identities: Int64[Tensor, " n"]
    names: tuple[str, ...]
    semantic: UInt8[Tensor, "h w"]


class Vignettes:
    """Drawn scenes of 1 to 7 objects: sample ``index`` is the same on every machine and in every process.

    Targets hold boxes, masks, keypoints, attributes (`language.ATTRIBUTES`) and relationships (`language.PREDICATES`);
    what else is known of a scene `scene` tells. Splits share neither scenes nor individuals.

    Args:
        split: "train", "val" or "test".
        length: how many scenes there are.
        size: pixels of the square picture's side, or (h, w).
        seed: another seed gives other scenes and other individuals.
        individuals: how many different individuals each category has.
        categories: the categories of the objects, label by label: any of `CATEGORIES` and `NOVEL_CATEGORIES`.
    """

    def __init__(
        self,
        *,
        split: Split,
        length: int,
        size: int | tuple[int, int] = 192,
        seed: int = 0,
        individuals: int = 400,
        categories: Sequence[str] = CATEGORIES,
    ) -> None:
        if split not in SPLITS:
            raise ValueError(f"vignettes has no split {split!r}; it has {', '.join(SPLITS)}")
        if length < 0:
            raise ValueError(f"length must be 0 or more, not {length}")
        self.split, self.length, self.seed, self.individuals = split, length, seed, individuals
        self.shape = (size, size) if isinstance(size, int) else (size[0], size[1])
        if min(self.shape) < 64:
            raise ValueError(f"vignettes are drawn at 64 pixels or more a side, not {self.shape}")
        unknown = [name for name in categories if name not in KINDS]
        if unknown or not categories:
            raise ValueError(f"vignettes draws {', '.join(KINDS)}; not {unknown or 'nothing'}")
        self.schema = Schema(
            categories=tuple(categories),
            category_ids=tuple(range(1, len(categories) + 1)),
            has_masks=True,
            keypoints=_keypoints_of(categories),
            attributes=ATTRIBUTES,
            predicates=PREDICATES,
        )

    def __len__(self) -> int:
        return self.length

    def size(self, index: int) -> tuple[int, int]:
        """Rows and columns of sample ``index``."""
        return self.shape

    def path(self, index: int) -> str:
        """A name for sample ``index`` in messages."""
        return f"vignettes/{self.split}/{self.seed}/{index:06d}"

    def stream(self, index: int) -> str:
        """The key of the random numbers that sample ``index`` is made from; no two samples of any split share one."""
        return f"visus vignettes scene {self.seed} {self.split} {index}"

    def __getitem__(self, index: int) -> Sample:
        return self.scene(index).sample

    def scene(self, index: int) -> Scene:
        """Scene ``index`` with all that is known of it."""
        if not 0 <= index < self.length:
            raise IndexError(f"vignettes has {self.length} scenes in {self.split!r}, so no scene {index}")
        cast = Cast(self.schema.categories, f"{self.seed} {self.split}", self.individuals)
        drawing = draw_scene(Random(self.stream(index)), self.shape, cast)
        masks = visible_masks(drawing.owners, len(drawing.items))
        boxes = tight_boxes(masks)
        labels = [self.schema.categories.index(item.category) for item in drawing.items]
        relations = relationships_of(drawing.items, boxes.tolist())
        target = InstanceTarget(
            boxes_xyxy=boxes,
            labels=torch.tensor(labels, dtype=torch.int64),
            areas=torch.tensor(drawing.areas, dtype=torch.float32),
            is_crowd=torch.zeros(len(labels), dtype=torch.bool),
            size=self.shape,
            image_id=index,
            masks=masks,
            keypoints_xyv=seen_keypoints(drawing.landmarks, drawing.parts) if self.schema.keypoints else None,
            attributes=_attributes(drawing),
            relationships=_numbered(relations),
        )
        sample = Sample(torch.from_numpy(drawing.image), target, self.path(index))
        return self._described(sample, drawing, labels, relations)

    def _described(
        self, sample: Sample, drawing: Drawing, labels: Sequence[int], relations: Sequence[Relationship]
    ) -> Scene:
        items = drawing.items
        numbers = [_KIND_NUMBERS[item.category] * self.individuals + item.number for item in items]
        return Scene(
            sample=sample,
            phrases=tuple(phrase(items, relation) for relation in relations),
            caption=caption(items, relations, indoor=drawing.indoor),
            identities=torch.tensor(numbers, dtype=torch.int64),
            names=tuple(item.look.noun for item in items),
            semantic=semantic_map(drawing.owners, labels, self.schema.num_classes),
        )


def _attributes(drawing: Drawing) -> Bool[Tensor, "n attributes"]:
    """Which attributes each object has."""
    found = torch.zeros(len(drawing.items), len(ATTRIBUTES), dtype=torch.bool)
    for row, item in zip(found, drawing.items, strict=True):
        row[[_ATTRIBUTE_NUMBERS[word] for word in attributes_of(item)]] = True
    return found


def _numbered(relations: Sequence[Relationship]) -> Int64[Tensor, "m 3"]:
    """Subject, predicate and object of each relationship, as a target holds them."""
    rows = [(one.subject, PREDICATES.index(one.predicate), one.object) for one in relations]
    return torch.tensor(rows, dtype=torch.int64).reshape(-1, 3)
