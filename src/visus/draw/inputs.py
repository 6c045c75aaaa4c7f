"""Inputs as images to draw on: an image is itself, a shape is a view of it, an episode its sheet."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

from visus.clouds import PointCloud
from visus.draw.episodes import sheet_of
from visus.draw.made import blank
from visus.draw.shapes import Pixels, Seen, seen_cloud, view_of
from visus.scenes import SceneGraph
from visus.types import Episode, Schema, row


def picture_of(given: Any) -> Pixels:
    """An input as an image.

    Raises:
        NoRowError: a kind of input that `PICTURES` does not know.
    """
    return row(PICTURES, given, "showing an input")(given)


def seen(given: Any, shown: Any, schema: Schema) -> Seen:
    """An image to draw on, what is to be drawn in its pixels, and what that means.

    Args:
        given: an input: RGB pixels [3 h w], a `PointCloud` or an `Episode`.
        shown: a prediction or a target.
        schema: what its labels mean.

    Raises:
        ValueError: what is shown belongs to another input.
        NoRowError: another kind of input, or one that such things are not drawn on.
    """
    return row(SEEN, given, "drawing on")(given, shown, schema)


def _image(image: Pixels, shown: Any, schema: Schema) -> Seen:
    height, width = image.shape[-2:]
    if tuple(shown.size) != (height, width):
        raise ValueError(
            f"what is to be drawn belongs to an image of {tuple(shown.size)} pixels (h, w), not {height, width}"
        )
    return image, shown, schema


PICTURES: dict[type, Callable[[Any], Pixels]] = {
    Tensor: lambda image: image,
    PointCloud: lambda cloud: view_of(cloud)[0],
    Episode: sheet_of,
    SceneGraph: blank,
}
"""Each kind of input as an image."""

SEEN: dict[type, Callable[[Any, Any, Schema], Seen]] = {
    Tensor: _image,
    PointCloud: seen_cloud,
    Episode: lambda episode, shown, schema: _image(sheet_of(episode), shown, schema),
    SceneGraph: lambda graph, shown, schema: _image(blank(graph), shown, schema),
}
"""How something is drawn on each kind of input."""
