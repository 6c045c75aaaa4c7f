"""The folder that predictions are written to: pictures with the objects drawn on them, and COCO's JSON.

``predictions.json`` is a list in COCO's results format, with every object that the model reported; ``images.json`` says
which image each number means, and names the categories and whatever went wrong.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from visus.metrics.coco_format import prediction_to_coco, schema_to_categories
from visus.types import InstancePrediction, Schema

_WRITABLE = (".jpg", ".jpeg", ".png")


@dataclass
class ResultFolder:
    """Collects the predictions of one command.

    Args:
        path: the folder, made when the first file is written.
        schema: the meaning of the labels.
        objects: what was found so far, as COCO results.
        images: the images so far, as COCO image records.
        failures: name and cause of each image that could not be read.
    """

    path: Path
    schema: Schema
    objects: list[dict[str, Any]] = field(default_factory=list)
    images: list[dict[str, Any]] = field(default_factory=list)
    failures: list[tuple[str, str]] = field(default_factory=list)

    def add(self, name: str, image_id: int, prediction: InstancePrediction, **details: float) -> None:
        """Takes the prediction of an image; ``details`` are kept in its record (such as a frame's time)."""
        height, width = prediction.size
        self.images.append({"id": image_id, "file_name": name, "width": width, "height": height, **details})
        self.objects += prediction_to_coco(prediction, image_id, self.schema)

    def fail(self, name: str, error: Exception) -> None:
        """Notes an image that could not be read."""
        self.failures.append((name, str(error) or type(error).__name__))

    def save_picture(self, name: str, picture: Image.Image) -> Path:
        """Writes a drawing under the name of its image (as JPEG where that is neither JPEG nor PNG)."""
        path = self.path / (name if Path(name).suffix.lower() in _WRITABLE else f"{name}.jpg")
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix.lower() == ".png":
            picture.save(path)
        else:
            picture.save(path, quality=92, subsampling=0)
        return path

    def write_json(self) -> None:
        """Writes what was collected so far."""
        self.path.mkdir(parents=True, exist_ok=True)
        about = {
            "images": self.images,
            "categories": schema_to_categories(self.schema),
            "failures": [{"file_name": name, "cause": cause} for name, cause in self.failures],
        }
        (self.path / "predictions.json").write_text(json.dumps(self.objects))
        (self.path / "images.json").write_text(json.dumps(about, indent=1))


def image_ids(names: Sequence[str]) -> list[int]:
    """A number for each image: its name where all are numbers (COCO's ``000000000139.jpg``), else 1, 2, ..."""
    stems = [Path(name).stem for name in names]
    if all(stem.isdecimal() for stem in stems) and len({int(stem) for stem in stems}) == len(stems):
        return [int(stem) for stem in stems]
    return list(range(1, len(names) + 1))
