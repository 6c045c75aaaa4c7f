"""The folder that predictions are written to: drawings, and what was predicted in files that other programs read.

``predictions.json`` is a list. Of objects it is COCO's results format, with every object that the model reported. Of
other problems it has an entry for each image: its classes with their probabilities, and a box where one is found; or
the share of each class of pixels and the file of its mask; or its embedding. ``images.json`` says which image each
number means, and names the categories and whatever went wrong.

A mask is a PNG whose pixels are labels, the positions in the list of categories, with the colours of the drawings as
its palette.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from visus.draw.palette import schema_colour
from visus.metrics.coco_format import prediction_to_coco, schema_to_categories
from visus.types import (
    VOID,
    ClassPrediction,
    EmbeddingPrediction,
    InstancePrediction,
    Schema,
    SemanticPrediction,
    row,
)

MASKS = "masks"
_WRITABLE = (".jpg", ".jpeg", ".png")


@dataclass
class ResultFolder:
    """Collects the predictions of one command.

    Args:
        path: the folder, made when the first file is written.
        schema: the meaning of the labels.
        found: what was predicted so far: COCO's results of objects, else an entry for each image.
        images: the images so far, as COCO image records.
        failures: name and cause of each image that could not be read.
    """

    path: Path
    schema: Schema
    found: list[dict[str, Any]] = field(default_factory=list)
    images: list[dict[str, Any]] = field(default_factory=list)
    failures: list[tuple[str, str]] = field(default_factory=list)
    _masks: set[Path] = field(default_factory=set)

    def add(self, name: str, image_id: int, prediction: Any, **details: float) -> None:
        """Takes the prediction of an image; ``details`` are kept in its record (such as a frame's time).

        The mask of a `SemanticPrediction` is written at once: a folder of images would not fit into memory.

        Raises:
            NoRowError: a kind of prediction that `ENTRIES` does not know.
        """
        self.found += row(ENTRIES, prediction, "writing predictions")(self, name, image_id, prediction)
        height, width = prediction.size
        self.images.append({"id": image_id, "file_name": name, "width": width, "height": height, **details})

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
        (self.path / "predictions.json").write_text(json.dumps(self.found))
        (self.path / "images.json").write_text(json.dumps(about, indent=1))

    def save_mask(self, name: str, prediction: SemanticPrediction) -> str:
        """Writes the labels of an image as a PNG; returns its path inside of the folder."""
        file = Path(MASKS) / Path(name).with_suffix(".png")
        if file in self._masks:
            file = Path(MASKS) / f"{name}.png"  # a.jpg and a.png lie beside each other
        self._masks.add(file)
        path = self.path / file
        path.parent.mkdir(parents=True, exist_ok=True)
        mask = Image.fromarray(prediction.labels.cpu().numpy()).convert("L")
        mask.putpalette(_palette(self.schema))
        mask.save(path, optimize=True)
        return file.as_posix()


def instance_entries(
    folder: ResultFolder, name: str, image_id: int, prediction: InstancePrediction
) -> list[dict[str, Any]]:
    """COCO's results of the objects of an image."""
    return prediction_to_coco(prediction, image_id, folder.schema)


def class_entries(folder: ResultFolder, name: str, image_id: int, prediction: ClassPrediction) -> list[dict[str, Any]]:
    """The classes of an image, best first, and the box (left, top, right, bottom) where there is one."""
    schema = folder.schema
    scores = zip(prediction.labels.tolist(), prediction.scores.tolist(), strict=True)
    classes = [
        {"category_id": schema.category_ids[label], "name": schema.categories[label], "score": round(score, 6)}
        for label, score in scores
    ]
    entry: dict[str, Any] = {"image_id": image_id, "file_name": name, "classes": classes}
    if prediction.box_xyxy is not None:
        entry["box_xyxy"] = [round(v, 2) for v in prediction.box_xyxy.tolist()]
    return [entry]


def semantic_entries(
    folder: ResultFolder, name: str, image_id: int, prediction: SemanticPrediction
) -> list[dict[str, Any]]:
    """The file of an image's mask, which is written here, and the share of each class."""
    mask = folder.save_mask(name, prediction)
    shares = class_shares(prediction, folder.schema)
    return [{"image_id": image_id, "file_name": name, "mask": mask, "classes": shares}]


def embedding_entries(
    folder: ResultFolder, name: str, image_id: int, prediction: EmbeddingPrediction
) -> list[dict[str, Any]]:
    """The embedding of an image."""
    values = [round(value, 6) for value in prediction.embedding.tolist()]
    return [{"image_id": image_id, "file_name": name, "embedding": values}]


ENTRIES: dict[type, Callable[[ResultFolder, str, int, Any], list[dict[str, Any]]]] = {
    InstancePrediction: instance_entries,
    ClassPrediction: class_entries,
    SemanticPrediction: semantic_entries,
    EmbeddingPrediction: embedding_entries,
}
"""What predictions.json holds of an image, by the kind of prediction."""


def class_shares(prediction: SemanticPrediction, schema: Schema) -> list[dict[str, Any]]:
    """The classes among the pixels of an image as JSON: the share of each and its mean score, the largest first."""
    labels, scores = prediction.labels.cpu().flatten().long(), prediction.scores.cpu().flatten().double()
    counts = torch.bincount(labels, minlength=VOID + 1)
    sums = torch.bincount(labels, weights=scores, minlength=VOID + 1)
    order = counts[: schema.num_classes].argsort(descending=True, stable=True).tolist()
    return [
        {
            "category_id": schema.category_ids[label],
            "name": schema.categories[label],
            "label": label,
            "share": round(int(counts[label]) / len(labels), 6),
            "score": round(float(sums[label] / counts[label]), 4),
        }
        for label in order
        if counts[label]
    ]


def _palette(schema: Schema) -> list[int]:
    """Red, green and blue of each label, one after the other; black where there is none."""
    colours = [schema_colour(schema, label) for label in range(schema.num_classes)]
    return [value for colour in [*colours, *[(0, 0, 0)] * (VOID + 1 - len(colours))] for value in colour]


def image_ids(names: Sequence[str]) -> list[int]:
    """A number for each image: its name where all are numbers (COCO's ``000000000139.jpg``), else 1, 2, ..."""
    stems = [Path(name).stem for name in names]
    if all(stem.isdecimal() for stem in stems) and len({int(stem) for stem in stems}) == len(stems):
        return [int(stem) for stem in stems]
    return list(range(1, len(names) + 1))
