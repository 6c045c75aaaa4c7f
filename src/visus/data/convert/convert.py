"""From one format of annotations to another: COCO, Pascal VOC and YOLO, and to labelme, Label Studio and CVAT.

Boxes, classes and images without objects survive every way; what a format has no words for is left out and counted.
Categories are the same where their names are, whatever numbers the files of the splits give them.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from visus.data.convert.losses import lost_of_content
from visus.data.convert.plan import AnnotatedImage, Plan
from visus.data.convert.writers import WRITERS
from visus.data.errors import AnnotationError, ConversionError, DatasetNotFoundError
from visus.data.files.images import ImageError, image_size
from visus.data.files.splits import SPLITS, check_split
from visus.data.formats.coco_index import build_index, read_coco_json, refuse_outside
from visus.data.formats.coco_layouts import find_coco, find_images
from visus.data.formats.coco_values import Record, mirror_places
from visus.data.formats.flip_pairs import read_flip_pairs
from visus.data.formats.voc_layout import find_voc, listed_names
from visus.data.formats.yolo_yaml import find_yaml, read_yaml, split_files
from visus.data.readers.voc import voc_content
from visus.data.readers.yolo import yolo_content
from visus.data.recognise import find_dataset
from visus.ops.outlines import rle_of


@dataclass(frozen=True)
class Conversion:
    """How much was written, and how much of what the target's format has no words for."""

    images: int
    objects: int
    left_out: dict[str, int]


def convert(
    source: Path,
    target: Path,
    *,
    to: str,
    splits: Sequence[str] = (),
    link: bool = False,
    on_image: Callable[[int, int], None] = lambda done, total: None,
) -> Conversion:
    """Write a data set in another format.

    Whatever the other format has no words for is left out, with its number in the result: crowds in YOLO (a difficult
    object of VOC is one); outlines in VOC; keypoints, areas, identifiers, supercategories and fields of one's own in
    both; VOC's pose, truncation and masks. Run lengths become polygons in YOLO where one polygon can say the same.
    YOLO's boxes are cut at the border. Programs for annotating get outlines, keypoints and which of these are hidden;
    crowds become objects there. Nothing is written before everything is read.

    Args:
        source: a folder in COCO's, VOC's or the YOLO layout.
        target: a folder that does not exist or is empty.
        to: "coco", "voc", "yolo", "labelme", "label-studio" or "cvat".
        splits: those to convert; empty converts all that there are.
        link: make hard links to the images where the file system can, instead of copies.
        on_image: told the number of images done and of all.

    Raises:
        ConversionError: the target holds something already, or the source is in no such format, or in that one.
        DatasetNotFoundError: the source holds no data set, or not the split.
        AnnotationError: annotations that cannot be used, or that give an image another size than it has.
        ImageError: an image is missing, or cannot be read.
    """
    layout, source = find_dataset(Path(source))
    target = Path(target).expanduser()
    _refuse(source, layout, target, to)
    contents = _contents(source, layout, splits)
    categories = _categories(source, contents)
    labels = {category["name"]: label for label, category in enumerate(categories)}
    annotated = {split: _annotated(source, content, labels) for split, content in contents.items()}
    plan = WRITERS[to](target, categories, annotated)
    _count_the_rest(plan, layout, contents, labels)
    total = sum(map(len, annotated.values()))
    for done, (origin, copy) in enumerate(plan.copies, start=1):
        _bring(origin, copy, link)
        on_image(done, total)
    for file, text in plan.files.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return Conversion(total, plan.objects, {what: count for what, count in plan.left_out.items() if count})


def _refuse(source: Path, layout: str, target: Path, to: str) -> None:
    if to not in WRITERS:
        raise ConversionError(f"{to!r} is no format; there are {', '.join(WRITERS)}")
    if layout not in READERS:
        raise ConversionError(f"{source}: is in the layout {layout}; only {', '.join(READERS)} can be converted")
    if layout == to:
        raise ConversionError(f"{source}: is in the format {to} already")
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ConversionError(f"{target}: exists already; name a folder that is new or empty")


def _contents(source: Path, layout: str, splits: Sequence[str]) -> dict[str, tuple[Path, Record]]:
    """The folder of the images and the content of each split."""
    read = READERS[layout]
    contents: dict[str, tuple[Path, Record]] = {}
    for split in splits or SPLITS:
        check_split(split)
        try:
            contents[split] = read(source, split)
        except DatasetNotFoundError:
            if splits:
                raise
    if not contents:
        raise DatasetNotFoundError(f"{source}: has none of the splits {', '.join(SPLITS)}")
    return contents


def _read_coco(source: Path, split: str) -> tuple[Path, Record]:
    found = find_coco(source, split)
    content = read_coco_json(found.annotations)
    find_images(content, found.images).warn(found.annotations)
    build_index(content, found.annotations, size_of=lambda name: image_size(found.images / name), for_training=False)
    refuse_outside(content, found.images, found.annotations)
    if found.image_ids is not None:
        kept = set(found.image_ids)
        images = [record for record in content["images"] if record["id"] in kept]
        annotations = [record for record in content["annotations"] if record["image_id"] in kept]
        content = {**content, "images": images, "annotations": annotations}
    other = find_coco(source, split, keypoints=True)
    if other.annotations != found.annotations:  # whose keypoints are lost, too
        points = [a.get("keypoints") for a in read_coco_json(other.annotations)["annotations"] if isinstance(a, dict)]
        content = {**content, "keypoints": [flat for flat in points if flat]}
    return found.images, content


