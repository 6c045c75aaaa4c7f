"""Images in files with the scene graph of each: objects with boxes, and who is related to whom how."""

from __future__ import annotations

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
    """

    name: str
    boxes_xyxy: Sequence[tuple[float, float, float, float]]
    labels: Sequence[int]
    relationships: Sequence[tuple[int, int, int]]

    def target(self, size: tuple[int, int], image_id: int) -> InstanceTarget:
        """The record for an image of ``size`` (h, w); boxes are clipped to it."""
        boxes = clip_boxes(torch.tensor(self.boxes_xyxy, dtype=torch.float32).reshape(-1, 4), size)
        return InstanceTarget(
            boxes_xyxy=boxes,
            labels=torch.tensor(self.labels, dtype=torch.int64),
            areas=box_area(boxes),
            is_crowd=torch.zeros(len(boxes), dtype=torch.bool),
            size=size,
            image_id=image_id,
            relationships=torch.tensor(self.relationships, dtype=torch.int64).reshape(-1, 3),
        )


class GraphImages(ImageFiles):
    """Images with their scene graphs, in the order given.

    Args:
        folder: what the file names are relative to.
        records: the annotations of each image.
        schema: the names of categories and predicates.
    """

    def __init__(self, *, folder: Path, records: Sequence[GraphRecord], schema: Schema) -> None:
        super().__init__(folder=folder, names=(record.name for record in records), schema=schema)
        self._boxes = ByteTable(np.asarray(record.boxes_xyxy, dtype=np.float32).tobytes() for record in records)
        self._graph_labels = ByteTable(np.asarray(record.labels, dtype=np.int64).tobytes() for record in records)
        self._rows = ByteTable(np.asarray(record.relationships, dtype=np.int64).tobytes() for record in records)

    def _target(self, index: int, size: tuple[int, int]) -> InstanceTarget:
        place = self._place(index)
        record = GraphRecord(
            self._names[place],
            np.frombuffer(self._boxes[place], dtype=np.float32).reshape(-1, 4).tolist(),
            np.frombuffer(self._graph_labels[place], dtype=np.int64).tolist(),
            np.frombuffer(self._rows[place], dtype=np.int64).reshape(-1, 3).tolist(),
        )
        return record.target(size, place + 1)
