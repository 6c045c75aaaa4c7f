"""Pictures of predictions and of targets, for every problem."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from PIL import Image

from visus.draw.canvas import Style, enlarged
from visus.draw.classes import draw_class_prediction, draw_class_target
from visus.draw.episodes import draw_episode_prediction, draw_episode_target
from visus.draw.graphs import draw_scene_graph
from visus.draw.inputs import picture_of, seen
from visus.draw.instances import draw_instance_prediction, draw_instance_target
from visus.draw.labels import Labels
from visus.draw.made import draw_made, draw_real
from visus.draw.semantic import draw_semantic
from visus.types import (
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
    Schema,
    SemanticPrediction,
    SemanticTarget,
    row,
)


def draw(
    image: Any,
    shown: Any,
    schema: Schema,
    *,
    min_score: float = 0.3,
    text_scale: float = 1.0,
    legend: Literal["below", "inside"] = "below",
    labels: Labels = "auto",
    on_error: Callable[[Exception], None] | None = None,
) -> Image.Image:
    """Draws what is predicted or annotated on an image.

    Objects get masks, boxes, names and skeletons; pixels the colours of their classes and a legend; a class of the
    whole image the most likely names with their probabilities, below it. A scene graph is drawn beside its objects. An
    embedding has nothing to draw. Of a shape a view is drawn on, of an episode its sheet.

    Args:
        image: RGB pixels [3 h w]; or a `visus.clouds.PointCloud` or a `visus.types.Episode`, which ``shown.size``
            describes.
        shown: a prediction (objects under ``min_score`` are left out) or a target (all of it).
        schema: the names and colours of the labels, and how keypoints are connected.
        min_score: the least score of a predicted object that is drawn.
        text_scale: larger letters where the drawing will be shown smaller than it is.
        legend: of the classes of pixels, or of objects without names beside them: below the image, which becomes
            higher by as much as it needs, or inside of it, for frames of a video that have to be of one size.
        labels: which objects have their names beside them: ``auto`` those that hide nothing by it (where some do not,
            a legend has the classes with their counts), ``all`` or ``none``.
        on_error: called with whatever went wrong; the image then comes back with nothing drawn on it. Without it the
            error is raised.

    Returns:
        An RGB picture, enlarged by a whole number where ``image`` is small.

    Raises:
        ValueError: what is shown belongs to an image of another size.
        NoRowError: a kind of prediction or target that `DRAWINGS` does not know.
    """
    try:
        pixels, shown, schema = seen(image, shown, schema)
        drawing = row(DRAWINGS, shown, "drawing")
        picture, scale = enlarged(pixels)
        return drawing(picture, shown, schema, Style(scale, min_score, text_scale, legend, labels))
    except Exception as error:
        if on_error is None:
            raise
        on_error(error)
        return enlarged(picture_of(image))[0]


def draw_nothing(picture: Image.Image, shown: EmbeddingPrediction, schema: Schema, style: Style) -> Image.Image:
    """The image as it is."""
    return picture


DRAWINGS: dict[type, Callable[[Image.Image, Any, Schema, Style], Image.Image]] = {
    InstancePrediction: draw_instance_prediction,
    InstanceTarget: draw_instance_target,
    SemanticPrediction: draw_semantic,
    SemanticTarget: draw_semantic,
    ClassPrediction: draw_class_prediction,
    ClassTarget: draw_class_target,
    EmbeddingPrediction: draw_nothing,
    EpisodePrediction: draw_episode_prediction,
    EpisodeTarget: draw_episode_target,
    GraphPrediction: draw_scene_graph,
    ImagePrediction: draw_made,
    ImageTarget: draw_real,
}
"""How each kind of prediction and target is drawn on an enlarged image."""
