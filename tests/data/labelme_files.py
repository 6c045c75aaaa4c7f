"""Small folders of labelme's files, for the tests of the format and of the reader."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from visus.data.check.report import CheckReport
from visus.data.readers.labelme import check_labelme, open_labelme
from visus.data.records.indexed import IndexedDataset

SQUARE = [[2.0, 3.0], [12.0, 3.0], [12.0, 13.0], [2.0, 13.0]]


def shape(label: str, points: list[Any], kind: str | None = "polygon", **more: Any) -> dict[str, Any]:
    return {"label": label, "points": points, "group_id": None, "shape_type": kind, "flags": {}, **more}


def file(folder: Path, name: str, shapes: list[Any], *, image: bool = True, **changes: Any) -> Path:
    """An image of 20 x 30 and labelme's file about it."""
    folder.mkdir(parents=True, exist_ok=True)
    if image:
        Image.new("RGB", (30, 20), (200, 30, 30)).save(folder / f"{name}.png")
    content = {"version": "5.4.1", "flags": {}, "shapes": shapes, "imagePath": f"{name}.png", "imageData": None}
    content |= {"imageHeight": 20, "imageWidth": 30, **changes}
    (folder / f"{name}.json").write_text(json.dumps(content))
    return folder / f"{name}.json"


def png(pixels: Any) -> str:
    held = io.BytesIO()
    Image.fromarray(np.asarray(pixels, dtype=np.uint8)).save(held, "PNG")
    return base64.b64encode(held.getvalue()).decode()


def opened(root: Path, shapes: list[Any], **changes: Any) -> IndexedDataset:
    file(root / "train", "a", shapes, **changes)
    return open_labelme(root, "train")


def checked(root: Path, shapes: list[Any], **changes: Any) -> CheckReport:
    """The report on one file in each split, the first of them with ``shapes``."""
    file(root / "train", "a", shapes, **changes)
    for split in ("val", "test"):
        file(root / split, "b", [shape("cat", SQUARE)])
    return check_labelme(root)
