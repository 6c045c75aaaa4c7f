"""Visual Genome as it is published: objects, attributes and relationships in the words of the people who wrote them.

Krishna et al., "Visual Genome", arXiv 1602.07332. Layout: ``image_data.json``, ``objects.json`` and
``relationships.json``, perhaps ``attributes.json``, and the photographs ``VG_100K/ID.jpg`` (those of ``VG_100K_2``
too). Words are set in small letters without spaces around them. Kept are the most frequent ones: 178 classes of
objects, 45 predicates (as many as arXiv 1804.01622 has) and 200 attributes, counted over all images; objects of other
classes and what hangs on them are left out, and so are images without a relationship. There is no published split;
images are divided 80/10/10, the same way every time.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from visus.data.check.records import Problem
from visus.data.check.report import CheckReport, border_problems, image_problems
from visus.data.entry import DatasetEntry
from visus.data.errors import AnnotationError, DatasetNotFoundError
from visus.data.files.json_file import read_json
from visus.data.files.splits import check_split, divided
from visus.data.formats.coco_index import image_record
from visus.data.formats.coco_values import all_finite, are_numbers, short
from visus.data.records.fake_images import SHAPES, draw_shape
from visus.data.records.graph_images import GraphImages, GraphRecord
from visus.types import Schema

_FILES = ("image_data.json", "objects.json", "relationships.json")
_ATTRIBUTES = "attributes.json"
_MOST = {"categories": 178, "predicates": 45, "attributes": 200}
_DAMAGED = {1592, 1722, 4616, 4617}

Complain = Callable[[str], None]
"""Takes what is wrong."""


@dataclass
class _Image:
    """What the files say of an image, in words: objects by their identifiers."""

    width: int
    height: int
    names: dict[int, str]
    boxes: dict[int, tuple[float, float, float, float]]
    attributes: dict[int, list[str]]
    relationships: list[tuple[int, str, int]]


def open_visual_genome(root: Path, split: str, *, for_training: bool = False) -> GraphImages:
    """Open a split."""
    check_split(split)
    root = Path(root)
    images = _read(root, _refuse(root))
    schema = _schema(images.values(), root)
    records = list(_records(images, schema))
    chosen = [records[place] for place in divided(len(records), split)]
    return GraphImages(folder=root / "VG_100K", records=chosen, schema=schema)


def _refuse(root: Path) -> Complain:
    def complain(message: str) -> None:
        raise AnnotationError(f"{root / message}")

    return complain


def _read(root: Path, complain: Complain) -> dict[int, _Image]:
    """Everything that the files hold, by the number of the image."""
    images: dict[int, _Image] = {}
    for number, one in enumerate(_listed(root / _FILES[0])):
        found = [one.get(key) for key in ("image_id", "width", "height")] if isinstance(one, dict) else []
        values = [value for value in found if type(value) is int and 0 < value < 1 << 31]
        if len(values) < 3:
            complain(f"{_FILES[0]}: entry {number} needs image_id, width and height")
        elif values[0] not in _DAMAGED:
            images[values[0]] = _Image(values[1], values[2], {}, {}, {}, [])
    for where, image, thing in _parts(root, "objects.json", "objects", images, complain):
        _take_object(image, thing, where, complain)
    for where, image, thing in _parts(root, "relationships.json", "relationships", images, complain):
        _take_relationship(image, thing, where, complain)
    if (root / _ATTRIBUTES).is_file():
        for where, image, thing in _parts(root, _ATTRIBUTES, "attributes", images, complain):
            words = thing.get("attributes") or []
            if type(thing.get("object_id")) is int and isinstance(words, list):
                image.attributes[thing["object_id"]] = [_plain(word) for word in words if isinstance(word, str)]
            else:
                complain(f"{where} needs an object_id and a list of attributes")
    return images


def _listed(path: Path) -> list[Any]:
    if not path.is_file():
        raise DatasetNotFoundError(f"{path}: no such file; Visual Genome needs {', '.join(_FILES)}")
    content = read_json(path)
    if not isinstance(content, list):
        raise AnnotationError(f"{path}: should be a list with an entry for each image")
    return content


def _parts(
    root: Path, file: str, key: str, images: Mapping[int, _Image], complain: Complain
) -> Iterator[tuple[str, _Image, Mapping[str, Any]]]:
    """Each entry of each known image, with words about where it stands."""
    for number, one in enumerate(_listed(root / file)):
        found = one.get(key) if isinstance(one, dict) else None
        if not isinstance(one, dict) or not isinstance(found, list) or type(one.get("image_id")) is not int:
            complain(f"{file}: entry {number} needs an image_id and a list of {key}")
            continue
        for place, thing in enumerate(found):
            where = f"{file}: image {one['image_id']}, {key[:-1]} {place}"
            if not isinstance(thing, dict):
                complain(f"{where} should be an object, not {short(thing)}")
            elif one["image_id"] in images:
                yield where, images[one["image_id"]], thing


def _take_object(image: _Image, thing: Mapping[str, Any], where: str, complain: Complain) -> int | None:
    """Notes an object; its identifier, None where something is wrong with it."""
    identifier = thing.get("object_id")
    names = thing.get("names") or [thing.get("name")]
    box = [thing.get(side) for side in ("x", "y", "w", "h")]
    if type(identifier) is not int or not isinstance(names, list) or not isinstance(names[0], str):
        complain(f"{where} needs an object_id and a name")
    elif not are_numbers(box, 4) or not all_finite(box) or not (box[2] > 0 and box[3] > 0):
        complain(f"{where} needs x, y, w and h of a box with an area, not {short(box)}")
    else:
        image.names.setdefault(identifier, _plain(names[0]))
        image.boxes.setdefault(identifier, (box[0], box[1], box[0] + box[2], box[1] + box[3]))
        return identifier
    return None


def _take_relationship(image: _Image, thing: Mapping[str, Any], where: str, complain: Complain) -> None:
    """Notes a relationship, and its ends where objects.json does not have them."""
    ends = []
    for name in ("subject", "object"):
        end = thing.get(name)
        if not isinstance(end, dict):
            complain(f"{where} needs a subject and an object")
            return
        ends.append(_take_object(image, end, f"{where}, {name}", complain))
    if not isinstance(thing.get("predicate"), str):
        complain(f"{where} needs a predicate")
    elif ends[0] is not None and ends[1] is not None and ends[0] != ends[1]:
        image.relationships.append((ends[0], _plain(thing["predicate"]), ends[1]))


def _plain(word: str) -> str:
    return " ".join(word.casefold().split())


def _schema(images: Iterable[_Image], root: Path) -> Schema:
    """The most frequent words."""
    counts = {kind: Counter[str]() for kind in _MOST}
    for image in images:
        counts["categories"].update(image.names.values())
        counts["predicates"].update(word for _, word, _ in image.relationships)
        for words in image.attributes.values():
            counts["attributes"].update(set(words))
    categories, predicates, attributes = (_frequent(counts[kind], most) for kind, most in _MOST.items())
    if not categories or not predicates:
        raise AnnotationError(f"{root}: names no objects or no relationships")
    numbers = tuple(range(1, len(categories) + 1))
    return Schema(categories=categories, category_ids=numbers, attributes=attributes, predicates=predicates)


def _frequent(counts: Counter[str], most: int) -> tuple[str, ...]:
    ranked = sorted((word for word in counts if word), key=lambda word: (-counts[word], word))
    return tuple(ranked[:most])


def _records(images: Mapping[int, _Image], schema: Schema) -> Iterator[GraphRecord]:
    """The images with relationships between words that are kept, in the order of their numbers."""
    numbers = [
        {word: number for number, word in enumerate(words)}
        for words in (schema.categories, schema.predicates, schema.attributes)
    ]
    for identifier in sorted(images):
        image = images[identifier]
        kept = [one for one, name in image.names.items() if name in numbers[0]]
        places = {one: place for place, one in enumerate(kept)}
        rows = [
            (places[subject], numbers[1][word], places[object_])
            for subject, word, object_ in image.relationships
            if subject in places and object_ in places and word in numbers[1]
        ]
        if rows:
            attributes = [
                sorted({numbers[2][word] for word in image.attributes.get(one, []) if word in numbers[2]})
                for one in kept
            ]
            yield GraphRecord(
                f"{identifier}.jpg",
                [image.boxes[one] for one in kept],
                [numbers[0][image.names[one]] for one in kept],
                list(dict.fromkeys(rows)),
                attributes if schema.attributes else None,
            )


def recognise_visual_genome(root: Path) -> bool:
    """Whether a folder has the files of Visual Genome."""
    return all((Path(root) / name).is_file() for name in _FILES)


def check_visual_genome(root: Path, *, decode: bool = True) -> CheckReport:
    """Check entries, boxes and images of a folder in the layout of Visual Genome."""
    root = Path(root)
    problems: list[Problem] = []

    def complain(message: str) -> None:
        file, _, rest = message.partition(": ")
        problems.append(Problem("malformed annotation", "error", str(root / file), rest))

    try:
        images = _read(root, complain)
        records = list(_records(images, _schema(images.values(), root)))
    except (AnnotationError, DatasetNotFoundError) as error:
        return CheckReport((*problems, Problem.of_error("unreadable annotations", root, error)))
    for record in records:
        image = images[int(Path(record.name).stem)]
        problems += image_problems(root / "VG_100K", image_record(record.name, None), decode=decode)
        for place, box in enumerate(record.boxes_xyxy):
            about = f"{record.name}, object {place}"
            problems += border_problems(box, (image.height, image.width), str(root / "objects.json"), about)
    if not records:
        problems.append(Problem("empty data set", "error", str(root), "no image has a relationship"))
    return CheckReport(tuple(problems), len(records), sum(len(record.labels) for record in records))


def write_fake(root: Path, *, images: int = 9, seed: int = 0) -> None:
    """Write a miniature Visual Genome: two shapes beside each other in each image."""
    root = Path(root)
    (root / "VG_100K").mkdir(parents=True, exist_ok=True)
    files: dict[str, list[Any]] = {name: [] for name in (*_FILES, _ATTRIBUTES)}
    for number in range(1, images + 1):
        generator = np.random.default_rng((seed, number))
        shapes = [SHAPES[int(label)] for label in generator.integers(0, len(SHAPES), 2)]
        (left, box), (right, other) = (draw_shape(shape, generator) for shape in shapes)
        sheet = left.resize((left.width * 2, left.height))
        sheet.paste(left, (0, 0))
        sheet.paste(right, (left.width, 0))
        sheet.save(root / "VG_100K" / f"{number}.jpg", quality=95)
        moved = (other[0] + left.width, other[1], other[2] + left.width, other[3])
        things: list[dict[str, Any]] = [
            {"object_id": 10 * number + place, **_edges(edges), "names": [shapes[place].upper()], "synsets": []}
            for place, edges in enumerate((box, moved))
        ]
        about = {"image_id": number}
        files["image_data.json"].append({**about, "width": sheet.width, "height": sheet.height})
        files["objects.json"].append({**about, "objects": things})
        relations = [(0, "left of", 1), (1, "right of", 0)]
        files["relationships.json"].append(
            {
                **about,
                "relationships": [
                    {"predicate": word, "subject": _named(things[i]), "object": _named(things[j])}
                    for i, word, j in relations
                ],
            }
        )
        tall = [
            {**_named(thing), "attributes": ["tall" if thing["h"] > left.height / 2 else "small"]} for thing in things
        ]
        files[_ATTRIBUTES].append({**about, "attributes": tall})
    for name, content in files.items():
        (root / name).write_text(json.dumps(content))


def _edges(box: tuple[float, ...]) -> dict[str, float]:
    left, top, right, bottom = (float(edge) for edge in box)
    return {"x": left, "y": top, "w": right - left, "h": bottom - top}


def _named(thing: Mapping[str, Any]) -> dict[str, Any]:
    """An object as relationships name it."""
    return {key: thing[key] for key in ("object_id", "x", "y", "w", "h")} | {"name": thing["names"][0]}


ENTRY = DatasetEntry(
    open=open_visual_genome,
    write_fake=write_fake,
    recognise=recognise_visual_genome,
    mark="image_data.json, objects.json and relationships.json (Visual Genome)",
    check=check_visual_genome,
    summary="Visual Genome as published: objects, attributes, relationships",
    licence="CC-BY-4.0",
    size="108,077 images; 178 classes, 45 predicates and 200 attributes are kept",
    source="https://homes.cs.washington.edu/~ranjay/visualgenome/",
)
