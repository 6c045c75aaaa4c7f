"""VRD: 5,000 photographs with 37,993 relationships between objects of 100 classes, by 70 predicates.

Lu, Krishna, Bernstein, Fei-Fei, "Visual Relationship Detection with Language Priors", ECCV 2016, arXiv 1608.00187.
Layout: ``objects.json`` and ``predicates.json`` with a list of names each; ``annotations_train.json`` and
``annotations_test.json`` with ``{IMAGE: [{predicate, subject: {category, bbox}, object: {category, bbox}}]}``, whose
``bbox`` is ymin, ymax, xmin, xmax; the photographs in ``images``, or in ``sg_train_images`` and
``sg_test_images`` as they were published. Objects are the different pairs of class and box of an image; the
few relationships of an object to itself are left out. There is no published validation split, so "val" is "test".
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from visus.data.check.records import Problem
from visus.data.check.report import CheckReport, border_problems, image_problems
from visus.data.entry import DatasetEntry
from visus.data.errors import AnnotationError, DatasetNotFoundError
from visus.data.files.images import ImageError, image_size
from visus.data.files.json_file import read_json
from visus.data.files.splits import check_split
from visus.data.formats.coco_index import image_record
from visus.data.formats.coco_values import all_finite, are_numbers, is_file_name, leaves_folder, short
from visus.data.records.fake_images import SHAPES, draw_shape
from visus.data.records.graph_images import GraphImages, GraphRecord
from visus.types import Schema

_FILES = {"train": "annotations_train.json", "val": "annotations_test.json", "test": "annotations_test.json"}
_PUBLISHED = {"annotations_train.json": "sg_train_images", "annotations_test.json": "sg_test_images"}
_TO_ITSELF = "relation to itself"
_FAKE_PREDICATES = ("left of", "right of")

Complain = Callable[[str, Path, str], None]
"""Takes the kind, the file and the message of what is wrong."""


def open_vrd(root: Path, split: str, *, for_training: bool = False) -> GraphImages:
    """Open a split."""
    root = Path(root)
    records = read_vrd(root, split)
    return GraphImages(folder=_images(root, _FILES[split]), records=records, schema=vrd_schema(root))


def read_vrd(root: Path, split: str) -> list[GraphRecord]:
    """The annotations of a split, without looking for its images.

    Raises:
        ValueError: ``split`` is no split.
        DatasetNotFoundError: a file is missing.
        AnnotationError: an annotation is malformed.
    """
    check_split(split)
    return list(_records(Path(root), _FILES[split], vrd_schema(root), _refuse))


def vrd_schema(root: Path) -> Schema:
    """The names of classes and predicates.

    Raises:
        DatasetNotFoundError: there are no such files.
        AnnotationError: they hold something else.
    """
    categories, predicates = (_names(Path(root) / name) for name in ("objects.json", "predicates.json"))
    return Schema(categories=categories, category_ids=tuple(range(len(categories))), predicates=predicates)


def _names(path: Path) -> tuple[str, ...]:
    if not path.is_file():
        raise DatasetNotFoundError(
            f"{path}: no such file; VRD needs objects.json, predicates.json and annotations_*.json"
        )
    names = read_json(path)
    if not isinstance(names, list) or not names or not all(isinstance(name, str) and name for name in names):
        raise AnnotationError(f"{path}: should be a list of names")
    return tuple(names)


def _images(root: Path, file: str) -> Path:
    published = root / _PUBLISHED[file]
    return published if published.is_dir() else root / "images"


def _refuse(kind: str, path: Path, message: str) -> None:
    """Raises, but for what is left out as a warning of the check tells."""
    if kind != _TO_ITSELF:
        raise AnnotationError(f"{path}: {message}")


def _records(root: Path, file: str, schema: Schema, complain: Complain) -> Iterator[GraphRecord]:
    path = root / file
    if not path.is_file():
        raise DatasetNotFoundError(f"{path}: no such file")
    content = read_json(path)
    if not isinstance(content, dict):
        raise AnnotationError(f"{path}: should be an object with a list of relationships for each image")
    for name, found in content.items():
        if not is_file_name(name) or leaves_folder(name, _images(root, file), root):
            complain("malformed annotation", path, f"{short(name)} is no name of an image")
        elif not isinstance(found, list):
            complain("malformed annotation", path, f"{name}: should have a list of relationships, not {short(found)}")
        else:
            yield _record(name, found, schema, lambda kind, message: complain(kind, path, message))


def _record(name: str, found: list[Any], schema: Schema, complain: Callable[[str, str], None]) -> GraphRecord:
    places: dict[tuple[int, tuple[float, ...]], int] = {}
    rows = []
    for number, one in enumerate(found):
        where = f"{name}, relationship {number}"
        values: dict[str, Any] = one if isinstance(one, dict) else {}
        ends = [_object(values.get(key), schema) for key in ("subject", "object")]
        predicate: Any = values.get("predicate")
        wrong = [text for text in ends if isinstance(text, str)]
        if wrong:
            complain("malformed annotation", f"{where}: {wrong[0]}")
        elif not _is_index(predicate, len(schema.predicates)):
            complain(
                "malformed annotation", f"{where}: {short(predicate)} is none of {len(schema.predicates)} predicates"
            )
        elif ends[0] == ends[1]:
            complain(_TO_ITSELF, f"{where}: subject and object are the same object: left out")
        else:
            first, second = (places.setdefault(end, len(places)) for end in ends if not isinstance(end, str))
            rows.append((first, int(predicate), second))
    boxes = [(box[0], box[1], box[2], box[3]) for _, box in places]
    return GraphRecord(name, boxes, [label for label, _ in places], rows)


def _object(value: Any, schema: Schema) -> tuple[int, tuple[float, ...]] | str:
    """The label and the xyxy box of an object, or what is wrong with it."""
    value = value if isinstance(value, dict) else {}
    label, box = value.get("category"), value.get("bbox")
    if not _is_index(label, len(schema.categories)):
        return f"{short(label)} is none of {len(schema.categories)} classes"
    if not are_numbers(box, 4) or not all_finite(box):
        return f"a bbox needs ymin, ymax, xmin and xmax, not {short(box)}"
    top, bottom, left, right = box
    if not (bottom > top and right > left):
        return f"the bbox {short(box)} (ymin, ymax, xmin, xmax) has no area"
    return int(label), (left, top, right, bottom)


def _is_index(value: Any, count: int) -> bool:
    return type(value) is int and 0 <= value < count


def recognise_vrd(root: Path) -> bool:
    """Whether a folder has the lists of names and an annotation file of VRD."""
    root = Path(root)
    named = all((root / name).is_file() for name in ("objects.json", "predicates.json"))
    return named and any((root / name).is_file() for name in _FILES.values())


def check_vrd(root: Path, *, decode: bool = True) -> CheckReport:
    """Check names, annotations and images of a folder in VRD's layout."""
    root = Path(root)
    problems: list[Problem] = []
    images = objects = 0

    def complain(kind: str, path: Path, message: str) -> None:
        severity: Any = "warning" if kind == _TO_ITSELF else "error"
        problems.append(Problem(kind, severity, str(path), message))

    try:
        schema = vrd_schema(root)
    except (AnnotationError, DatasetNotFoundError) as error:
        return CheckReport((Problem.of_error("unreadable annotations", root, error),))
    for file in dict.fromkeys(_FILES.values()):
        try:
            records = list(_records(root, file, schema, complain))
        except (AnnotationError, DatasetNotFoundError) as error:
            problems.append(Problem.of_error("unreadable annotations", root / file, error))
            continue
        images, objects = images + len(records), objects + sum(len(record.labels) for record in records)
        folder = _images(root, file)
        for record in records:
            problems += image_problems(folder, image_record(record.name, None), decode=decode)
            problems += _outside(folder, record, str(root / file))
    if not images:
        problems.append(Problem("empty data set", "error", str(root), "no image is annotated"))
    return CheckReport(tuple(problems), images, objects)


