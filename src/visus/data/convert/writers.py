"""The three formats of `visus.data.convert.convert`, written: what goes into which file."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from visus.data.formats.coco_segments import segmentation_of
from visus.data.formats.voc_xml import voc_xml
from visus.data.formats.yolo_files import write_label
from visus.data.formats.yolo_yaml import yaml_text

Record = dict[str, Any]


@dataclass(frozen=True)
class AnnotatedImage:
    """An image: its file, its (h, w), and its objects in COCO's format."""

    file: Path
    size: tuple[int, int]
    objects: list[Record]


@dataclass
class Plan:
    """What a conversion will do: which image goes where, and what the text files hold."""

    copies: list[tuple[Path, Path]] = field(default_factory=list)
    files: dict[Path, str] = field(default_factory=dict)
    objects: int = 0
    left_out: Counter[str] = field(default_factory=Counter)


Splits = Mapping[str, Sequence[AnnotatedImage]]


def plan_coco(target: Path, names: Mapping[int, str], splits: Splits) -> Plan:
    """``annotations/instances_{split}.json`` with the images in ``{split}/``; categories are numbered from 1."""
    plan, image_id = Plan(), 0
    numbers = {identifier: number for number, identifier in enumerate(names, start=1)}
    categories = [{"id": numbers[identifier], "name": name} for identifier, name in names.items()]
    for split, ones in splits.items():
        images: list[Record] = []
        annotations: list[Record] = []
        taken: set[str] = set()
        for one in ones:
            image_id += 1
            name = _free_name(one.file, taken)
            plan.copies.append((one.file, target / split / name))
            height, width = one.size
            images.append({"id": image_id, "file_name": name, "height": height, "width": width})
            for thing in one.objects:
                plan.objects += 1
                kept: Record = {key: thing[key] for key in ("bbox", "area", "iscrowd", "segmentation") if key in thing}
                place: Record = {"id": plan.objects, "image_id": image_id, "category_id": numbers[thing["category_id"]]}
                annotations.append({**place, **kept})
        content = {"images": images, "annotations": annotations, "categories": categories}
        plan.files[target / "annotations" / f"instances_{split}.json"] = json.dumps(content)
    return plan


def plan_voc(target: Path, names: Mapping[int, str], splits: Splits) -> Plan:
    """``JPEGImages``, ``Annotations``, ``ImageSets/Main``, and the order of the classes in ``classes.txt``."""
    plan = Plan()
    taken: set[str] = set()
    lists: dict[str, list[str]] = {}
    for split, ones in splits.items():
        lists[split] = []
        for one in ones:
            name = _free_name(one.file, taken)
            stem = Path(name).stem
            plan.copies.append((one.file, target / "JPEGImages" / name))
            plan.objects += len(one.objects)
            _count_lost(plan, one.objects, outlines=True)
            things = [{**thing, "name": names[thing["category_id"]]} for thing in one.objects]
            text = voc_xml(image=name, size=one.size, objects=things)
            plan.files[target / "Annotations" / f"{stem}.xml"] = text
            lists[split].append(stem)
    if {"train", "val"} <= set(lists):
        lists["trainval"] = lists["train"] + lists["val"]
    for split, stems in lists.items():
        plan.files[target / "ImageSets" / "Main" / f"{split}.txt"] = "".join(f"{stem}\n" for stem in stems)
    plan.files[target / "classes.txt"] = "".join(f"{name}\n" for name in names.values())
    return plan


def plan_yolo(target: Path, names: Mapping[int, str], splits: Splits) -> Plan:
    """``data.yaml``, ``images/{split}/`` and ``labels/{split}/``; a file of labels for every image, empty or not."""
    plan = Plan()
    numbers = {identifier: number for number, identifier in enumerate(names)}
    for split, ones in splits.items():
        taken: set[str] = set()
        for one in ones:
            name = _free_name(one.file, taken)
            plan.copies.append((one.file, target / "images" / split / name))
            _count_lost(plan, one.objects, outlines=False)
            lines = []
            for thing in one.objects:
                cut = _cut(thing, one.size)
                if thing.get("iscrowd"):
                    plan.left_out["crowds"] += 1
                elif cut is None:
                    plan.left_out["boxes without area"] += 1
                else:
                    lines.append(write_label(cut, numbers[thing["category_id"]], one.size))
                    plan.left_out["run-length outlines"] += isinstance(segmentation_of(thing), dict)
            plan.objects += len(lines)
            plan.files[target / "labels" / split / f"{Path(name).stem}.txt"] = "".join(f"{line}\n" for line in lines)
    plan.files[target / "data.yaml"] = yaml_text(
        {numbers[identifier]: name for identifier, name in names.items()},
        {split: f"images/{split}" for split in splits},
    )
    return plan


WRITERS: dict[str, Callable[[Path, Mapping[int, str], Splits], Plan]] = {
    "coco": plan_coco,
    "voc": plan_voc,
    "yolo": plan_yolo,
}


def _free_name(file: Path, taken: set[str]) -> str:
    """The name of an image, with its folder or a number in front where another has it (but for the ending)."""
    names = [file.name, f"{file.parent.name}_{file.name}"]
    number = 0
    while Path(names[0]).stem in taken:
        del names[0]
        if not names:
            number += 1
            names = [f"{number}_{file.name}"]
    taken.add(Path(names[0]).stem)
    return names[0]


def _count_lost(plan: Plan, objects: Sequence[Record], *, outlines: bool) -> None:
    plan.left_out["keypoints"] += sum(bool(thing.get("num_keypoints")) for thing in objects)
    if outlines:
        plan.left_out["outlines"] += sum(segmentation_of(thing) is not None for thing in objects)


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
