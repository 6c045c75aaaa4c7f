"""Pictures of predictions and of ground truth, for every problem."""

from __future__ import annotations

from typing import Literal

from jaxtyping import UInt8
from PIL import Image
from torch import Tensor

from visus.draw.canvas import enlarged, legend_below, legend_inside, letter_size
from visus.draw.classes import draw_class
from visus.draw.instances import draw_instances
from visus.draw.semantic import class_legend, paint_classes
from visus.types import (
    ClassPrediction,
    ClassTarget,
    InstancePrediction,
    InstanceTarget,
    Prediction,
    Schema,
    SemanticPrediction,
    SemanticTarget,
    Target,
)


def draw(
    image: UInt8[Tensor, "3 h w"],
    shown: Prediction | Target,
    schema: Schema,
    *,
    min_score: float = 0.3,
    text_scale: float = 1.0,
    legend: Literal["below", "inside"] = "below",
) -> Image.Image:
    """Draws what is predicted or annotated on a picture.

    Objects get masks, boxes, names and skeletons; pixels the colours of their classes and a legend; a class of the
    whole picture the most likely names with their probabilities, below it. An embedding has nothing to draw.

    Args:
        image: RGB, the pixels that ``shown.size`` describes.
        shown: a prediction (objects under ``min_score`` are left out) or a target (all of it).
        schema: the names and colours of the labels, and how keypoints are connected.
        min_score: the least score of a predicted object that is drawn.
        text_scale: larger letters where the drawing will be shown smaller than it is.
        legend: of the classes of pixels: below the picture, which becomes higher by as much as the classes need, or
            inside of it, for frames of a video that have to be of one size.

    Returns:
        An RGB picture, enlarged by a whole number where ``image`` is small.

    Raises:
        ValueError: what is shown belongs to a picture of another size.
    """
    height, width = image.shape[-2:]
    if tuple(shown.size) != (height, width):
        raise ValueError(
            f"what is to be drawn belongs to a picture of {tuple(shown.size)} pixels (h, w), not {height, width}"
        )
    picture, scale = enlarged(image)
    if isinstance(shown, InstancePrediction | InstanceTarget):
        draw_instances(picture, shown, schema, scale=scale, min_score=min_score, text_scale=text_scale)
    elif isinstance(shown, ClassPrediction | ClassTarget):
        return draw_class(picture, shown, schema, scale=scale, text_scale=text_scale)
    elif isinstance(shown, SemanticPrediction | SemanticTarget):
        picture = paint_classes(picture, shown.labels, schema, scale=scale)
        entries, font_size = class_legend(shown.labels, schema), letter_size(picture.size) * text_scale
        if legend == "below":
            return legend_below(picture, entries, font_size=font_size)
        legend_inside(picture, entries, font_size=font_size)
    return picture
