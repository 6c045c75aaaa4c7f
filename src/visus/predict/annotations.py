"""Predictions as annotations to begin with, in the files of programs that people correct them in.

=================  ====================================================================================
``labelme``        a JSON file for each image; one without a file of its own is inside
``label-studio``   ``tasks.json`` with the objects as predictions, and the labelling interface ``config.xml``
``cvat``           ``annotations.xml`` of "CVAT for images 1.1", and ``labels.json`` for the project
``coco``           ``annotations.json``: images, categories, and annotations with scores
=================  ====================================================================================
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import quote

import PIL.Image
import torch

from visus.data.annotators.cvat import cvat_image, cvat_labels_text, cvat_xml
from visus.data.annotators.drawn import DrawnImage, drawn_object
from visus.data.annotators.label_studio import label_studio_config, label_studio_task
from visus.data.annotators.labelme import labelme_text
from visus.data.convert.for_annotators import LOCAL_FILES
from visus.data.convert.outlines import simple_polygons_of
from visus.draw.instances import sure_keypoints
from visus.errors import VisusError
from visus.metrics.coco_format import prediction_to_coco, schema_to_categories
from visus.ops.masks import masks_to_boxes, rle_area, rle_decode, rle_encode
from visus.predict.content import Record
from visus.predict.pictures import encoded
from visus.predict.result import Result
from visus.types import (
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
from visus.whole_file import write_whole

Format = Literal["labelme", "label-studio", "cvat", "coco"]
Outlines = Literal["masks", "polygons"]
Found = tuple[list[Record], list[tuple[int, float]]]
"""Objects in COCO's format whose ``category_id`` is a label, and labels of the whole image with their scores."""
NewFile = Callable[[Path], Path]


@dataclass
class Annotations:
    """Collects the predictions of one command and writes them in one format.

    Args:
        format: one of `FILES`.
        schema: the meaning of the labels.
        model: the name of the model, which Label Studio shows.
        min_score: objects below are left out.
        outlines: exact masks, or polygons with few corners for people to move.
        address: what stands before the names of images in Label Studio; by default what it calls files that it serves
            itself, when it serves the folder above that of the images.
        entries: what the format has made of the images so far.
    """

    format: Format
    schema: Schema
    model: str
    min_score: float = 0.5
    outlines: Outlines = "masks"
    address: str | None = None
    entries: list[Any] = field(default_factory=list)
    _pointed: set[int] = field(default_factory=set)

    @property
    def categories(self) -> list[Record]:
        """As in COCO's format."""
        return schema_to_categories(self.schema)

    @property
    def used_categories(self) -> list[Record]:
        """The same, with keypoints for those alone whose objects had some."""
        return [
            category if label in self._pointed else {"id": category["id"], "name": category["name"]}
            for label, category in enumerate(self.categories)
        ]

    def add(self, result: Result, image_id: int, new_file: NewFile) -> None:
        """Takes the result of an image.

        Args:
            result: of the image.
            image_id: its number.
            new_file: gives a place in the folder of the results for a file of this name.

        Raises:
            VisusError: there is nothing to annotate in such predictions: embeddings, parts of shapes ...
        """
        objects, classes = row(ANNOTATED, result.prediction, "annotations")(
            result.prediction, self.schema, self.min_score
        )
        if self.outlines == "polygons":
            objects = [_with_polygons(thing) for thing in objects]
        self._pointed |= {thing["category_id"] for thing in objects if any(thing.get("keypoints", ())[2::3])}
        self.entries.append(ADD[self.format](self, result, image_id, (objects, classes), new_file))

    def files(self) -> dict[str, str]:
        """The files that hold all images, by their names."""
        return FILES[self.format](self)

    def drawn(self, name: str, result: Result, found: Found) -> DrawnImage:
        """An image for a program that annotates."""
        height, width = result.prediction.size
        things = tuple(drawn_object(thing, self.categories, (height, width)) for thing in found[0])
        classes = tuple((self.schema.categories[label], score) for label, score in found[1])
        return DrawnImage(name, (height, width), things, classes)


def _labelme(whole: Annotations, result: Result, image_id: int, found: Found, new_file: NewFile) -> None:
    """Writes the JSON file of an image, which says where it lies, or has a frame or a page inside."""
    path = new_file(Path("labelme") / Path(result.name).with_suffix(".json"))
    place, data = f"{Path(result.name).stem}.png", None
    if os.path.isfile(result.path) and not result.details:
        place = Path(os.path.relpath(result.path, path.parent)).as_posix()
    else:
        pixels: Any = result.image
        data = encoded(PIL.Image.fromarray(pixels.permute(1, 2, 0).contiguous().numpy()), place)
    write_whole(path, labelme_text(whole.drawn(place, result, found), data=data))


def _task(whole: Annotations, result: Result, image_id: int, found: Found, new_file: NewFile) -> Record:
    """A task of Label Studio; the address of its image begins with the folder that the images lie in."""
    name = quote(result.name)
    if whole.address is None:
        above = Path(result.path).resolve().parents if result.path else ()
        depth = len(Path(result.name).parts) - 1
        folder = quote(f"{above[depth].name}/") if len(above) > depth else ""
        name = f"{LOCAL_FILES}{folder}{name}"
    else:
        name = f"{whole.address}{name}"
    return label_studio_task(whole.drawn(name, result, found), model=whole.model)


