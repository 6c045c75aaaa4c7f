"""VG150: Visual Genome with its 150 most frequent classes and 50 most frequent predicates.

Krishna et al., "Visual Genome", arXiv 1602.07332; the selection is that of Xu et al., "Scene Graph Generation by
Iterative Message Passing", arXiv 1701.02426. Layout: ``VG-SGG.h5`` (or ``VG-SGG-with-attri.h5``, with 200 attributes),
``VG-SGG-dicts.json`` (or ``VG-SGG-dicts-with-attri.json``), ``image_data.json``, and the photographs ``VG_100K/ID.jpg``
(those of ``VG_100K_2`` too). Four images whose files are damaged stand in ``image_data.json`` and not in the h5. Images
without objects or without relationships are left out; "val" are the first 5,000 images of the training part, and of
fewer than 40,000 an eighth, as the papers since arXiv 1711.06640 have it.

Boxes are stored as centre, width and height for an image whose longer side has 1,024 pixels.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from visus.data.check.records import Problem
from visus.data.check.report import CheckReport, image_problems
from visus.data.entry import DatasetEntry
from visus.data.errors import AnnotationError, DatasetNotFoundError
from visus.data.files.json_file import read_json
from visus.data.files.splits import check_split
from visus.data.formats.coco_index import image_record
from visus.data.records.fake_images import SHAPES, draw_shape
from visus.data.records.graph_images import GraphImages, GraphRecord
from visus.errors import VisusError
from visus.types import Schema

_NAMES = ("VG-SGG-with-attri.h5", "VG-SGG.h5")
_DICTS = ("VG-SGG-dicts-with-attri.json", "VG-SGG-dicts.json")
_DAMAGED = {1592, 1722, 4616, 4617}
_LONG_SIDE = 1024
_FAKE_SIZE = (64, 80)
_VALIDATION = 5000
_TEST = 2
_IMAGE_KEYS = ("image_id", "width", "height")
_ARRAYS = (
    "split",
    "labels",
    "boxes_1024",
    "img_to_first_box",
    "img_to_last_box",
    "predicates",
    "relationships",
    "img_to_first_rel",
    "img_to_last_rel",
)


def open_vg150(root: Path, split: str, *, for_training: bool = False) -> GraphImages:
    """Open a split.

    Raises:
        VisusError: the package h5py is missing.
    """
    check_split(split)
    root = Path(root)
    schema, tables = _schema(root), _tables(root)
    records = list(_records(tables, _chosen(tables, split), schema))
    return GraphImages(folder=_images(root), records=records, schema=schema)


@dataclass(frozen=True)
class _Tables:
    """The arrays of the h5, and the identifier and (w, h) of each image."""

    path: Path
    arrays: dict[str, np.ndarray]
    images: list[tuple[int, int, int]]


def _h5py() -> Any:
    try:
        import h5py
    except ModuleNotFoundError as error:
        raise VisusError("VG150's annotations need h5py: pip install 'visus[h5]'") from error
    return h5py


def _found(root: Path, names: tuple[str, ...]) -> Path:
    for name in names:
        if (root / name).is_file():
            return root / name
    raise DatasetNotFoundError(f"{root / names[-1]}: no such file")


def _schema(root: Path) -> Schema:
    path = _found(root, _DICTS)
    content = read_json(path)
    categories, predicates = (_listed(content, key, path) for key in ("label_to_idx", "predicate_to_idx"))
    with_attributes = _found(root, _NAMES).name == _NAMES[0]
    attributes = _listed(content, "attribute_to_idx", path) if with_attributes else ()
    numbers = tuple(range(1, len(categories) + 1))
    return Schema(categories=categories, category_ids=numbers, attributes=attributes, predicates=predicates)


def _listed(content: Any, key: str, path: Path) -> tuple[str, ...]:
    """The names of a dict from names to the numbers 1, 2 ..., in their order."""
    found = content.get(key) if isinstance(content, dict) else None
    if not isinstance(found, dict) or not found or not all(type(number) is int for number in found.values()):
        raise AnnotationError(f"{path}: {key} should be an object of names with their numbers")
    named = {number: name for name, number in found.items() if number > 0}  # 0 is the background, where it is named
    if sorted(named) != list(range(1, len(named) + 1)):
        raise AnnotationError(f"{path}: the numbers of {key} should be 1, 2, ... without gaps")
    return tuple(named[number] for number in sorted(named))


def _tables(root: Path) -> _Tables:
    path = _found(root, _NAMES)
    wanted = (*_ARRAYS, "attributes") if path.name == _NAMES[0] else _ARRAYS
    h5py = _h5py()
    try:
        with h5py.File(path, "r") as file:
            arrays = {name: np.asarray(file[name], dtype=np.int64) for name in wanted}
    except (OSError, KeyError, ValueError, TypeError, RuntimeError, MemoryError) as error:
        raise AnnotationError(f"{path}: cannot be read as VG150's h5 ({error})") from error
    tables = _Tables(path, arrays, _image_data(root / "image_data.json"))
    if wrong := _wrong(tables):
        raise AnnotationError(f"{path}: {wrong}")
    return tables


def _image_data(path: Path) -> list[tuple[int, int, int]]:
    if not path.is_file():
        raise DatasetNotFoundError(f"{path}: no such file")
    content, images = read_json(path), list[tuple[int, int, int]]()
    for number, one in enumerate(content if isinstance(content, list) else [None]):
        values: list[Any] = [one.get(key) for key in _IMAGE_KEYS] if isinstance(one, dict) else []
        if not values or not all(type(value) is int and 0 < value < 1 << 31 for value in values):
            raise AnnotationError(f"{path}: entry {number} needs image_id, width and height")
        if values[0] not in _DAMAGED:
            images.append((values[0], values[1], values[2]))
    return images


def _wrong(tables: _Tables) -> str:
    """What of the arrays does not fit together; empty where all does."""
    arrays, count = tables.arrays, len(tables.images)
    per_image = ("split", "img_to_first_box", "img_to_last_box", "img_to_first_rel", "img_to_last_rel")
    for name in per_image:
        if arrays[name].shape != (count,):
            return f"{name} has the shape {arrays[name].shape}, image_data.json names {count} images"
    boxes, rows = len(arrays["labels"]), len(arrays["predicates"])
    shapes = {"labels": (boxes, 1), "boxes_1024": (boxes, 4), "predicates": (rows, 1), "relationships": (rows, 2)}
    for name, shape in shapes.items():
        if arrays[name].shape != shape:
            return f"{name} has the shape {arrays[name].shape}, not {shape}"
    if "attributes" in arrays and (arrays["attributes"].ndim != 2 or len(arrays["attributes"]) != boxes):
        return f"attributes has the shape {arrays['attributes'].shape} for {boxes} objects"
    for kind, total in (("box", boxes), ("rel", rows)):
        first, last = arrays[f"img_to_first_{kind}"], arrays[f"img_to_last_{kind}"]
        used = first >= 0
        if ((last < first) | (last >= total))[used].any():
            return f"img_to_last_{kind} leaves the table of {total}"
    return ""


def _chosen(tables: _Tables, split: str) -> list[int]:
    """The places of the images of a split that have objects and relationships."""
    arrays = tables.arrays
    used = (arrays["img_to_first_box"] >= 0) & (arrays["img_to_first_rel"] >= 0)
    if split == "test":
        return np.flatnonzero(used & (arrays["split"] == _TEST)).tolist()
    learned = np.flatnonzero(used & (arrays["split"] != _TEST)).tolist()
    validation = _VALIDATION if len(learned) >= 8 * _VALIDATION else -(-len(learned) // 8)
    return learned[:validation] if split == "val" else learned[validation:]


def _records(tables: _Tables, places: list[int], schema: Schema) -> Iterator[GraphRecord]:
    arrays = tables.arrays
    for place in places:
        identifier, width, height = tables.images[place]
        first, last = (int(arrays[name][place]) for name in ("img_to_first_box", "img_to_last_box"))
        objects = slice(first, last + 1)
        rows = slice(int(arrays["img_to_first_rel"][place]), int(arrays["img_to_last_rel"][place]) + 1)
        labels, predicates = arrays["labels"][objects, 0] - 1, arrays["predicates"][rows, 0] - 1
        ends = arrays["relationships"][rows] - first
        where = f"{tables.path}: image {identifier}"
        _check_range(labels, len(schema.categories), f"{where}: labels")
        _check_range(predicates, len(schema.predicates), f"{where}: predicates")
        _check_range(ends, last - first + 1, f"{where}: relationships")
        middle, side = np.split(arrays["boxes_1024"][objects].astype(np.float64), 2, axis=1)
        if (side <= 0).any():
            raise AnnotationError(f"{where}: a box has no area")
        boxes = np.concatenate([middle - side / 2, middle + side / 2], axis=1) * max(width, height) / _LONG_SIDE
        related = np.column_stack([ends[:, 0], predicates, ends[:, 1]])
        related = related[ends[:, 0] != ends[:, 1]]
        attributes = None
        if schema.attributes:
            numbers = arrays["attributes"][objects]
            _check_range(numbers, len(schema.attributes) + 1, f"{where}: attributes")
            attributes = [[number - 1 for number in line if number] for line in numbers.tolist()]
        yield GraphRecord(f"{identifier}.jpg", boxes.tolist(), labels.tolist(), related.tolist(), attributes)


def _check_range(values: np.ndarray, count: int, what: str) -> None:
    if values.size and not (values.min() >= 0 and values.max() < count):
        raise AnnotationError(f"{what} leave the range of {count}")


def _images(root: Path) -> Path:
    return root / "VG_100K"


def recognise_vg150(root: Path) -> bool:
    """Whether a folder has the h5 and the dicts of VG150."""
    return all(any((Path(root) / name).is_file() for name in names) for names in (_NAMES, _DICTS))


def check_vg150(root: Path, *, decode: bool = True) -> CheckReport:
    """Check names, tables and images of a folder in VG150's layout."""
    root = Path(root)
    problems: list[Problem] = []
    images = objects = 0
    try:
        schema, tables = _schema(root), _tables(root)
    except (VisusError, OSError) as error:
        return CheckReport((Problem.of_error("unreadable annotations", root, error),))
    for split in ("train", "val", "test"):
        chosen = _chosen(tables, split)
        if not chosen:
            problems.append(Problem("empty split", "error", str(tables.path), f"no image is in the split {split!r}"))
        try:
            records = list(_records(tables, chosen, schema))
        except AnnotationError as error:
            problems.append(Problem.of_error("malformed annotation", tables.path, error))
            continue
        images, objects = images + len(records), objects + sum(len(record.labels) for record in records)
        for record in records:
            problems += image_problems(_images(root), image_record(record.name, None), decode=decode)
    return CheckReport(tuple(problems), images, objects)


