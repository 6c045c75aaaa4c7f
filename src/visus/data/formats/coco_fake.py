"""A miniature data set in COCO's layout: drawn shapes with boxes, polygons, a crowd, keypoints, and an empty image."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from visus.data.formats.coco_names import COCO_PERSON_KEYPOINTS
from visus.data.formats.coco_values import Record

_HEIGHT, _WIDTH = 96, 128
_CATEGORIES = {1: ("person", (214, 93, 72)), 3: ("car", (70, 120, 200)), 18: ("dog", (120, 170, 80))}
# Where a figure's keypoints lie in its box, in COCO's order, as fractions of width and height.
_FIGURE = (
    *((0.5, 0.1), (0.55, 0.07), (0.45, 0.07), (0.6, 0.1), (0.4, 0.1), (0.7, 0.25), (0.3, 0.25), (0.8, 0.4)),
    *((0.2, 0.4), (0.85, 0.55), (0.15, 0.55), (0.62, 0.55), (0.38, 0.55), (0.64, 0.77), (0.36, 0.77), (0.65, 0.97)),
    (0.35, 0.97),
)


def write_fake(root: Path, *, images: int = 8, seed: int = 0) -> None:
    """Write a miniature COCO: ``annotations/instances_{split}.json``, ``person_keypoints_{split}.json`` and images.

    Every split has ``images`` of 96 x 128; the last of each has no object, the first has a crowd. Identifiers
    are sparse and begin with 0, as the format allows.

    Args:
        root: the folder, made where needed.
        images: how many each split has.
        seed: of the drawings.
    """
    for number, split in enumerate(("train", "val", "test")):
        generator = np.random.default_rng((seed, number))
        folder = Path(root) / split
        folder.mkdir(parents=True, exist_ok=True)
        records = [
            _write_image(folder, i, empty=i == images - 1 and images > 1, generator=generator) for i in range(images)
        ]
        _write_annotations(Path(root) / "annotations", split, records)


def _write_image(
    folder: Path, index: int, *, empty: bool, generator: np.random.Generator
) -> tuple[Record, list[Record]]:
    """Draw one image; returns its record and those of its objects."""
    noise = generator.integers(150, 230, (_HEIGHT // 8, _WIDTH // 8, 3), dtype=np.uint8)
    image = Image.fromarray(noise).resize((_WIDTH, _HEIGHT), Image.Resampling.BICUBIC)
    image_id = 7 * index
    record: Record = {"id": image_id, "file_name": f"{image_id:06d}.jpg", "height": _HEIGHT, "width": _WIDTH}
    objects: list[Record] = []
    if not empty:
        kinds = [1, *generator.choice(list(_CATEGORIES), size=int(generator.integers(1, 4))).tolist()]
        objects = [_draw_object(image, kind, generator) for kind in kinds]
        if index == 0:
            objects.append(_crowd())
    for annotation in objects:
        annotation["image_id"] = image_id
    image.save(folder / record["file_name"], quality=95)
    return record, objects


def _draw_object(image: Image.Image, kind: int, generator: np.random.Generator) -> Record:
    """Draw an ellipse of one category and describe it."""
    width, height = (int(side) for side in generator.integers(20, 56, 2))
    left = int(generator.integers(0, _WIDTH - width))
    top = int(generator.integers(0, _HEIGHT - height))
    angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    x = left + width / 2 * (1 + np.cos(angles))
    y = top + height / 2 * (1 + np.sin(angles))
    polygon = np.stack([x, y], axis=1).round(2)
    pen = ImageDraw.Draw(image)
    pen.polygon([(float(px), float(py)) for px, py in polygon], fill=_CATEGORIES[kind][1], outline=(30, 30, 30))
    annotation: Record = {
        "category_id": kind,
        "bbox": [left, top, width, height],
        "area": round(float(np.pi * width * height / 4), 2),
        "iscrowd": 0,
        "segmentation": [polygon.flatten().tolist()],
    }
    if kind == 1:
        points = [(left + fx * width, top + fy * height, 2 - (i % 5 == 4)) for i, (fx, fy) in enumerate(_FIGURE)]
        for px, py, _ in points:
            pen.ellipse((px - 1, py - 1, px + 1, py + 1), fill=(255, 240, 120))
        annotation["keypoints"] = [round(number, 2) for point in points for number in point]
        annotation["num_keypoints"] = len(points)
    return annotation


def _crowd() -> Record:
    """A crowd in the lower right corner, as uncompressed run lengths."""
    mask = np.zeros((_HEIGHT, _WIDTH), dtype=np.uint8)
    mask[-20:, -40:] = 1
    changes = np.flatnonzero(np.diff(mask.flatten(order="F"), prepend=0))
    counts = np.diff(changes, prepend=0, append=mask.size).tolist()
    annotation = {"category_id": 1, "bbox": [_WIDTH - 40, _HEIGHT - 20, 40, 20], "area": 800, "iscrowd": 1}
    return {**annotation, "segmentation": {"size": [_HEIGHT, _WIDTH], "counts": counts}}


def _write_annotations(folder: Path, split: str, records: list[tuple[Record, list[Record]]]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    annotations = [annotation for _, objects in records for annotation in objects]
    for number, annotation in enumerate(annotations):
        annotation["id"] = 3 * number
    images = [record for record, _ in records]
    categories = [{"id": kind, "name": name, "supercategory": "thing"} for kind, (name, _) in _CATEGORIES.items()]
    plain = [{k: v for k, v in a.items() if "keypoints" not in k} for a in annotations]
    _write(folder / f"instances_{split}.json", images=images, annotations=plain, categories=categories)
    person = {
        **categories[0],
        "keypoints": list(COCO_PERSON_KEYPOINTS.names),
        "skeleton": [[start + 1, end + 1] for start, end in COCO_PERSON_KEYPOINTS.skeleton],
    }
    people = [annotation for annotation in annotations if annotation["category_id"] == 1]
    _write(folder / f"person_keypoints_{split}.json", images=images, annotations=people, categories=[person])


def _write(path: Path, **content: list[Record]) -> None:
    path.write_text(json.dumps(content))
