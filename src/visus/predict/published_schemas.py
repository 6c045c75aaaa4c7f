"""What the labels of published weights mean."""

from __future__ import annotations

from visus.data.formats.coco_names import COCO_PERSON_SCHEMA, COCO_SCHEMA
from visus.data.formats.imagenet_names import IMAGENET_SCHEMA
from visus.data.formats.voc_names import VOC_NAMES, voc_colour
from visus.nn.published import PUBLISHED
from visus.types import Schema


def published_schema(name: str) -> tuple[Schema, str]:
    """The schema of published weights, and the data that they were trained on.

    Classifiers name ImageNet's 1,000 classes; networks of semantic segmentation the 20 of Pascal VOC after category 0,
    the background; detectors the categories of COCO.

    Args:
        name: a key of `visus.nn.published.PUBLISHED`.
    """
    measured = PUBLISHED[name].metric
    if "ImageNet top1" in measured:
        return IMAGENET_SCHEMA, "ImageNet"
    if "VOC mIoU" in measured:
        names = ("background", *VOC_NAMES)
        numbers = tuple(range(len(names)))
        colours = tuple(voc_colour(number) for number in numbers)
        return Schema(names, numbers, colours=colours), "COCO's images with Pascal VOC's classes"
    return (COCO_PERSON_SCHEMA if name.startswith("keypointrcnn") else COCO_SCHEMA), "COCO"
