"""Images with objects whose annotations were packed into a `CocoIndex`, whatever format they came in."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Self

import torch
from jaxtyping import Bool, UInt8
from torch import Tensor
from torch.utils.data import Dataset

from visus.data.errors import AnnotationError
from visus.data.files.images import read_image
from visus.data.formats.coco_index import CocoIndex, build_index
from visus.data.formats.coco_segments import draw_segments, unpacked
from visus.data.formats.coco_values import Record
from visus.names import counted
from visus.types import InstanceTarget, Keypoints, Sample, Schema


class IndexedDataset(Dataset[Sample]):
    """The images of an index, in the order of their identifiers.

    Annotations lie in a few tensors, so memory stays flat over epochs and workers. Objects whose box has no area are
    left out and counted in ``dropped``. An object without an outline, in a data set where others have one, gets its box
    as mask.

    Args:
        images: the folder that the file names are relative to.
        source: the annotation file or folder, for messages.
        index: the annotations.
        read: reads an image, by its name joined to the folder.
    """

    def __init__(
        self,
        *,
        images: Path,
        source: Path,
        index: CocoIndex,
        read: Callable[[str], UInt8[Tensor, "3 h w"]] = read_image,
    ) -> None:
        self.images = Path(images)
        self.source = Path(source)
        self._index = index
        self._read = read
        if self.dropped:
            message = f"{self.source}: {counted(self.dropped, 'objects')} left out because of boxes without area"
            warnings.warn(message, stacklevel=3)

    def require_objects(self) -> Self:
        """Refuse images for training that hold nothing to learn from; see where it is called.

        Raises:
            AnnotationError: no image has an object.
        """
        if not len(self._index.labels):
            raise AnnotationError(
                f"{self.source}: no object to learn from on {len(self)} images: all are crowds (iscrowd 1, or "
                "difficult) or without area, or there is none. Where a program marked every mask as a crowd, set its "
                "iscrowd to 0"
            )
        return self

    def with_keypoints(self, meaning: Keypoints) -> Self:
        """The same images and objects, whose keypoints mean this."""
        changed = copy(self)
        changed._index = replace(self._index, schema=replace(self.schema, keypoints=meaning))
        return changed

    @property
    def schema(self) -> Schema:
        """The categories and what keypoints mean."""
        return self._index.schema

    @property
    def dropped(self) -> int:
        """The number of objects left out because their box has no area."""
        return self._index.dropped

    def __len__(self) -> int:
        return len(self._index.image_ids)

    def __getitem__(self, index: int) -> Sample:
        path = self.path(index)
        image = self._read(path)
        size, said = tuple(image.shape[-2:]), self.size(index)
        if size != said:
            raise AnnotationError(f"{path}: the image has (h, w) = {size}, {self.source} says {said}")
        return Sample(input=image, target=self.target(index), path=path)

    def size(self, index: int) -> tuple[int, int]:
        """The (h, w) of an image, as annotated."""
        height, width = self._index.sizes[self._row(index)].tolist()
        return height, width

    def path(self, index: int) -> str:
        """The file of an image."""
        return str(self.images / self._index.names[self._row(index)])

    def target(self, index: int) -> InstanceTarget:
        """The objects of an image, without decoding it."""
        row, packed = self._row(index), self._index
        first, last = packed.first[row : row + 2].tolist()
        size = self.size(index)
        return InstanceTarget(
            boxes_xyxy=packed.boxes[first:last].clone(),
            labels=packed.labels[first:last].clone(),
            areas=packed.areas[first:last].clone(),
            is_crowd=packed.is_crowd[first:last].clone(),
            size=size,
            image_id=int(packed.image_ids[row]),
            masks=self._masks(range(first, last), size) if packed.schema.has_masks else None,
            keypoints_xyv=None if packed.keypoints is None else packed.keypoints[first:last].clone(),
        )

    def _row(self, index: int) -> int:
        if not -len(self) <= index < len(self):
            raise IndexError(f"image {index} of {len(self)}")
        return index % len(self)

    def _masks(self, objects: range, size: tuple[int, int]) -> Bool[Tensor, "n h w"]:
        texts = [self._index.segmentations[i] for i in objects]
        outlined = [unpacked(text) for text in texts if text]
        try:
            drawn = draw_segments(outlined, size)
        except (ValueError, KeyError, TypeError) as error:
            raise self._unusable(objects, size) from error
        if len(outlined) == len(objects):
            return drawn
        masks = torch.zeros(len(objects), *size, dtype=torch.bool)
        masks[torch.tensor([bool(text) for text in texts], dtype=torch.bool)] = drawn
        for position, text in enumerate(texts):
            if not text:
                left, top, right, bottom = self._index.boxes[objects[position]].round().int().clamp(min=0).tolist()
                masks[position, top:bottom, left:right] = True
        return masks

    def _unusable(self, objects: range, size: tuple[int, int]) -> AnnotationError:
        """The error that names the object whose outline cannot be drawn."""
        for i in objects:
            try:
                if text := self._index.segmentations[i]:
                    draw_segments([unpacked(text)], size)
            except (ValueError, KeyError, TypeError) as error:
                identifier = int(self._index.annotation_ids[i])
                return AnnotationError(f"{self.source}: annotation {identifier} has an unusable outline: {error}")
        return AnnotationError(f"{self.source}: outlines of an image of size {size} cannot be drawn")


def indexed(
    content: Record,
    source: Path,
    *,
    size_of: Callable[[str], tuple[int, int]],
    for_training: bool,
    images: Path = Path(),
    schema: Schema | None = None,
    keep: Collection[int] | None = None,
    read: Callable[[str], UInt8[Tensor, "3 h w"]] = read_image,
) -> IndexedDataset:
    """The images of annotations in COCO's format; arguments as for `build_index` and `IndexedDataset`.

    Raises:
        AnnotationError: a record that cannot be used, or no object to learn from.
    """
    index = build_index(content, source, size_of=size_of, for_training=for_training, schema=schema, keep=keep)
    dataset = IndexedDataset(images=images, source=source, index=index, read=read)
    return dataset.require_objects() if for_training else dataset
