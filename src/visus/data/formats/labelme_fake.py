"""A miniature in labelme's layout: drawn shapes with outlines or boxes, keypoints, and an image inside its file."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from visus.data.files.splits import SPLITS
from visus.data.formats.coco_values import Record
from visus.data.records.fake_images import SHAPES, draw_shape


def write_fake(root: Path, *, images: int = 6, seed: int = 0, boxes: bool = False) -> None:
    """Write a miniature of drawn shapes in train/, val/ and test/: the last image of each without an object.

    Args:
        root: the folder, made where needed.
        images: of each split.
        seed: of the drawings.
        boxes: write rectangles only, instead of a circle, polygons, and three keypoints of each triangle.
    """
    for number, split in enumerate(SPLITS):
        generator = np.random.default_rng((seed, number))
        folder = Path(root) / split
        folder.mkdir(parents=True, exist_ok=True)
        for turn in range(images):
            kind = SHAPES[turn % 3]
            image, box = draw_shape(kind, generator)
            shapes = [_shape(kind, box)] if boxes else _shapes(kind, box)
            if turn == images - 1 and images > 1:
                image, shapes = Image.new("RGB", image.size, (150, 160, 170)), []
            data = None
            if turn:
                image.save(folder / f"{turn:03d}.jpg", quality=95)
            else:  # one that is only inside its file
                held = io.BytesIO()
                image.save(held, "PNG")
                data = base64.b64encode(held.getvalue()).decode()
            content: Record = {"version": "5.5.0", "flags": {}, "shapes": shapes, "imagePath": f"{turn:03d}.jpg"}
            content |= {"imageData": data, "imageHeight": image.height, "imageWidth": image.width}
            (folder / f"{turn:03d}.json").write_text(json.dumps(content, indent=2))


def _shapes(kind: str, box: tuple[int, int, int, int]) -> list[Record]:
    """The outline of a drawn shape, and the corners of a triangle as keypoints."""
    left, top, right, bottom = box
    x, y = (left + right) / 2, (top + bottom) / 2
    if kind == "circle":
        return [_shape(kind, ((x, y), (right, y)), "circle")]
    if kind == "square":
        return [_shape(kind, ((left, top), (right, top), (right, bottom), (left, bottom)), "polygon")]
    corners = {"top": (x, top), "right foot": (right, bottom), "left foot": (left, bottom)}
    points = [_shape(name, (corner,), "point", 1) for name, corner in corners.items()]
    return [_shape(kind, tuple(corners.values()), "polygon", 1), *points]


def _shape(label: str, points: Any, kind: str = "rectangle", group: int | None = None) -> Record:
    corners = [points[:2], points[2:]] if kind == "rectangle" else points
    return {"label": label, "points": corners, "group_id": group, "shape_type": kind, "flags": {}, "mask": None}
