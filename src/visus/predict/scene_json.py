"""Scene graphs in JSON: what `predict` writes of an image, and what images are made of.

A graph has ``objects`` and ``relationships``. An object is a name, or a dict with ``name`` and perhaps ``attributes``,
``box_xyxy`` and ``score``; a relationship is a list of subject, predicate and object, as in the released code of arXiv
1804.01622, or a dict with these keys, ends as places among the objects. Boxes are in the pixels of an image of
``width`` and ``height``. A file holds a graph, or a list of graphs such as predictions.json.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from visus.data.files.json_file import read_json
from visus.errors import VisusError
from visus.names import suggestion
from visus.phrases.parse import parse
from visus.phrases.vocabulary import Kind, PhraseError, Vocabulary
from visus.predict.content import Record
from visus.scenes import NOWHERE, SceneGraph
from visus.types import Schema

MOST_OBJECTS = 30
"""Of a graph that an image is made of."""
SURE = 0.5
"""The least score of objects, and of predicates given their objects, that are taken from a graph with scores."""
_OUTSIDE = 1.0  # pixels by which rounding may put a box outside of its image


class SceneGraphError(VisusError):
    """A scene graph that no image can be made of; the message names the graph and the cause."""


def read_scene_graphs(path: str | Path, vocabulary: Vocabulary, size: tuple[int, int]) -> list[SceneGraph]:
    """The graphs of a file.

    Args:
        path: the file.
        vocabulary: the words of the model that makes images.
        size: the (h, w) of those images.

    Raises:
        SceneGraphError: a graph that no image can be made of.
        AnnotationError: the file cannot be read, or is no JSON.
    """
    content = read_json(Path(path).expanduser())
    records = content if isinstance(content, list) else [content]
    if not records:
        raise SceneGraphError(f"{path}: an empty list, where a scene graph should be")
    alone = len(records) == 1
    return [
        scene_graph(record, vocabulary, size, where=str(path) if alone else f"{path}, graph {place}")
        for place, record in enumerate(records)
    ]


def scene_graph(record: object, vocabulary: Vocabulary, size: tuple[int, int], *, where: str = "graph") -> SceneGraph:
    """A graph of what its JSON holds; objects and relationships that are not `SURE` are left out.

    Raises:
        SceneGraphError: it has no object or too many, an unknown name, a relationship of an object to itself or to one
            that there is not, or a box outside of its image.
    """
    if not isinstance(record, Mapping) or not isinstance(record.get("objects"), list):
        raise SceneGraphError(f"{where}: a scene graph is a dict with a list of 'objects', and perhaps 'relationships'")
    things = [_as_object(thing, f"{where}: object {place}") for place, thing in enumerate(record["objects"])]
    if not things:
        raise SceneGraphError(f"{where}: no objects, so there is nothing to make an image of")
    frame = _frame(record, things, where)
    rows = _relationships(record.get("relationships", []), things, vocabulary, where)
    kept = [place for place, thing in enumerate(things) if _score(thing) >= SURE]
    if not kept:
        raise SceneGraphError(f"{where}: none of its {len(things)} objects has a score of {SURE} or more")
    if len(kept) > MOST_OBJECTS:
        raise SceneGraphError(f"{where}: {len(kept)} objects; an image is made of {MOST_OBJECTS} at most")
    places = {old: new for new, old in enumerate(kept)}
    labels, attributes, boxes = [], [], []
    for place in kept:
        about = f"{where}: object {place}"
        labels.append(_number(str(things[place]["name"]), "category", vocabulary, about))
        attributes.append(_attributes(things[place].get("attributes", []), vocabulary, about))
        boxes.append(_box(things[place].get("box_xyxy"), frame, size, about))
    moved = [(places[i], number, places[j]) for i, number, j in rows if i in places and j in places]
    return SceneGraph(
        labels=torch.tensor(labels),
        attributes=torch.tensor(attributes, dtype=torch.bool).reshape(len(kept), -1),
        relationships=torch.tensor(moved, dtype=torch.int64).reshape(-1, 3),
        size=size,
        boxes_xyxy=torch.tensor(boxes),
    )


def phrase_graph(text: str, vocabulary: Vocabulary, size: tuple[int, int]) -> SceneGraph:
    """The graph of a phrase, such as "a red ball on top of a table".

    Raises:
        PhraseError: it says nothing to the model, or names something without saying what.
    """
    found, schema = parse(text, vocabulary), vocabulary.schema
    attributes = torch.zeros(len(found.objects), len(schema.attributes), dtype=torch.bool)
    labels = []
    for place, thing in enumerate(found.objects):
        if thing.label is None:
            raise PhraseError(f"{text!r} does not say what {schema.categories[0]} or other object is meant")
        labels.append(thing.label)
        attributes[place, list(thing.attributes)] = True
    rows = torch.tensor(found.relationships, dtype=torch.int64).reshape(-1, 3)
    return SceneGraph(torch.tensor(labels), attributes, rows, size)


def graph_record(graph: SceneGraph, schema: Schema) -> Record:
    """What `scene_graph` reads."""
    objects = []
    for label, has, box in zip(graph.labels.tolist(), graph.attributes, graph.boxes, strict=True):
        names = [schema.attributes[number] for number in has.nonzero()[:, 0].tolist()]
        about: Record = {"name": schema.categories[label], "attributes": names}
        known = bool(box.isfinite().all())
        objects.append(about | ({"box_xyxy": [round(edge, 2) for edge in box.tolist()]} if known else {}))
    return {
        "width": graph.size[1],
        "height": graph.size[0],
        "objects": objects,
        "relationships": [
            {"subject": subject, "predicate": schema.predicates[number], "object": object_}
            for subject, number, object_ in graph.relationships.tolist()
        ],
    }


def _as_object(thing: object, where: str) -> Mapping[str, Any]:
    found = {"name": thing} if isinstance(thing, str) else thing
    if not isinstance(found, Mapping) or not isinstance(found.get("name"), str):
        raise SceneGraphError(f"{where}: must be a name, or a dict with a 'name', not {thing!r:.60}")
    return found


def _score(thing: Mapping[str, Any]) -> float:
    score = thing.get("score", 1.0)
    return float(score) if isinstance(score, int | float) else 0.0


def _frame(record: Mapping[str, Any], things: Sequence[Mapping[str, Any]], where: str) -> tuple[float, float]:
    """The width and the height that boxes are in."""
    sides = [record.get(name) for name in ("width", "height")]
    if all(isinstance(side, int | float) and side > 0 for side in sides):
        return float(sides[0] or 0), float(sides[1] or 0)
    if any(thing.get("box_xyxy") is not None for thing in things):
        raise SceneGraphError(f"{where}: boxes need the 'width' and the 'height' of their image, in pixels")
    return 1.0, 1.0


def _relationships(
    rows: object, things: Sequence[Mapping[str, Any]], vocabulary: Vocabulary, where: str
) -> list[tuple[int, int, int]]:
    """Subjects, predicates and objects by their numbers; of each pair what is sure."""
    if not isinstance(rows, list):
        raise SceneGraphError(f"{where}: 'relationships' must be a list, not {rows!r:.60}")
    found = []
    for place, row in enumerate(rows):
        about = f"{where}: relationship {place}"
        subject, predicate, object_, score = _parts(row, about)
        for end in (subject, object_):
            if not isinstance(end, int) or isinstance(end, bool) or not 0 <= end < len(things):
                raise SceneGraphError(f"{about}: there is no object {end!r}; objects count from 0 to {len(things) - 1}")
        if subject == object_:
            raise SceneGraphError(f"{about} is of object {subject} ({things[subject]['name']}) to itself")
        number = _number(str(predicate), "predicate", vocabulary, about)
        if score >= SURE * _score(things[subject]) * _score(things[object_]):
            found.append((subject, number, object_))
    return found


def _parts(row: object, where: str) -> tuple[Any, Any, Any, float]:
    if isinstance(row, list) and len(row) == 3:
        return row[0], row[1], row[2], 1.0
    keys = ("subject", "predicate", "object")
    if isinstance(row, Mapping) and all(key in row for key in keys):
        return row["subject"], row["predicate"], row["object"], _score(row)
    raise SceneGraphError(f"{where}: must be [subject, predicate, object] or a dict with these, not {row!r:.60}")


def _number(name: str, kind: Kind, vocabulary: Vocabulary, where: str) -> int:
    """The number of a name, or of a synonym of it."""
    schema = vocabulary.schema
    known = {"category": schema.categories, "attribute": schema.attributes, "predicate": schema.predicates}[kind]
    if name in known:  # a word may be of two kinds, as "riding" is
        return known.index(name)
    try:
        terms = vocabulary.terms(name)
    except PhraseError:
        terms = []
    if len(terms) == 1 and terms[0].kind == kind:
        return terms[0].number
    what = "object" if kind == "category" else kind
    raise SceneGraphError(f"{where}: the model knows no {what} {name!r}{suggestion(name, known)}")


def _attributes(names: object, vocabulary: Vocabulary, where: str) -> list[bool]:
    if not isinstance(names, list):
        raise SceneGraphError(f"{where}: 'attributes' must be a list of names, not {names!r:.60}")
    numbers = {_number(str(name), "attribute", vocabulary, where) for name in names}
    return [number in numbers for number in range(len(vocabulary.schema.attributes))]


def _box(box: object, frame: tuple[float, float], size: tuple[int, int], where: str) -> list[float]:
    """A box in the pixels of the image that is made; one that is not given lies nowhere."""
    if box is None:
        return [NOWHERE] * 4
    if not isinstance(box, list) or len(box) != 4 or not all(isinstance(edge, int | float) for edge in box):
        raise SceneGraphError(f"{where}: 'box_xyxy' must be four numbers, not {box!r:.60}")
    left, top, right, bottom = box
    width, height = frame
    if not (-_OUTSIDE <= left < right <= width + _OUTSIDE and -_OUTSIDE <= top < bottom <= height + _OUTSIDE):
        raise SceneGraphError(
            f"{where}: the box {box} (left, top, right, bottom) lies not inside of an image of {width:g}x{height:g}"
        )
    x, y = size[1] / width, size[0] / height
    return [left * x, top * y, right * x, bottom * y]