def write_fake(root: Path, *, images: int = 9, seed: int = 0) -> None:
    """Write a miniature VG150 with attributes: two shapes beside each other in each image, a third for testing."""
    root = Path(root)
    _images(root).mkdir(parents=True, exist_ok=True)
    height, width = _FAKE_SIZE[0], 2 * _FAKE_SIZE[1]
    scale = _LONG_SIDE / width
    labels, boxes, attributes = list[list[int]](), list[list[int]](), list[list[int]]()
    for number in range(images):
        generator = np.random.default_rng((seed, number))
        pair = [int(label) for label in generator.integers(0, len(SHAPES), 2)]
        drawn = [draw_shape(SHAPES[label], generator) for label in pair]
        sheet = drawn[0][0].resize((width, height))
        for side, (picture, (x1, y1, x2, y2)) in enumerate(drawn):
            sheet.paste(picture, (side * _FAKE_SIZE[1], 0))
            middle, tall = (x1 + x2) / 2 + side * _FAKE_SIZE[1], y2 - y1
            boxes.append([round(value * scale) for value in (middle, (y1 + y2) / 2, x2 - x1, tall)])
            labels.append([pair[side] + 1])
            attributes.append([1 if tall > height / 2 else 2, 0])
        sheet.save(_images(root) / f"{number + 1}.jpg", quality=95)
    first = np.arange(images) * 2
    arrays = {
        "split": np.where(np.arange(images) < max(2, images * 2 // 3), 0, _TEST),
        "labels": np.array(labels),
        "boxes_1024": np.array(boxes),
        "attributes": np.array(attributes),
        "predicates": np.tile([[1], [2]], (images, 1)),
        "relationships": np.stack([[one, one + 1, one + 1, one] for one in first]).reshape(-1, 2),
        "img_to_first_box": first,
        "img_to_last_box": first + 1,
        "img_to_first_rel": first,
        "img_to_last_rel": first + 1,
    }
    with _h5py().File(root / _NAMES[0], "w") as file:
        for name, values in arrays.items():
            file.create_dataset(name, data=values)
    numbers = [{"image_id": number + 1, "width": width, "height": height} for number in range(images)]
    (root / "image_data.json").write_text(json.dumps(numbers))
    dicts = {
        "label_to_idx": {shape: number + 1 for number, shape in enumerate(SHAPES)},
        "predicate_to_idx": {"left of": 1, "right of": 2},
        "attribute_to_idx": {"tall": 1, "small": 2},
    }
    (root / _DICTS[0]).write_text(json.dumps(dicts))


ENTRY = DatasetEntry(
    open=open_vg150,
    write_fake=write_fake,
    recognise=recognise_vg150,
    mark="VG-SGG.h5 and VG-SGG-dicts.json (VG150)",
    check=check_vg150,
    summary="Visual Genome: 150 classes, 50 predicates, and 200 attributes where the h5 has them",
    licence="CC-BY-4.0",
    size="75,651 + 32,422 images before those without relationships are left out",
    source="https://homes.cs.washington.edu/~ranjay/visualgenome/",
)
