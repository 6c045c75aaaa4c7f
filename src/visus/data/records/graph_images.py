"""Images in files with the scene graph of each: objects with boxes, and who is related to whom how."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from visus.data.records.flat import ByteTable
from visus.data.records.image_files import ImageFiles
from visus.ops.boxes import box_area, clip_boxes
from visus.types import InstanceTarget, Schema


@dataclass(frozen=True)
class GraphRecord:
    """The annotations of one image.

    Args:
        name: its file.
        boxes_xyxy: of each object, in pixels.
        labels: of each object.
        relationships: index of the subject, number of the predicate, index of the object.
        attributes: numbers of those of each object; None where nothing is said of them.
    """

    name: str
    boxes_xyxy: Sequence[tuple[float, float, float, float]]
    labels: Sequence[int]
    relationships: Sequence[tuple[int, int, int]]
    attributes: Sequence[Sequence[int]] | None = None

    def target(self, size: tuple[int, int], image_id: int, *, num_attributes: int = 0) -> InstanceTarget:
        """The record for an image of ``size`` (h, w); boxes are clipped to it."""
        boxes = clip_boxes(torch.tensor(self.boxes_xyxy, dtype=torch.float32).reshape(-1, 4), size)
        return InstanceTarget(
            boxes_xyxy=boxes,
            labels=torch.tensor(self.labels, dtype=torch.int64),
            areas=box_area(boxes),
            is_crowd=torch.zeros(len(boxes), dtype=torch.bool),
            size=size,
            image_id=image_id,
            attributes=None if self.attributes is None else torch.from_numpy(self._has(num_attributes)),
            relationships=torch.tensor(self.relationships, dtype=torch.int64).reshape(-1, 3),
        )

    def _has(self, num_attributes: int) -> np.ndarray:
        """Which attributes each object has [n, attributes]."""
        table = np.zeros((len(self.labels), num_attributes), dtype=bool)
        for row, numbers in zip(table, self.attributes or (), strict=True):
            row[list(numbers)] = True
        return table


class GraphImages(ImageFiles):
    """Images with their scene graphs, in the order given.

    Args:
        folder: what the file names are relative to.
        records: the annotations of each image.
        schema: the names of categories, attributes and predicates.
    """

    def __init__(self, *, folder: Path, records: Sequence[GraphRecord], schema: Schema) -> None:
        super().__init__(folder=folder, names=(record.name for record in records), schema=schema)
        self._records = ByteTable(_packed(record) for record in records)

    def _target(self, index: int, size: tuple[int, int]) -> InstanceTarget:
        place = self._place(index)
        record = _unpacked(self._names[place], self._records[place])
        return record.target(size, place + 1, num_attributes=len(self.schema.attributes))


def _packed(record: GraphRecord) -> bytes:
    values = (record.boxes_xyxy, record.labels, record.relationships, record.attributes)
    return json.dumps(values).encode()


def _unpacked(name: str, data: bytes) -> GraphRecord:
    boxes, labels, relationships, attributes = json.loads(data)
    return GraphRecord(name, boxes, labels, relationships, attributes)