def _read_voc(source: Path, split: str) -> tuple[Path, Record]:
    folder = find_voc(source)
    return folder, voc_content(folder, listed_names(folder, split))


def _read_yolo(source: Path, split: str) -> tuple[Path, Record]:
    declared = read_yaml(find_yaml(source))
    return Path(), yolo_content(split_files(declared, split), declared)


READERS: dict[str, Callable[[Path, str], tuple[Path, Record]]] = {
    "coco": _read_coco,
    "voc": _read_voc,
    "yolo": _read_yolo,
}
"""The layouts that are converted from: what reads a split as the folder of its images and COCO's content."""


def _categories(source: Path, contents: dict[str, tuple[Path, Record]]) -> list[Record]:
    """The categories of all splits, each name once, in the order of the first split's identifiers."""
    found: dict[str, Record] = {}
    for _, content in contents.values():
        names = [_name(category) for category in content["categories"]]
        if len(set(names)) < len(names):
            both = "two categories have the same name, which only COCO's format can tell apart"
            raise AnnotationError(f"{source}: {both}")
        for category in sorted(content["categories"], key=lambda category: category["id"]):
            name = _name(category)
            known = found.setdefault(name, {**category, "name": name})
            if (known.get("keypoints") or []) != (category.get("keypoints") or []):
                raise AnnotationError(f"{source}: the category {name} has other keypoints in another split")
    return [_with_pairs(source, category) for category in found.values()]


def _with_pairs(source: Path, category: Record) -> Record:
    """A category with the pairs of keypoints that a file beside the data gives."""
    names = category.get("keypoints") or []
    pairs = read_flip_pairs(source, names) if names else None
    return category if pairs is None else {**category, "flip_idx": mirror_places(pairs, len(names))}


def _name(category: Record) -> str:
    return str(category.get("name", category["id"]))


def _annotated(source: Path, read: tuple[Path, Record], labels: dict[str, int]) -> list[AnnotatedImage]:
    """The images of a split with their objects, all of which exist and are as large as the annotations say."""
    folder, content = read
    label_of = {category["id"]: labels[_name(category)] for category in content["categories"]}
    objects: dict[int, list[Record]] = {image["id"]: [] for image in content["images"]}
    for annotation in content["annotations"]:
        objects[annotation["image_id"]].append({**annotation, "category_id": label_of[annotation["category_id"]]})
    images = sorted(content["images"], key=lambda image: image["id"])
    files = [folder / image["file_name"] for image in images]
    with ThreadPoolExecutor() as pool:
        sizes = list(pool.map(partial(_size, source), files))
    found = []
    for image, file, size in zip(images, files, sizes, strict=True):
        said = (image.get("height"), image.get("width"))
        if None not in said and said != size:
            raise AnnotationError(
                f"{file}: the image has (h, w) = {size}, the annotations say {said} "
                f"(`visus data check {source}` lists all problems)"
            )
        for thing in objects[image["id"]]:
            if isinstance(outline := thing.get("segmentation"), dict) and outline:
                _check_runs(file, thing, size)
        found.append(AnnotatedImage(file, size, objects[image["id"]]))
    return found


def _size(source: Path, file: Path) -> tuple[int, int]:
    try:
        return image_size(file)
    except ImageError as error:
        raise ImageError(f"{error} (`visus data check {source}` lists all problems)") from error


def _check_runs(file: Path, thing: Record, size: tuple[int, int]) -> None:
    try:
        rle_of(thing["segmentation"], size)
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        raise AnnotationError(f"{file}: annotation {thing.get('id')} has an unusable outline: {error}") from error


def _count_the_rest(plan: Plan, layout: str, contents: dict[str, tuple[Path, Record]], labels: dict[str, int]) -> None:
    """Counts what is lost beside the objects."""
    renumbered: set[str] = set()
    for folder, content in contents.values():
        if layout == "coco":
            plan.left_out.update(lost_of_content(content))
            renumbered |= {name for c in content["categories"] if labels[name := _name(c)] != c["id"]}
        elif layout == "voc":
            for kind in ("SegmentationClass", "SegmentationObject"):
                stems = (Path(image["file_name"]).stem for image in content["images"])
                plan.left_out["masks"] += sum((folder / kind / f"{stem}.png").is_file() for stem in stems)
    plan.left_out["category ids"] += len(renumbered)


def _bring(origin: Path, copy: Path, link: bool) -> None:
    copy.parent.mkdir(parents=True, exist_ok=True)
    if link:
        try:
            os.link(origin.resolve(), copy)
        except OSError:  # another file system, or one without links
            shutil.copyfile(origin, copy)
    else:
        shutil.copyfile(origin, copy)
