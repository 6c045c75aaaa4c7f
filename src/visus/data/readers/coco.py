"""Data sets in COCO's format: boxes, masks and keypoints from one annotation file and a folder of images.

Format: Lin et al., "Microsoft COCO: Common Objects in Context", arXiv 1405.0312, and https://cocodataset.org/#format-data.
Identifiers may be sparse, zero included; ``area``, ``iscrowd`` and ``segmentation`` may be missing.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import replace
from functools import partial
from pathlib import Path

from visus.data.check.records import Problem, check_records
from visus.data.check.report import CheckReport, image_problems, in_parallel
from visus.data.entry import DatasetEntry
from visus.data.errors import AnnotationError
from visus.data.files.images import image_size
from visus.data.formats.coco_fake import write_fake
from visus.data.formats.coco_index import build_index, read_coco_json, refuse_outside
from visus.data.formats.coco_layouts import all_coco, beside_coco, find_coco, find_images
from visus.data.formats.coco_values import Record, is_file_name, leaves_folder, short
from visus.data.records.indexed import IndexedDataset
from visus.types import Schema


class CocoDataset(IndexedDataset):
    """The images of a COCO annotation file, in the order of their identifiers.

    Args:
        images: the folder that the file names are relative to.
        annotations: the JSON file.
        for_training: leave out crowds and clip boxes to the image.
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
        schema: Schema | None = None,
        image_ids: Collection[int] | None = None,
    ) -> None:
        images, annotations = Path(images), Path(annotations)
        content = read_coco_json(annotations, pack=True)
        find_images(content, images).warn(annotations)
        index = build_index(
            content,
            annotations,
            size_of=lambda name: image_size(images / name),
            for_training=for_training,
            schema=schema,
            keep=None if image_ids is None else set(image_ids),
        )
        refuse_outside(content, images, annotations)
        del content  # several times the size of the file
        super().__init__(images=images, source=annotations, index=index)


def open_coco(
    root: Path, split: str, *, for_training: bool = False, schema: Schema | None = None, keypoints: bool = False
) -> CocoDataset:
    """Open a split of a data set in any of COCO's usual layouts.

    - ``annotations/instances_{split}*.json`` (or ``person_keypoints_{split}*.json``) with ``{split}*/`` or
      ``images/{split}*/``;
    - ``{split}/_annotations.coco.json`` beside the images, where "valid" is the split "val";
    - ``{split}.json`` or ``annotations/{split}.json`` with ``images/``, ``{split}/`` or ``data/``;
    - ``annotations.json`` (or any one file in COCO's format, such as ``result.json``, ``labels.json`` or
      ``annotations/instances_default.json``) with ``images/``: 80 % train, 10 % val, 10 % test, the same division every
      time.

    Images that are not where a file says are found by their names where only one has it, with one warning.

    Args:
        for_training: leave out crowds and clip boxes to the image.
        schema: fixes which label each category has; None numbers the categories of the file.
        keypoints: prefer the file with keypoints where there are two.
    """
    found = find_coco(Path(root), split, keypoints=keypoints)
    dataset = CocoDataset(
        images=found.images,
        annotations=found.annotations,
        for_training=for_training,
        schema=schema,
        image_ids=found.image_ids,
    )
    return dataset.require_objects() if for_training else dataset


def recognise_coco(root: Path) -> bool:
    """Whether a folder has annotation files in one of COCO's usual layouts."""
    return bool(all_coco(root))


def check_coco_folder(root: Path, *, decode: bool = True) -> CheckReport:
    """Check every annotation file of a folder in one of COCO's layouts; arguments as for `check_coco`."""
    reports = [check_coco(found.annotations, found.images, decode=decode) for found in all_coco(root)]
    return sum(reports[1:], reports[0])


def check_coco(annotations: Path, images: Path | None = None, *, decode: bool = True) -> CheckReport:
    """Check an annotation file in COCO's format and the images that it names.

    Args:
        annotations: the JSON file.
        images: the folder of the images; None looks for it near the file.
        decode: read every image completely; otherwise only the heads of the files.
    """
    annotations = Path(annotations)
    try:
        content = read_coco_json(annotations)
    except AnnotationError as error:
        return CheckReport((Problem.of_error("unreadable annotations", annotations, error),))
    problems = list(check_records(content, str(annotations)))
    records = [record for record in content["images"] if _names_a_file(record)]
    folder = Path(images) if images else _find_images(annotations, records)
    if folder is None:
        message = "found none of its images near it: say where they are"
        problems.append(Problem("missing image folder", "error", str(annotations), message))
    else:
        for said, found in find_images({"images": records}, folder).guessed:
            message = f"is not where the annotations say ({said!r}) and was found by its name"
            problems.append(Problem("image found by its name", "warning", str(found), message))
        inside = [record for record in records if not leaves_folder(record["file_name"], folder, annotations)]
        for record in records:
            if leaves_folder(record["file_name"], folder, annotations):
                message = f"names {short(record['file_name'])}, which lies outside of the data set"
                problems.append(Problem("image outside the data set", "error", str(annotations), message))
        problems += in_parallel(partial(image_problems, folder, decode=decode), inside)
    return CheckReport(tuple(problems), len(content["images"]), len(content["annotations"]))


def _names_a_file(record: object) -> bool:
    return isinstance(record, dict) and is_file_name(record.get("file_name"))


def _find_images(annotations: Path, records: list[Record]) -> Path | None:
    """The folder near an annotation file that holds at least one of its first images."""
    near, above = annotations.parent, annotations.parent.parent
    name = annotations.stem.rpartition("_")[2]
    folders = (near, near / "images", above / name, above / "images" / name, above, above / "images")
    if not records:
        return near
    return next((f for f in folders if any(os.path.isfile(f / record["file_name"]) for record in records[:50])), None)


ENTRY = DatasetEntry(
    open=open_coco,
    write_fake=write_fake,
    recognise=recognise_coco,
    mark="annotations/instances_*.json, */_annotations.coco.json, annotations.json, or other JSON in COCO's format",
    check=check_coco_folder,
    summary="COCO json: boxes, polygons or RLE, crowds, keypoints",
    licence="annotations CC BY 4.0; photographs under Flickr's terms of use",
    size="2017: 118,287 + 5,000 images, 80 categories",
    source="https://cocodataset.org",
    beside=beside_coco,
)
KEYPOINTS_ENTRY = replace(
    ENTRY,
    open=partial(open_coco, keypoints=True),
    beside=partial(beside_coco, keypoints=True),
    recognise=None,
    mark="",
    summary="the same, from COCO's person_keypoints files",
    size="2017: 118,287 + 5,000 images, 17 keypoints of people",
)
