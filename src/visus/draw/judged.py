"""A prediction beside the truth: what is right, what is wrong and what was missed, in three colours."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import torch
from PIL import Image
from torch import Tensor

from visus.draw.canvas import Entry, Style, enlarged, with_legend
from visus.draw.draw import DRAWINGS, draw
from visus.draw.episodes import judge_episode
from visus.draw.inputs import seen
from visus.draw.instances import DrawnObject, objects_annotated, objects_found, paint_objects, with_names
from visus.draw.palette import CROWD, Colour
from visus.metrics.object_matches import ObjectMatches, match_objects
from visus.types import (
    ClassPrediction,
    EmbeddingPrediction,
    EpisodePrediction,
    GraphPrediction,
    ImagePrediction,
    InstancePrediction,
    InstanceTarget,
    Schema,
    SemanticPrediction,
    row,
)

RIGHT: Final[Colour] = (34, 176, 96)
WRONG: Final[Colour] = (235, 62, 72)
MISSED: Final[Colour] = (255, 190, 30)
COLOURS: Final = {"right": RIGHT, "wrong": WRONG, "missed": MISSED, "on a crowd": CROWD}


def draw_judged(
    image: Any,
    prediction: Any,
    target: Any,
    schema: Schema,
    *,
    min_score: float,
    text_scale: float = 1.0,
    on_error: Callable[[Exception], None] | None = None,
) -> Image.Image:
    """Draws what is predicted on an image, and how much of it is right.

    Objects are green where one of the same label lies there (with the IoU of their masks or boxes), red where none
    does, and those that were missed are yellow; a legend counts them. Other predictions are drawn as
    `visus.draw.draw.draw` draws them.

    Args:
        image: RGB pixels [3 h w], a shape or an episode, which prediction and target describe.
        prediction: objects under ``min_score`` are left out.
        target: the truth.
        schema: the names of the labels.
        min_score: the least score of an object.
        text_scale: larger letters where the drawing will be shown smaller than it is.
        on_error: as of `visus.draw.draw.draw`.

    Raises:
        NoRowError: a kind of prediction that `JUDGED` does not know.
    """
    try:
        pixels, found, meaning = seen(image, prediction, schema)
        picture, scale = enlarged(pixels)
        style = Style(scale, min_score, text_scale)
        return row(JUDGED, found, "drawing beside the truth")(picture, found, target, meaning, style)
    except Exception as error:
        if on_error is None:
            raise
        on_error(error)
        return draw(image, prediction, schema, min_score=min_score, text_scale=text_scale, on_error=lambda _: None)


def judge_instances(
    picture: Image.Image, found: InstancePrediction, target: InstanceTarget, schema: Schema, style: Style
) -> Image.Image:
    """Right, wrong and missed objects, matched as `visus.metrics.ObjectMetric` does."""
    found = found[found.scores >= style.min_score].to("cpu")
    matches = match_objects(found, target)
    found, target = found[torch.from_numpy(matches.order)], target.to("cpu")
    missed = target[torch.from_numpy(matches.places)][_not_found(matches)]
    things = [
        _in_colour(thing, _verdict(matches, place), f"IoU {matches.ious[place]:.2f}")
        for place, thing in enumerate(objects_found(found, schema, style))
    ]
    things += [_in_colour(thing, "missed", thing.text) for thing in objects_annotated(missed, schema, style)]
    picture = paint_objects(picture, things, schema, style)
    smaller = replace(style, text_scale=0.8 * style.text_scale)  # each object has its number
    picture = with_names(picture, things, smaller, legend=False)
    counts = {name: sum(thing.legend == name for thing in things) for name in COLOURS}
    shown = [Entry(name, str(count), COLOURS[name]) for name, count in counts.items() if count or name != "on a crowd"]
    return with_legend(picture, shown, style)


def _verdict(matches: ObjectMatches, place: int) -> str:
    return "right" if matches.found[place] >= 0 else "on a crowd" if matches.ignored[place] else "wrong"


def _in_colour(thing: DrawnObject, verdict: str, text: str) -> DrawnObject:
    return replace(thing, colour=COLOURS[verdict], legend=verdict, text=text if verdict == "right" else thing.text)


def _not_found(matches: ObjectMatches) -> Tensor:
    """The objects [m] that no detection found."""
    missed = torch.ones(len(matches.objects), dtype=torch.bool)
    missed[torch.from_numpy(matches.found[matches.found >= 0])] = False
    return missed.nonzero()[:, 0]


def judge_nothing(picture: Image.Image, found: Any, target: Any, schema: Schema, style: Style) -> Image.Image:
    """The prediction as it is drawn alone."""
    return row(DRAWINGS, found, "drawing")(picture, found, schema, style)


JUDGED: dict[type, Callable[[Image.Image, Any, Any, Schema, Style], Image.Image]] = {
    InstancePrediction: judge_instances,
    SemanticPrediction: judge_nothing,
    ClassPrediction: judge_nothing,
    EmbeddingPrediction: judge_nothing,
    EpisodePrediction: judge_episode,
    GraphPrediction: judge_nothing,
    ImagePrediction: judge_nothing,
}
"""How each kind of prediction is drawn beside the truth, on an enlarged image."""
