"""What is found in one picture as a table of the console, for every problem."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from visus.types import ClassPrediction, InstancePrediction, Prediction, Schema, SemanticPrediction


def prediction_table(prediction: Prediction, schema: Schema, *, min_score: float) -> Table | str:
    """A row for each object, for each class of the picture or of its pixels; a sentence where there is nothing to list.

    Args:
        prediction: of one picture.
        schema: the names of the labels.
        min_score: objects under it are left out.
    """
    from visus.types import ClassPrediction, InstancePrediction, SemanticPrediction

    if isinstance(prediction, InstancePrediction):
        return _objects(prediction, schema, min_score)
    if isinstance(prediction, SemanticPrediction):
        return _shares(prediction, schema)
    if isinstance(prediction, ClassPrediction):
        return _classes(prediction, schema)
    return f"an embedding of {len(prediction.embedding)} dimensions"


def _objects(prediction: InstancePrediction, schema: Schema, min_score: float) -> Table | str:
    table = _table("object", "score", "left", "top", "right", "bottom")
    for label, score, box in zip(prediction.labels, prediction.scores, prediction.boxes_xyxy, strict=True):
        if score >= min_score:
            table.add_row(escape(schema.categories[int(label)]), f"{score:.2f}", *_box(box.tolist()))
    return table if table.row_count else f"no object scores {min_score} or more"


def _shares(prediction: SemanticPrediction, schema: Schema) -> Table | str:
    from visus.predict.results import class_shares

    table = _table("class", "share", "score")
    for entry in class_shares(prediction, schema):
        table.add_row(escape(entry["name"]), f"{100 * entry['share']:.1f} %", f"{entry['score']:.2f}")
    return table


def _classes(prediction: ClassPrediction, schema: Schema) -> Table | str:
    boxed = prediction.box_xyxy is not None
    table = _table("class", "score", *(("left", "top", "right", "bottom") if boxed else ()))
    for place, (label, score) in enumerate(zip(prediction.labels.tolist(), prediction.scores.tolist(), strict=True)):
        edges = _box(prediction.box_xyxy.tolist()) if prediction.box_xyxy is not None and place == 0 else []
        table.add_row(escape(schema.categories[label]), f"{score:.3f}", *edges)
    return table


def _table(*columns: str) -> Table:
    table = Table(*columns, box=None, header_style="dim")
    for column in table.columns[1:]:
        column.justify = "right"
    return table


def _box(edges: list[float]) -> list[str]:
    return [f"{edge:.0f}" for edge in edges]