def _element(whole: Annotations, result: Result, image_id: int, found: Found, new_file: NewFile) -> str:
    return cvat_image(whole.drawn(result.name, result, found), len(whole.entries))


def _records(whole: Annotations, result: Result, image_id: int, found: Found, new_file: NewFile) -> Record:
    """An image and its annotations in COCO's format."""
    if found[1] and not found[0]:
        raise VisusError("COCO's format holds objects and classes of pixels, no classes of whole images")
    height, width = result.prediction.size
    image = {"id": image_id, "file_name": result.name, "height": height, "width": width}
    annotations = []
    for thing in found[0]:
        label, outline = thing["category_id"], thing.get("segmentation")
        area = float(rle_area(outline)) if isinstance(outline, dict) else thing["bbox"][2] * thing["bbox"][3]
        points = {"num_keypoints": sum(v > 0 for v in thing["keypoints"][2::3])} if "keypoints" in thing else {}
        about = {"image_id": image_id, "category_id": whole.schema.category_ids[label], "area": area, "iscrowd": 0}
        annotations.append({**thing, **about, **points})
    return {"image": image, "annotations": annotations}


def _coco_text(whole: Annotations) -> str:
    annotations = [one for entry in whole.entries for one in entry["annotations"]]
    content = {
        "images": [entry["image"] for entry in whole.entries],
        "annotations": [{"id": number, **one} for number, one in enumerate(annotations, start=1)],
        "categories": whole.used_categories,
    }
    return json.dumps(content) + "\n"


ADD: Final[dict[str, Callable[[Annotations, Result, int, Found, NewFile], Any]]] = {
    "labelme": _labelme,
    "label-studio": _task,
    "cvat": _element,
    "coco": _records,
}
"""What each format makes of an image."""

FILES: Final[dict[str, Callable[[Annotations], dict[str, str]]]] = {
    "labelme": lambda whole: {},
    "label-studio": lambda whole: {
        "tasks.json": json.dumps(whole.entries, ensure_ascii=False) + "\n",
        "config.xml": label_studio_config(whole.entries, whole.used_categories),
    },
    "cvat": lambda whole: {
        "annotations.xml": cvat_xml(whole.entries, whole.used_categories, name=whole.model),
        "labels.json": cvat_labels_text(whole.used_categories),
    },
    "coco": lambda whole: {"annotations.json": _coco_text(whole)},
}
"""The files of each format that hold all images."""


def _instances(prediction: InstancePrediction, schema: Schema, min_score: float) -> Found:
    sure = prediction[prediction.scores >= min_score]
    records = prediction_to_coco(sure, 0, schema)
    for place, (record, label) in enumerate(zip(records, sure.labels.tolist(), strict=True)):
        record["category_id"] = label
        if "keypoints" in record:  # as they are drawn: guesses are none
            record["keypoints"] = [value for point in sure_keypoints(sure, place) for value in point]
    return records, []


def _pixels(prediction: SemanticPrediction, schema: Schema, min_score: float) -> Found:
    """An object for the pixels of each class; how sure a pixel is does not matter, since each has a class."""
    labels = prediction.labels.cpu()
    objects: list[Record] = []
    for label in [k for k in torch.unique(labels).tolist() if k < schema.num_classes]:
        mask = labels == label
        left, top, right, bottom = masks_to_boxes(mask[None])[0].tolist()
        score = float(prediction.scores.cpu()[mask].mean())
        box = [left, top, right - left, bottom - top]
        objects.append({"category_id": label, "bbox": box, "segmentation": dict(rle_encode(mask)), "score": score})
    return objects, []


def _classes(prediction: ClassPrediction, schema: Schema, min_score: float) -> Found:
    """The best class, and its object where one is located."""
    label, score = int(prediction.labels[0]), float(prediction.scores[0])
    if prediction.box_xyxy is None:
        return [], [(label, score)]
    left, top, right, bottom = prediction.box_xyxy.tolist()
    return [{"category_id": label, "bbox": [left, top, right - left, bottom - top], "score": score}], [(label, score)]


def _nothing(prediction: Any, schema: Schema, min_score: float) -> Found:
    raise VisusError(f"no program annotates a {type(prediction).__name__}: leave --format out")


ANNOTATED: dict[type, Callable[[Any, Schema, float], Found]] = {
    InstancePrediction: _instances,
    SemanticPrediction: _pixels,
    ClassPrediction: _classes,
    GraphPrediction: lambda prediction, schema, least: _instances(prediction.objects, schema, least),
    EmbeddingPrediction: _nothing,
    EpisodePrediction: _nothing,
    PartPrediction: _nothing,
    ImagePrediction: _nothing,
}
"""What each kind of prediction has to annotate."""


def _with_polygons(thing: Record) -> Record:
    """An object with polygons for its mask; one whose mask no polygon describes keeps its box alone."""
    outline = thing.get("segmentation")
    if not isinstance(outline, dict):
        return thing
    return {**thing, "segmentation": simple_polygons_of(rle_decode(outline))}
