"""Data sets in COCO's format: boxes, masks and keypoints from one annotation file and a folder of pictures.

Format: Lin et al., "Microsoft COCO: Common Objects in Context", arXiv 1405.0312, and https://cocodataset.org/#format-data.
Identifiers may be sparse, zero included; ``area``, ``iscrowd`` and ``segmentation`` may be missing.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from visus.data.errors import AnnotationError
from visus.data.files.images import image_size
from visus.data.formats.coco_fake import write_fake
from visus.data.formats.coco_index import build_index, read_coco_json
from visus.data.formats.coco_layouts import find_coco
from visus.data.records.indexed import IndexedDataset
from visus.types import Schema

__all__ = ["AnnotationError", "CocoDataset", "open_coco", "write_fake"]


class CocoDataset(IndexedDataset):
    """The images of a COCO annotation file, in the order of their identifiers.

    Args:
        images: the folder that the file names are relative to.
        annotations: the JSON file.
        for_training: leave out crowds and clip boxes to the image.
        keep_empty: keep images without a single (remaining) object.
        schema: fixes which label each category has, for example that of a trained model; None numbers the categories of
            the file in the order of their identifiers.
        image_ids: the images to keep; None keeps all.

    Raises:
        AnnotationError: the annotations cannot be used; names the file, the record and what is wrong.
    """

    def __init__(
        self,
        *,
        images: Path,
        annotations: Path,
        for_training: bool = False,
        keep_empty: bool = True,
        schema: Schema | None = None,
        image_ids: Collection[int] | None = None,
    ) -> None:
        super().__init__(
            images=images,
            source=annotations,
            index=build_index(
                read_coco_json(Path(annotations)),
                Path(annotations),
                size_of=lambda name: image_size(Path(images) / name),
                for_training=for_training,
                schema=schema,
                keep=None if image_ids is None else set(image_ids),
            ),
            keep_empty=keep_empty,
        )


def open_coco(
    root: Path, split: str, *, for_training: bool = False, schema: Schema | None = None, keypoints: bool = False
) -> CocoDataset:
    """Open a split of a data set in any of COCO's usual layouts.

    - ``annotations/instances_{split}*.json`` (or ``person_keypoints_{split}*.json``) with ``{split}*/`` or
      ``images/{split}*/``;
    - ``{split}/_annotations.coco.json`` beside the pictures, where "valid" is the split "val";
    - ``annotations.json`` with ``images/``: 80 % train, 10 % val, 10 % test, the same division every time.

    Args:
        root: the folder.
        split: "train", "val" or "test".
        for_training: leave out crowds and clip boxes to the image.
        schema: fixes which label each category has; None numbers the categories of the file.
        keypoints: prefer the file with keypoints where there are two.

    Raises:
        DatasetNotFoundError: no layout fits; lists what was looked for.
        AnnotationError: the annotations cannot be used.
    """
    found = find_coco(Path(root), split, keypoints=keypoints)
    return CocoDataset(
        images=found.images,
        annotations=found.annotations,
        for_training=for_training,
        schema=schema,
        image_ids=found.image_ids,
    )
