"""A COCO annotation file, checked and packed into tensors.

The file is read once into a `CocoIndex`, whose memory does not grow however many processes read it;
`visus.data.records.flat` says why. Format: Lin et al., "Microsoft COCO: Common Objects in Context", arXiv 1405.0312,
and https://cocodataset.org/#format-data.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import hotcoco.mask
import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from visus.data.errors import AnnotationError
from visus.data.files.json_file import collector_paused, read_json
from visus.data.formats.coco_names import skeleton_meaning
from visus.data.formats.coco_segments import pack_polygons, packed, segmentation_of
from visus.data.formats.coco_values import (
    Record,
    all_finite,
    are_numbers,
    declares_keypoints_well,
    is_area,
    is_crowd_flag,
    is_file_name,
    is_finite,
    is_identifier,
    is_side,
    is_text,
    keypoint_problem,
    leaves_folder,
    mirror_pairs,
    outline_problem,
    short,
)
from visus.data.records.flat import ByteTable, NameTable
from visus.ops.outlines import rle_of
from visus.types import Keypoints, Schema


@dataclass(frozen=True)
class CocoIndex:
    """The annotations of a data set, images in the order of their identifiers.

    The objects of image ``i`` are the rows ``first[i]:first[i + 1]``; boxes are xyxy. ``segmentations`` holds
    what `packed` makes of outlines, empty where an object has none. ``dropped`` counts objects left out because their
    box has no area.
    """

    schema: Schema
    image_ids: Int64[Tensor, " i"]
    sizes: Int64[Tensor, "i 2"]
    names: NameTable
    first: Int64[Tensor, " i_1"]
    annotation_ids: Int64[Tensor, " n"]
    boxes: Float[Tensor, "n 4"]
    labels: Int64[Tensor, " n"]
    areas: Float[Tensor, " n"]
    is_crowd: Bool[Tensor, " n"]
    segmentations: ByteTable
    keypoints: Float[Tensor, "n k 3"] | None
    dropped: int


def read_coco_json(path: Path, *, pack: bool = False) -> Record:
    """The content of an annotation file.

    Args:
        path: the file.
        pack: replace polygons by their bytes, see `pack_polygons`: for `build_index`, which needs no numbers.

    Raises:
        AnnotationError: missing, empty, not JSON, or without the three lists of a COCO file.
    """
    content = read_json(path, pack_polygons if pack else None)
    if not isinstance(content, dict):
        raise AnnotationError(f"{path}: holds a JSON {type(content).__name__}; COCO's ground truth is an object")
    absent = [key for key in ("images", "annotations", "categories") if not isinstance(content.get(key), list)]
    if absent:
        raise AnnotationError(f"{path}: has no list {absent}; COCO's are 'images', 'annotations' and 'categories'")
    return content


def coco_content(images: Iterable[tuple[Record, Iterable[Record]]], categories: list[Record]) -> Record:
    """The content of an annotation file in which images and objects are numbered from 1.

    Args:
        images: each as `image_record` makes it, with its objects, which have their "category_id" already.
        categories: with their "id" and "name".
    """
    listed: list[Record] = []
    annotations: list[Record] = []
    for number, (image, objects) in enumerate(images, start=1):
        listed.append({"id": number, **image})
        for thing in objects:
            annotations.append({**thing, "id": len(annotations) + 1, "image_id": number})
    return {"images": listed, "annotations": annotations, "categories": categories}


def image_record(name: str, size: tuple[int, int] | None) -> Record:
    """The record of an image of ``size`` (h, w), which it does not say where it is None."""
    return {"file_name": name} if size is None else {"file_name": name, "height": size[0], "width": size[1]}


def build_index(
    content: Record,
    path: Path,
    *,
    size_of: Callable[[str], tuple[int, int]],
    for_training: bool,
    schema: Schema | None = None,
    keep: Collection[int] | None = None,
) -> CocoIndex:
    """Pack the content of an annotation file.

    Args:
        content: from `read_coco_json`.
        path: of the file, for messages.
        size_of: gives (h, w) of an image file, for images whose record does not say it.
        for_training: leave out crowds, and clip boxes to the image.
        schema: fixes which label each category has; None numbers the file's categories by identifier.
        keep: identifiers of the images to keep; None keeps all.

    Raises:
        AnnotationError: a record that cannot be used.
    """
    with collector_paused():
        return _built(content, path, size_of, for_training, schema or schema_of(content, path), keep)


def _built(
    content: Record,
    path: Path,
    size_of: Callable[[str], tuple[int, int]],
    for_training: bool,
    schema: Schema,
    keep: Collection[int] | None,
) -> CocoIndex:
    label_of = {category: label for label, category in enumerate(schema.category_ids)}
    images = _images(content["images"], path, keep)
    sizes = [_size(image, path) or size_of(image["file_name"]) for image in images]
    row_of = {image["id"]: row for row, image in enumerate(images)}
    everyone = row_of if keep is None else {image["id"]: -1 for image in content["images"]} | row_of
    chosen: list[list[tuple[Record, list[float]]]] = [[] for _ in images]
    dropped = 0
    for annotation in content["annotations"]:
        row = everyone.get(_identifier(annotation, "image_id", path))
        if row is None:
            raise _bad(path, annotation, f"belongs to image {short(annotation.get('image_id'))}, which is not listed")
        if row < 0:
            continue
        if not is_crowd_flag(annotation.get("iscrowd")):
            raise _bad(path, annotation, f"has the iscrowd {short(annotation['iscrowd'])}; 0 or 1 is needed")
        if for_training and annotation.get("iscrowd"):
            continue
        if _identifier(annotation, "category_id", path) not in label_of:
            known = f"{list(label_of)[:10]}{' ...' if len(label_of) > 10 else ''}"
            raise _bad(path, annotation, f"has category {short(annotation.get('category_id'))}; known are {known}")
        if problem := outline_problem(annotation.get("segmentation")):
            raise _bad(path, annotation, f"has an unusable outline: {problem}")
        box = _box(annotation, path, sizes[row] if for_training else None)
        if box is None:
            dropped += 1
        else:
            chosen[row].append((annotation, box))
    return _packed(path, schema, label_of, images, sizes, chosen, dropped)


def _packed(
    path: Path,
    schema: Schema,
    label_of: dict[int, int],
    images: Sequence[Record],
    sizes: Sequence[tuple[int, int]],
    chosen: Sequence[Sequence[tuple[Record, list[float]]]],
    dropped: int,
) -> CocoIndex:
    counts = np.asarray([0, *(len(objects) for objects in chosen)], dtype=np.int64)
    rows = [(annotation, box, size) for objects, size in zip(chosen, sizes, strict=True) for annotation, box in objects]
    points = schema.keypoints
    keypoints = None
    if points:
        keypoints = torch.tensor([_keypoints(a, len(points), path) for a, _, _ in rows]).view(-1, len(points), 3)
    return CocoIndex(
        schema=schema,
        image_ids=torch.tensor([image["id"] for image in images], dtype=torch.int64),
        sizes=torch.tensor(sizes, dtype=torch.int64).view(-1, 2),
        names=NameTable(image["file_name"] for image in images),
        first=torch.from_numpy(counts.cumsum()),
        annotation_ids=torch.tensor([_identifier(a, "id", path) or 0 for a, _, _ in rows], dtype=torch.int64),
        boxes=torch.tensor([box for _, box, _ in rows], dtype=torch.float32).view(-1, 4),
        labels=torch.tensor([label_of[a["category_id"]] for a, _, _ in rows], dtype=torch.int64),
        areas=torch.tensor([_area(a, box, size, path) for a, box, size in rows], dtype=torch.float32),
        is_crowd=torch.tensor([bool(a.get("iscrowd", 0)) for a, _, _ in rows], dtype=torch.bool),
        segmentations=ByteTable(packed(a.get("segmentation")) for a, _, _ in rows),
        keypoints=keypoints,
        dropped=dropped,
    )


def schema_of(content: Record, path: Path) -> Schema:
    """The categories and keypoints that an annotation file declares, labels in the order of the identifiers."""
    for category in content["categories"]:
        if not isinstance(category, dict) or not is_identifier(category.get("id")):
            raise AnnotationError(f"{path}: category {short(category)} needs an integer 'id'")
        if not is_text(str(category.get("name"))):
            raise AnnotationError(
                f"{path}: category {category['id']} has the name {category['name']!r}, which is no text"
            )
        if not declares_keypoints_well(category):
            needs = "needs names as 'keypoints', pairs as 'skeleton', and which changes with which as 'flip_idx'"
            raise AnnotationError(f"{path}: category {category['id']} {needs}")
    categories = sorted(content["categories"], key=lambda category: category["id"])
    identifiers = tuple(category["id"] for category in categories)
    for one, other in pairwise(identifiers):
        if one == other:
            raise AnnotationError(f"{path}: two categories have the identifier {one}")
    return Schema(
        categories=tuple(str(category.get("name", category["id"])) for category in categories),
        category_ids=identifiers,
        has_masks=any(segmentation_of(a) for a in content["annotations"] if isinstance(a, dict)),
        keypoints=_keypoint_meaning(categories, path),
    )


def refuse_outside(content: Record, images: Path, path: Path) -> None:
    """Refuses image records that name files outside of the data set; `leaves_folder` says what that is.

    Args:
        content: from `read_coco_json`, its image records known to be usable.
        images: the folder of the images.
        path: of the annotation file.

    Raises:
        AnnotationError: names the file and the record.
    """
    for record in content["images"]:
        if leaves_folder(record["file_name"], images, path):
            name = short(record["file_name"])
            raise AnnotationError(f"{path}: image {record['id']} is {name}, which lies outside of the data set")


def _keypoint_meaning(categories: Sequence[Record], path: Path) -> Keypoints | None:
    declared = {tuple(c["keypoints"]): c for c in categories if c.get("keypoints")}
    if len(declared) > 1:
        raise AnnotationError(f"{path}: categories declare different keypoints; keep one of them, or split the file")
    carriers = tuple(label for label, category in enumerate(categories) if category.get("keypoints"))
    for names, category in declared.items():
        meaning = skeleton_meaning(names, category.get("skeleton") or ())
        said = [c["flip_idx"] for c in categories if c.get("keypoints") and "flip_idx" in c]
        if said:
            meaning = replace(meaning, flip_pairs=mirror_pairs(said[0]))
        return replace(meaning, labels=() if len(carriers) == len(categories) else carriers)
    return None


def _images(records: Sequence[Any], path: Path, keep: Collection[int] | None) -> list[Record]:
    for record in records:
        if not (isinstance(record, dict) and is_identifier(record.get("id")) and is_file_name(record.get("file_name"))):
            raise AnnotationError(f"{path}: image {short(record)} needs an integer 'id' and a 'file_name'")
    ordered = sorted(records, key=lambda record: record["id"])
    for one, other in pairwise(ordered):
        if one["id"] == other["id"]:
            names = f"{one['file_name']} and {other['file_name']}"
            raise AnnotationError(f"{path}: two images have the identifier {one['id']}: {names}")
    return ordered if keep is None else [record for record in ordered if record["id"] in keep]


def _size(image: Record, path: Path) -> tuple[int, int] | None:
    """(h, w) of an image record, or None where it does not say."""
    if image.get("height") is None or image.get("width") is None:
        return None
    height, width = image["height"], image["width"]
    if not is_side(height) or not is_side(width):
        raise AnnotationError(f"{path}: image {image['id']} has height {height!r} and width {width!r}")
    return height, width


def _box(annotation: Record, path: Path, clip_to: tuple[int, int] | None) -> list[float] | None:
    """The box as xyxy, or None where it has no area."""
    box = annotation.get("bbox")
    if not (isinstance(box, list) and len(box) == 4 and all_finite(box)):  # the usual one takes the fast way
        if not are_numbers(box, 4):
            raise _bad(path, annotation, f"has the bbox {short(box)}; four numbers (x, y, width, height) are needed")
        if not all(map(is_finite, box)):
            raise _bad(path, annotation, f"has the bbox {box}: every number must be finite")
    left, top, right, bottom = box[0], box[1], box[0] + box[2], box[1] + box[3]
    if clip_to:
        left, right = (min(max(x, 0.0), clip_to[1]) for x in (left, right))
        top, bottom = (min(max(y, 0.0), clip_to[0]) for y in (top, bottom))
    return [left, top, right, bottom] if right > left and bottom > top else None


def _area(annotation: Record, box: Sequence[float], size: tuple[int, int], path: Path) -> float:
    """The annotated area, else that of the mask, else that of the box."""
    area = annotation.get("area")
    if is_area(area):
        return float(area)
    if area is not None:
        raise _bad(path, annotation, f"has the area {short(area)}; a number that is not negative is needed")
    if segmentation := segmentation_of(annotation):
        try:
            return float(hotcoco.mask.area(rle_of(segmentation, size)))
        except (ValueError, KeyError, TypeError, OverflowError) as error:
            raise _bad(path, annotation, f"has an unusable outline: {error}") from error
    return float((box[2] - box[0]) * (box[3] - box[1]))


def _keypoints(annotation: Record, count: int, path: Path) -> list[float]:
    if problem := keypoint_problem(flat := annotation.get("keypoints"), count):
        raise _bad(path, annotation, problem[1])
    return [float(number) for number in flat] if flat else [0.0] * (3 * count)


def _identifier(annotation: Any, key: str, path: Path) -> int | None:
    if not isinstance(annotation, dict):
        raise AnnotationError(f"{path}: the annotation {short(annotation)} is not an object")
    identifier = annotation.get(key)
    if identifier is None or is_identifier(identifier):
        return identifier
    raise _bad(path, annotation, f"has the {key} {short(identifier)}, which is not an integer")


def _bad(path: Path, annotation: Record, what: str) -> AnnotationError:
    message = f"{path}: annotation {short(annotation.get('id'))} {what} (`visus data check` lists all problems)"
    return AnnotationError(message)
