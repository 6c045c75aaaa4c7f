"""Images of scene graphs: from a phrase, from JSON or from another image, and with one word changed."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePath
from typing import Any, Protocol, TypeAlias

import torch
from PIL import Image

from visus.draw.canvas import Style, enlarged
from visus.draw.graphs import draw_graph
from visus.draw.inputs import picture_of
from visus.draw.made import layout_of
from visus.draw.palette import category_colour, drawable
from visus.draw.sheet import contact_sheet
from visus.errors import VisusError
from visus.phrases.vocabulary import Term, Vocabulary
from visus.predict.completed import completed
from visus.predict.result import Result
from visus.predict.scene_json import phrase_graph, read_scene_graphs, scene_graph
from visus.scenes import NOWHERE, SceneGraph
from visus.types import ImagePrediction, Schema

Described: TypeAlias = str | PurePath | Mapping[str, Any] | SceneGraph | Result
"""A scene graph: a phrase, a JSON file, what such a file holds, the graph, or what a scene-graph model found."""


class Painter(Protocol):
    """What makes images: a `visus.predict.predictor.Predictor` of a model that looks at scene graphs."""

    @property
    def schema(self) -> Schema:
        """The words of the graphs."""

    @property
    def inputs(self) -> tuple[type, ...]:
        """The kinds of input that it looks at."""

    @property
    def model(self) -> Any:
        """The network."""

    def predict(self, images: Any) -> list[Result]:
        """A result for each graph."""


def generate(painter: Painter, described: Described, *, samples: int = 1, seed: int = 0) -> list[Result]:
    """Makes images of a scene graph.

    Args:
        painter: of a model that makes images.
        described: the graph, or what stands for it; a file of several graphs gives ``samples`` of each.
        samples: images of each graph; each has another arrangement of what the graph leaves open.
        seed: of the first sample; the next has the next one.

    Returns:
        A result for each image: ``result.prediction.pixels`` is the image, ``result.image`` the graph that it is of.

    Raises:
        VisusError: the model makes no images, or the graph is none that an image can be made of.
    """
    if samples < 1:
        raise VisusError(f"samples must be at least 1, not {samples}")
    graphs = graphs_of(painter, described)
    asked = [replace(graph, seed=seed + sample) for graph in graphs for sample in range(samples)]
    return made(painter, [completed(graph, painter.schema) for graph in asked])


def made(painter: Painter, graphs: Sequence[SceneGraph]) -> list[Result]:
    """An image of each graph, just as it is."""
    return painter.predict(graphs)


def graphs_of(painter: Painter, described: Described) -> list[SceneGraph]:
    """The graphs that something stands for.

    Raises:
        VisusError: as `generate`.
    """
    size, vocabulary = image_size(painter), Vocabulary(painter.schema)
    if isinstance(described, SceneGraph):
        return [described]
    if isinstance(described, Result):
        return [scene_graph(described.to_dict(), vocabulary, size, where=described.name or "graph")]
    if isinstance(described, Mapping):
        return [scene_graph(described, vocabulary, size)]
    if isinstance(described, PurePath) or described.lower().endswith(".json"):
        return read_scene_graphs(Path(described), vocabulary, size)
    if PurePath(described).suffix and os.path.isfile(os.path.expanduser(described)):  # of any length, unlike Path's
        raise VisusError(f"{described}: a graph is read from a .json file, and this is none; a phrase is words alone")
    return [phrase_graph(described, vocabulary, size)]


def image_size(painter: Painter) -> tuple[int, int]:
    """The (h, w) of the images that a model makes.

    Raises:
        VisusError: it makes none.
    """
    if SceneGraph not in painter.inputs:
        raise VisusError("this model makes no images: train scene_generation_vignettes (`visus list recipes`)")
    model = painter.model
    height, width = model.transform.frame(())
    return height, width


def changed(result: Result, old: str, new: str) -> SceneGraph:
    """The graph of an image with one word in place of another; all that does not hang on the word stays where it was.

    Args:
        result: the image.
        old: a category, an attribute or a predicate of the graph.
        new: another of the same kind.

    Raises:
        PhraseError: a word that the model does not know.
        VisusError: the graph has no such word, or the two are of different kinds.
    """
    graph, prediction = _graph_of(result), _made_of(result)
    vocabulary = Vocabulary(result.schema)
    before, after = (_one_term(word, vocabulary) for word in (old, new))
    if before.kind != after.kind:
        raise VisusError(f"{old!r} is a word for a {before.kind} and {new!r} for a {after.kind}: change like for like")
    labels, attributes, rows = graph.labels.clone(), graph.attributes.clone(), graph.relationships.clone()
    moved = torch.zeros(len(graph), dtype=torch.bool)
    if before.kind == "category":
        moved = labels == before.number
        labels[moved] = after.number
        found = bool(moved.any())
    elif before.kind == "attribute":
        has = attributes[:, before.number].clone()
        attributes[has, before.number], attributes[has, after.number] = False, True
        found = bool(has.any())
    else:
        mine = rows[:, 1] == before.number
        rows[mine, 1] = after.number
        moved[rows[mine, 0]] = True
        found = bool(mine.any())
    if not found:
        raise VisusError(f"the graph has no {before.words!r}: {', '.join(graph_words(graph, result.schema))}")
    boxes = torch.where(moved[:, None], torch.full((1, 4), NOWHERE), prediction.boxes_xyxy)
    return replace(graph, labels=labels, attributes=attributes, relationships=rows, boxes_xyxy=boxes)


def _one_term(word: str, vocabulary: Vocabulary) -> Term:
    terms = vocabulary.terms(word)
    if len(terms) != 1 or terms[0].kind not in ("category", "attribute", "predicate"):
        raise VisusError(f"{word!r} must be one object, one attribute or one predicate")
    return terms[0]


def graph_words(graph: SceneGraph, schema: Schema) -> list[str]:
    """The objects with their attributes: "red ball"."""
    names = []
    for label, has in zip(graph.labels.tolist(), graph.attributes, strict=True):
        words = [schema.attributes[number] for number in has.nonzero()[:, 0].tolist()]
        names.append(" ".join([*words, schema.categories[label]]))
    return names


def graph_picture(graph: SceneGraph, schema: Schema, *, font_size: float = 15) -> Image.Image:
    """A graph as a picture."""
    names = [drawable(name) for name in graph_words(graph, schema)]
    edges = [(i, j, drawable(schema.predicates[number])) for i, number, j in graph.relationships.tolist()]
    colours = [category_colour(label, 0) for label in graph.labels.tolist()]
    return draw_graph(names, colours, edges, font_size=font_size)


def sheet(results: Iterable[Result], *, first: Sequence[tuple[Image.Image, str]] = (), cell: int = 320) -> Image.Image:
    """A row for each image: the graph, the layout, the image.

    Args:
        results: the images.
        first: pictures with their captions that begin each row, such as the image that a graph is of.
        cell: side of a picture in pixels.
    """
    pictures: list[Image.Image] = []
    captions: list[str] = []
    for result in results:
        graph, found = _graph_of(result), _made_of(result)
        image, scale = enlarged(found.pixels)
        pictures += [
            *(picture for picture, _ in first),
            graph_picture(graph, result.schema),
            layout_of(found, image.size, result.schema, Style(scale)),
            image,
        ]
        captions += [*(text for _, text in first), "graph", "layout", f"image, seed {graph.seed}"]
    return contact_sheet(pictures, captions=captions, columns=3 + len(first), cell=cell)


def _graph_of(result: Result) -> SceneGraph:
    graph: Any = result.image
    return graph  # type: ignore[no-any-return]


def _made_of(result: Result) -> ImagePrediction:
    made: Any = result.prediction
    return made  # type: ignore[no-any-return]


def given_picture(result: Result) -> Image.Image:
    """The image that a scene graph was found in."""
    return Image.fromarray(picture_of(result.image).permute(1, 2, 0).contiguous().numpy())
