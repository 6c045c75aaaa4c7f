"""A miniature of a project of Label Studio, exported: drawn shapes with brushes, polygons, key points or rectangles."""

from __future__ import annotations

import json
from pathlib import Path

from visus.data.annotators.drawn import DrawnImage
from visus.data.annotators.drawn_fake import drawn_shapes
from visus.data.annotators.label_studio import label_studio_task
from visus.data.formats.coco_values import Record


def write_fake(root: Path, *, images: int = 20, seed: int = 0, boxes: bool = False, short: bool = False) -> None:
    """Write ``project.json`` and ``images/``, without the first characters of their addresses; the last has no object.

    Args:
        root: the folder, made where needed.
        images: of all splits, which 80, 10 and 10 % are.
        seed: of the drawings.
        boxes: write rectangles only.
        short: write JSON-MIN instead of JSON.
    """
    folder = Path(root) / "images"
    folder.mkdir(parents=True, exist_ok=True)
    tasks = []
    for turn, (image, things) in enumerate(drawn_shapes(images, (seed,), boxes=boxes)):
        image.save(folder / f"{turn:03d}.jpg", quality=95)
        address = f"/data/upload/1/{turn:08x}-{turn:03d}.jpg"
        task = label_studio_task(DrawnImage(address, (image.height, image.width), things), model=None)
        tasks.append(_row(task, turn) if short else _task(task, turn))
    (Path(root) / "project.json").write_text(json.dumps(tasks, indent=1) + "\n", encoding="utf-8")


def _task(task: Record, number: int) -> Record:
    """A task as it is exported."""
    usual = {"id": number, "completed_by": 1, "was_cancelled": False, "ground_truth": False, "lead_time": 3.5}
    return {"id": number, "annotations": [{**usual, **task["annotations"][0]}], "predictions": [], "data": task["data"]}


def _row(task: Record, number: int) -> Record:
    """The same in JSON-MIN, which keeps neither identifiers nor parents of regions."""
    row: Record = {"id": number, **task["data"], "annotator": 1, "annotation_id": number, "lead_time": 3.5}
    for region in task["annotations"][0]["result"]:
        sizes = {key: region[key] for key in ("original_width", "original_height")}
        row.setdefault(region["from_name"], []).append({**region["value"], **sizes})
    return row
