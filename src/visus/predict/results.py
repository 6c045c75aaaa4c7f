"""The folder that predictions are written to: drawings, and what was predicted in files that other programs read.

``predictions.json`` is a list. Of objects it is COCO's results format, with every object that the model reported. Of
other problems it has an entry for each image: its classes with their probabilities, and a box where one is found; or
the share of each class of pixels and the file of its mask; or its embedding; or its scene graph and
a caption. ``images.json`` says which image each number means, and names the categories and whatever went wrong.

A mask is a PNG whose pixels are labels, the positions in the list of categories, with the colours of the drawings as
its palette.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from visus.draw.palette import schema_colour
from visus.errors import VisusError
from visus.metrics.coco_format import prediction_to_coco, schema_to_categories
from visus.predict.annotations import Annotations
from visus.predict.content import Record, content_of, size_record
from visus.predict.pictures import WRITABLE, encoded
from visus.predict.result import Result
from visus.types import (
    VOID,
    ClassPrediction,
    EmbeddingPrediction,
    EpisodePrediction,
    GraphPrediction,
    ImagePrediction,
    InstancePrediction,
    PartPrediction,
    Schema,
    SemanticPrediction,
    row,
)
from visus.whole_file import full_disk, write_whole

MASKS = "masks"


@dataclass
class ResultFolder:
    """Collects the predictions of one command. No file is written over: neither an image nor an earlier result.

    Args:
        path: the folder, new or empty; made when the first file is written.
        schema: the meaning of the labels.
        found: what was predicted so far: COCO's results of objects, else an entry for each image.
        images: the images so far, as COCO image records.
        failures: name and cause of each image that could not be read.
        undrawn: name and cause of each image whose drawing shows nothing of what was found.
        annotations: where the predictions are written for a program that people annotate with, too.
    """

    path: Path
    schema: Schema
    found: list[Record] = field(default_factory=list)
    images: list[Record] = field(default_factory=list)
    failures: list[tuple[str, str]] = field(default_factory=list)
    undrawn: list[tuple[str, str]] = field(default_factory=list)
    annotations: Annotations | None = None
    _names: Names = field(default_factory=lambda: Names())

    def add(self, result: Result, image_id: int) -> None:
        """Takes the result of an image; its details (such as a frame's time) are kept in its record.

        The mask of a `SemanticPrediction` is written at once: a folder of images would not fit into memory.

        Raises:
            NoRowError: a kind of prediction that `ENTRIES` does not know.
        """
        if self.annotations is not None:
            self.annotations.add(result, image_id, self.new_file)
        self.found += row(ENTRIES, result.prediction, "writing predictions")(self, result, image_id)
        about = {"id": image_id, "file_name": result.name, **size_record(result.prediction.size)}
        self.images.append({**about, **result.details})

    def fail(self, name: str, error: Exception) -> None:
        """Notes an image that could not be read."""
        self.failures.append((name, str(error) or type(error).__name__))

    def save_picture(self, name: str, picture: Image.Image) -> Path:
        """Writes a drawing under the name of its image (as JPEG where that is neither JPEG nor PNG)."""
        file = self._names.picture(name)
        return self._write(file, encoded(picture, file))

    def write_json(self) -> None:
        """Writes what was collected so far."""
        self.path.mkdir(parents=True, exist_ok=True)
        about = {
            "images": self.images,
            "categories": schema_to_categories(self.schema),
            "failures": [{"file_name": name, "cause": cause} for name, cause in self.failures + self.undrawn],
        }
        write_whole(self.path / "predictions.json", json.dumps(self.found))
        write_whole(self.path / "images.json", json.dumps(about, indent=1))
        for name, text in (self.annotations.files() if self.annotations else {}).items():
            write_whole(self.path / name, text)

    def save_mask(self, name: str, prediction: SemanticPrediction) -> str:
        """Writes the labels of an image as a PNG; returns its path inside of the folder."""
        mask = Image.fromarray(prediction.labels.cpu().numpy().astype(np.uint8)).convert("L")
        mask.putpalette(_palette(self.schema))
        return self._write(self._names.mask(name), encoded_mask(mask)).relative_to(self.path).as_posix()

    def new_file(self, name: str | Path) -> Path:
        """A place in the folder for a file of this name, with a number where the name is taken.

        Raises:
            VisusError: something that is not ours has the name.
        """
        return self._free(self._names.of(Path(name)))

    def _free(self, file: Path) -> Path:
        path = self.path / file
        if os.path.lexists(path):
            raise VisusError(f"{path}: there is something of this name already, which is not written over")
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def _write(self, file: Path, content: bytes) -> Path:
        """Writes a file; nothing of it is left where that fails."""
        path = self._free(file)
        try:
            path.write_bytes(content)
        except OSError as error:
            full = full_disk(error, path)
            with suppress(OSError):
                path.unlink(missing_ok=True)
            raise (full or error) from error
        return path


class Names:
    """The names of the files of a folder, which follow from those of the images and their order alone."""

    def __init__(self) -> None:
        self._taken: set[Path] = set()

    def picture(self, name: str) -> Path:
        """The name of an image's drawing."""
        return self.of(Path(name if Path(name).suffix.lower() in WRITABLE else f"{name}.jpg"))

    def mask(self, name: str) -> Path:
        """The name of an image's mask."""
        file = Path(MASKS) / Path(name).with_suffix(".png")
        return self.of(Path(MASKS) / f"{name}.png" if file in self._taken else file)  # of a.jpg and of a.png

    def of(self, file: Path) -> Path:
        """The name itself, with a number where it is taken."""
        number, stem = 1, file.stem
        while file in self._taken:
            number += 1
            file = file.with_stem(f"{stem}-{number}")
        self._taken.add(file)
        return file


def encoded_mask(mask: Image.Image) -> bytes:
    """A mask as the content of a PNG."""
    content = io.BytesIO()
    mask.save(content, format="png", optimize=True)
    return content.getvalue()


def instance_entries(folder: ResultFolder, result: Result, image_id: int) -> list[Record]:
    """COCO's results of the objects of an image."""
    prediction: Any = result.prediction
    return prediction_to_coco(prediction, image_id, folder.schema)


def image_entry(folder: ResultFolder, result: Result, image_id: int) -> list[Record]:
    """What was found in an image, under its number and its name."""
    content = content_of(result.prediction, folder.schema)
    return [{"image_id": image_id, "file_name": result.name, **content}]


def semantic_entry(folder: ResultFolder, result: Result, image_id: int) -> list[Record]:
    """The file of an image's mask, which is written here, and the share of each class."""
    prediction: Any = result.prediction
    return [
        {**entry, "mask": folder.save_mask(result.name, prediction)} for entry in image_entry(folder, result, image_id)
    ]


def graph_entry(folder: ResultFolder, result: Result, image_id: int) -> list[Record]:
    """A scene graph, with the size of the image that its boxes are in."""
    return [{**entry, **size_record(result.prediction.size)} for entry in image_entry(folder, result, image_id)]


ENTRIES: dict[type, Callable[[ResultFolder, Result, int], list[Record]]] = {
    InstancePrediction: instance_entries,
    ClassPrediction: image_entry,
    SemanticPrediction: semantic_entry,
    EmbeddingPrediction: image_entry,
    EpisodePrediction: image_entry,
    PartPrediction: image_entry,
    GraphPrediction: graph_entry,
    ImagePrediction: image_entry,
}
"""What predictions.json holds of an image, by the kind of prediction."""

DRAWN: dict[type, bool] = {
    InstancePrediction: True,
    ClassPrediction: True,
    SemanticPrediction: True,
    EmbeddingPrediction: False,
    EpisodePrediction: True,
    PartPrediction: True,
    GraphPrediction: True,
    ImagePrediction: True,
}
"""Whether there is something to draw on the image; else a drawing would be a copy of it."""


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