def _outside(folder: Path, record: GraphRecord, file: str) -> list[Problem]:
    try:
        size = image_size(folder / record.name)
    except ImageError:
        return []
    boxes = enumerate(record.boxes_xyxy)
    return [one for i, box in boxes for one in border_problems(box, size, file, f"{record.name}, object {i}")]


def write_fake(root: Path, *, images: int = 6, seed: int = 0) -> None:
    """Write a miniature VRD: two shapes beside each other in each image; two thirds are for training."""
    root = Path(root)
    (root / "images").mkdir(parents=True, exist_ok=True)
    annotations: dict[str, list[Any]] = {}
    for number in range(images):
        name = f"{number:06d}.jpg"
        annotations[name] = _draw_pair(root / "images" / name, np.random.default_rng((seed, number)))
    cut = max(1, images * 2 // 3)
    parts = {"annotations_train.json": list(annotations)[:cut], "annotations_test.json": list(annotations)[cut:]}
    for file, names in parts.items():
        (root / file).write_text(json.dumps({name: annotations[name] for name in names}))
    (root / "objects.json").write_text(json.dumps(SHAPES))
    (root / "predicates.json").write_text(json.dumps(_FAKE_PREDICATES))


def _draw_pair(path: Path, generator: np.random.Generator) -> list[Any]:
    """Save an image of two shapes; the relationships between them."""
    labels = [int(label) for label in generator.integers(0, len(SHAPES), 2)]
    (left, box), (right, other) = (draw_shape(SHAPES[label], generator) for label in labels)
    sheet = left.resize((left.width * 2, left.height))
    sheet.paste(left, (0, 0))
    sheet.paste(right, (left.width, 0))
    sheet.save(path, quality=95)
    moved = (other[0] + left.width, other[1], other[2] + left.width, other[3])
    ends = [
        {"category": label, "bbox": [edges[1], edges[3], edges[0], edges[2]]}
        for label, edges in zip(labels, (box, moved), strict=True)
    ]
    return [
        {"predicate": 0, "subject": ends[0], "object": ends[1]},
        {"predicate": 1, "subject": ends[1], "object": ends[0]},
    ]


ENTRY = DatasetEntry(
    open=open_vrd,
    write_fake=write_fake,
    recognise=recognise_vrd,
    mark="objects.json, predicates.json and annotations_train.json (VRD)",
    check=check_vrd,
    summary="VRD: photographs with relationships between objects",
    licence="research",
    size="4,000 + 1,000 images, 100 classes, 70 predicates",
    source="https://cs.stanford.edu/people/ranjaykrishna/vrd/",
)
