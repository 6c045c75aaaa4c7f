"""Data sets for programs that people annotate with, written: labelme, Label Studio and CVAT."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import quote

from visus.data.annotators.cvat import cvat_image, cvat_labels_text, cvat_xml
from visus.data.annotators.drawn import DrawnImage, drawn_object
from visus.data.annotators.label_studio import label_studio_config, label_studio_task
from visus.data.annotators.labelme import labelme_text
from visus.data.convert.losses import loses_area, lost_of_categories, lost_of_object
from visus.data.convert.names import free_name
from visus.data.convert.plan import AnnotatedImage, Plan, Splits
from visus.data.formats.coco_segments import draw_segments, segmentation_of
from visus.data.formats.coco_values import Record

LOCAL_FILES = "/data/local-files/?d="
"""How Label Studio calls the files that it serves itself; the path behind it is seen from the folder that it serves."""

_DRAWN = ("segmentation", "keypoints")


def plan_labelme(target: Path, categories: Sequence[Record], splits: Splits) -> Plan:
    """``{split}/`` with the images and a JSON file beside each; ``labels.txt`` keeps the order of the categories."""
    plan = Plan(left_out=_lost(categories))
    for folder, name, one in _images(target, splits, plan):
        image = _drawn(name, one, categories, plan)
        plan.files[folder / f"{Path(name).stem}.json"] = labelme_text(image)
    plan.files[target / "labels.txt"] = "".join(f"{category['name']}\n" for category in categories)
    return plan


def plan_label_studio(target: Path, categories: Sequence[Record], splits: Splits) -> Plan:
    """``tasks.json`` of all splits, the labelling interface ``config.xml``, and the images in ``{split}/``."""
    plan, tasks = Plan(left_out=_lost(categories)), list[Record]()
    for folder, name, one in _images(target, splits, plan):
        place = quote(f"{target.resolve().name}/{folder.name}/{name}")
        tasks.append(label_studio_task(_drawn(LOCAL_FILES + place, one, categories, plan), model=None))
    plan.files[target / "tasks.json"] = json.dumps(tasks, ensure_ascii=False) + "\n"
    plan.files[target / "config.xml"] = label_studio_config(tasks, categories)
    return plan


def plan_cvat(target: Path, categories: Sequence[Record], splits: Splits) -> Plan:
    """``{split}/annotations.xml`` with its ``images/``, a task of CVAT each, and ``labels.json`` for their project."""
    plan, texts = Plan(left_out=_lost(categories)), dict[str, list[str]]()
    for folder, name, one in _images(target, splits, plan, inside="images"):
        images = texts.setdefault(folder.parent.name, [])
        images.append(cvat_image(_drawn(name, one, categories, plan), len(images)))
    for split, images in texts.items():
        plan.files[target / split / "annotations.xml"] = cvat_xml(images, categories, name=split)
    plan.files[target / "labels.json"] = cvat_labels_text(categories)
    return plan


def _images(
    target: Path, splits: Splits, plan: Plan, *, inside: str = ""
) -> Iterator[tuple[Path, str, AnnotatedImage]]:
    """Each image with its folder and its name there, where it will be copied to."""
    for split, ones in splits.items():
        taken: set[str] = set()
        for one in ones:
            folder, name = target / split / inside, free_name(one.file, taken)
            plan.copies.append((one.file, folder / name))
            yield folder, name, one


def _drawn(name: str, one: AnnotatedImage, categories: Sequence[Record], plan: Plan) -> DrawnImage:
    """An image as it is drawn; counts its objects and what they lose."""
    for thing in one.objects:
        plan.objects += 1
        plan.left_out.update(lost_of_object(thing, _DRAWN))
        plan.left_out["crowds, which become objects"] += bool(thing.get("iscrowd"))
        plan.left_out["areas"] += loses_area(thing, _area(thing, one.size))
    things = tuple(drawn_object(thing, categories, one.size) for thing in one.objects)
    return DrawnImage(name, one.size, things)


def _area(thing: Record, size: tuple[int, int]) -> float:
    """The area that a reader will compute."""
    outline = segmentation_of(thing)
    return float(draw_segments([outline], size).sum()) if outline else float(thing["bbox"][2] * thing["bbox"][3])


def _lost(categories: Sequence[Record]) -> Counter[str]:
    """What the categories lose, but for the names of keypoints."""
    return lost_of_categories([{**category, "keypoints": None} for category in categories])
