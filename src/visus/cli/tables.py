"""What is found in one image as a table of the console, for every problem."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rich.table import Table
from rich.text import Text

from visus.names import counted
from visus.ops.graphs import sure_relationships
from visus.phrases.wording import object_words
from visus.predict.content import class_shares, part_shares
from visus.types import (
    VOID,
    ClassPrediction,
    ClassTarget,
    EmbeddingPrediction,
    EpisodePrediction,
    EpisodeTarget,
    GraphPrediction,
    ImagePrediction,
    ImageTarget,
    InstancePrediction,
    InstanceTarget,
    PartPrediction,
    PartTarget,
    Schema,
    SemanticPrediction,
    SemanticTarget,
    row,
)


def prediction_table(prediction: Any, schema: Schema, *, min_score: float) -> Table | str:
    """A row for each object, for each class of the image or of its pixels; a sentence where there is nothing to list.

    Args:
        prediction: of one image.
        schema: the names of the labels.
        min_score: objects under it are left out.

    Raises:
        NoRowError: a kind of prediction that `TABLES` does not know.
    """
    return row(TABLES, prediction, "the table of a prediction")(prediction, schema, min_score)


def target_words(target: Any, schema: Schema) -> str:
    """A few words about what an image shows.

    Raises:
        NoRowError: a kind of target that `WORDS` does not know.
    """
    return row(WORDS, target, "the words about a target")(target, schema)


def _objects(prediction: InstancePrediction, schema: Schema, min_score: float) -> Table | str:
    table = _table("object", "score", "left", "top", "right", "bottom")
    for label, score, box in zip(prediction.labels, prediction.scores, prediction.boxes_xyxy, strict=True):
        if score >= min_score:
            table.add_row(Text(schema.categories[int(label)]), f"{score:.2f}", *_box(box.tolist()))
    return table if table.row_count else f"no object scores {min_score} or more"


def _shares(prediction: SemanticPrediction, schema: Schema, min_score: float) -> Table | str:
    table = _table("class", "share", "score")
    for entry in class_shares(prediction, schema):
        table.add_row(Text(entry["name"]), f"{100 * entry['share']:.1f} %", f"{entry['score']:.2f}")
    return table


def _parts(prediction: PartPrediction, schema: Schema, min_score: float) -> Table | str:
    table = _table("part", "share", "score")
    for entry in part_shares(prediction, schema):
        table.add_row(Text(entry["name"]), f"{100 * entry['share']:.1f} %", f"{entry['score']:.2f}")
    return table


def _classes(prediction: ClassPrediction, schema: Schema, min_score: float) -> Table | str:
    boxed = prediction.box_xyxy is not None
    table = _table("class", "score", *(("left", "top", "right", "bottom") if boxed else ()))
    for place, (label, score) in enumerate(zip(prediction.labels.tolist(), prediction.scores.tolist(), strict=True)):
        edges = _box(prediction.box_xyxy.tolist()) if prediction.box_xyxy is not None and place == 0 else []
        table.add_row(Text(schema.categories[label]), f"{score:.3f}", *edges)
    return table


def _embedding(prediction: EmbeddingPrediction, schema: Schema, min_score: float) -> Table | str:
    return f"an embedding of {len(prediction.embedding)} dimensions"


def _episode(prediction: EpisodePrediction, schema: Schema, min_score: float) -> Table | str:
    table = _table("query", "class", "score")
    for place, (label, score) in enumerate(
        zip(prediction.labels.tolist(), prediction.scores.amax(1).tolist(), strict=True)
    ):
        table.add_row(str(place + 1), str(label + 1), f"{score:.3f}")
    return table


def _graph(prediction: GraphPrediction, schema: Schema, min_score: float) -> Table | str:
    """A row for each sure relationship; the objects where there is none."""
    rows, scores = prediction.relationships, prediction.relationship_scores
    places = sure_relationships(rows, scores, prediction.scores, min_score)
    if not len(places):
        return _objects(prediction.objects, schema, min_score)
    table = Table("subject", "predicate", "object", "score", box=None, header_style="dim")
    table.columns[-1].justify = "right"
    for (subject, number, object_), score in zip(rows[places].tolist(), scores[places].tolist(), strict=True):
        ends = (Text(object_words(prediction, schema, place)) for place in (subject, object_))
        table.add_row(next(ends), Text(schema.predicates[number]), next(ends), f"{score:.2f}")
    return table


def _table(*columns: str) -> Table:
    table = Table(*columns, box=None, header_style="dim")
    for column in table.columns[1:]:
        column.justify = "right"
    return table


def _box(edges: list[float]) -> list[str]:
    return [f"{edge:.0f}" for edge in edges]


TABLES: dict[type, Callable[[Any, Schema, float], Table | str]] = {
    InstancePrediction: _objects,
    SemanticPrediction: _shares,
    ClassPrediction: _classes,
    EmbeddingPrediction: _embedding,
    EpisodePrediction: _episode,
    PartPrediction: _parts,
    GraphPrediction: _graph,
    ImagePrediction: lambda prediction, schema, min_score: _objects(prediction.objects, schema, min_score),
}
"""How the terminal shows each kind of prediction."""

WORDS: dict[type, Callable[[Any, Schema], str]] = {
    InstanceTarget: lambda target, schema: counted(len(target), "objects"),
    SemanticTarget: lambda target, schema: counted(len(set(target.labels.flatten().tolist()) - {VOID}), "classes"),
    ClassTarget: lambda target, schema: schema.categories[int(target.label)],
    ImageTarget: lambda target, schema: f"an image of {counted(len(target), 'objects')}",
    EpisodeTarget: lambda target, schema: f"a task of {counted(len(target.classes), 'classes')}",
    PartTarget: lambda target, schema: (
        f"{schema.categories[int(target.label)]}, {counted(len(set(target.labels.tolist())), 'parts')}"
    ),
}
"""What the terminal says of each kind of target."""
