"""The formats of `visus.data.convert.convert`, written: what goes into which file."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import yaml  # type: ignore[import-untyped]

from visus.data.convert.for_annotators import plan_cvat, plan_label_studio, plan_labelme
from visus.data.convert.losses import loses_area, lost_of_categories, lost_of_object
from visus.data.convert.names import check_class_names, free_name
from visus.data.convert.outlines import polygons_of
from visus.data.convert.plan import Plan, Splits
from visus.data.errors import ConversionError
from visus.data.formats.coco_segments import draw_segments, segmentation_of
from visus.data.formats.coco_values import Record
from visus.data.formats.voc_xml import voc_xml
from visus.data.formats.yolo_files import parse_label, write_label
from visus.data.formats.yolo_yaml import yaml_text


def plan_coco(target: Path, categories: Sequence[Record], splits: Splits) -> Plan:
    """``annotations/instances_{split}.json`` with the images in ``{split}/``; categories are numbered from 1."""
    plan, image_id = Plan(), 0
    listed = [{**category, "id": number} for number, category in enumerate(categories, start=1)]
    for split, ones in splits.items():
        images: list[Record] = []
        annotations: list[Record] = []
        taken: set[str] = set()
        for one in ones:
            image_id += 1
            name = free_name(one.file, taken)
            plan.copies.append((one.file, target / split / name))
            height, width = one.size
            images.append({"id": image_id, "file_name": name, "height": height, "width": width})
            for thing in one.objects:
                plan.objects += 1
                plan.left_out.update(lost_of_object(thing, thing))
                kept = {key: value for key, value in thing.items() if key != "unsaid"}
                place = {"id": plan.objects, "image_id": image_id, "category_id": thing["category_id"] + 1}
                annotations.append({**kept, **place})
        content = {"images": images, "annotations": annotations, "categories": listed}
        plan.files[target / "annotations" / f"instances_{split}.json"] = json.dumps(content)
    return plan


def plan_voc(target: Path, categories: Sequence[Record], splits: Splits) -> Plan:
    """``JPEGImages``, ``Annotations``, ``ImageSets/Main``, and the order of the classes in ``classes.txt``."""
    plan = Plan(left_out=lost_of_categories(categories))
    names = [category["name"] for category in categories]
    check_class_names(names, "VOC")
    taken: set[str] = set()
    lists: dict[str, list[str]] = {}
    for split, ones in splits.items():
        lists[split] = []
        for one in ones:
            name = free_name(one.file, taken)
            stem = Path(name).stem
            plan.copies.append((one.file, target / "JPEGImages" / name))
            plan.objects += len(one.objects)
            for thing in one.objects:
                x, y, wide, high = thing["bbox"]
                plan.left_out.update(lost_of_object(thing, ()))
                plan.left_out["areas"] += loses_area(thing, wide * high)
                plan.left_out["parts of boxes outside of their images"] += x < 0 or y < 0
            things = [{**thing, "name": names[thing["category_id"]]} for thing in one.objects]
            plan.files[target / "Annotations" / f"{stem}.xml"] = voc_xml(image=name, size=one.size, objects=things)
            lists[split].append(stem)
    if {"train", "val"} <= set(lists):
        lists["trainval"] = lists["train"] + lists["val"]
    for split, stems in lists.items():
        plan.files[target / "ImageSets" / "Main" / f"{split}.txt"] = "".join(f"{stem}\n" for stem in stems)
    plan.files[target / "classes.txt"] = "".join(f"{name}\n" for name in names)
    return plan


def plan_yolo(target: Path, categories: Sequence[Record], splits: Splits) -> Plan:
    """``data.yaml``, ``images/{split}/`` and ``labels/{split}/``; a file of labels for every image, empty or not."""
    plan = Plan(left_out=lost_of_categories(categories))
    for split, ones in splits.items():
        taken: set[str] = set()
        for one in ones:
            name = free_name(one.file, taken)
            plan.copies.append((one.file, target / "images" / split / name))
            lines = [line for thing in one.objects if (line := _line(thing, one.size, plan, len(categories)))]
            plan.objects += len(lines)
            plan.files[target / "labels" / split / f"{Path(name).stem}.txt"] = "".join(f"{line}\n" for line in lines)
    names = {number: category["name"] for number, category in enumerate(categories)}
    text = yaml_text(names, {split: f"images/{split}" for split in splits})
    for number, name in names.items():
        if not name.strip() or yaml.safe_load(text)["names"][number] != name:
            raise ConversionError(f"YOLO cannot have a class called {name!r}: rename it first")
    plan.files[target / "data.yaml"] = text
    return plan


WRITERS: dict[str, Callable[[Path, Sequence[Record], Splits], Plan]] = {
    "coco": plan_coco,
    "voc": plan_voc,
    "yolo": plan_yolo,
    "labelme": plan_labelme,
    "label-studio": plan_label_studio,
    "cvat": plan_cvat,
}


def _line(thing: Record, size: tuple[int, int], plan: Plan, num_classes: int) -> str:
    """The line of an object in the YOLO format, empty where it cannot have one; counts what is lost."""
    if thing.get("iscrowd"):
        plan.left_out["crowds"] += 1
        return ""
    cut = _cut(_with_polygons(thing, size), size)
    if cut is None:
        plan.left_out["boxes without area"] += 1
        return ""
    line = write_label(cut, thing["category_id"], size)
    read = parse_label(line, num_classes, size)
    plan.left_out.update(lost_of_object(thing, {"segmentation"}))
    plan.left_out["areas"] += loses_area(thing, read["area"])
    plan.left_out["parts of boxes outside of their images"] += _changed(thing["bbox"], cut["bbox"])
    plan.left_out["run-length outlines"] += isinstance(segmentation_of(thing), dict) and not cut["segmentation"]
    return line


def _with_polygons(thing: Record, size: tuple[int, int]) -> Record:
    """An object with polygons for its run lengths, where one polygon can say the same; else without an outline."""
    outline = segmentation_of(thing)
    if not isinstance(outline, dict):
        return thing
    (mask,) = draw_segments([outline], size)
    polygons = polygons_of(mask)
    if polygons:
        line = write_label({**thing, "segmentation": polygons}, 0, size)
        (again,) = draw_segments([parse_label(line, 1, size)["segmentation"]], size)
        if bool((again == mask).all()):
            return {**thing, "segmentation": polygons}
    return {**thing, "segmentation": []}


def _changed(box: Sequence[float], other: Sequence[float]) -> bool:
    return any(abs(one - two) > 0.01 for one, two in zip(box, other, strict=True))


def _cut(thing: Record, size: tuple[int, int]) -> Record | None:
    """An object within its image, as fractions beyond 0..1 are refused; None where nothing is left."""
    height, width = size
    x, y, wide, high = thing["bbox"]
    left, right = (min(max(edge, 0), width) for edge in (x, x + wide))
    top, bottom = (min(max(edge, 0), height) for edge in (y, y + high))
    if right <= left or bottom <= top:
        return None
    outline = segmentation_of(thing)
    polygons = outline if isinstance(outline, list) else []
    cut = [
        [min(max(value, 0), height if place % 2 else width) for place, value in enumerate(polygon)]
        for polygon in polygons
    ]
    return {**thing, "bbox": [left, top, right - left, bottom - top], "segmentation": cut}
