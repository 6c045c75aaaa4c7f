"""Episodes as pictures: a sheet with a row for each class, its labelled images, and queries in frames."""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from jaxtyping import Int64, UInt8
from PIL import Image, ImageDraw
from torch import Tensor
from torch.nn import functional as F

from visus.draw.canvas import Style
from visus.draw.palette import Colour
from visus.types import Episode, EpisodePrediction, EpisodeTarget, Schema

RIGHT: Final[Colour] = (34, 176, 96)
WRONG: Final[Colour] = (235, 62, 72)
_PALETTE: Final = ((66, 133, 244), (244, 160, 0), (171, 71, 188), (0, 172, 193), (141, 110, 99), (124, 179, 66))
Cell = tuple[float, float, float, float]


def sheet_of(episode: Episode) -> UInt8[Tensor, "3 h w"]:
    """The images of an episode on one sheet, as `visus.types.Episode` says; white where nothing is."""
    height, width = episode.support[0].shape[-2:]
    rows, columns = episode.size[0] // height, episode.size[1] // width
    sheet = torch.full((3, *episode.size), 255, dtype=torch.uint8)
    shots = len(episode.support) // episode.n_way
    cells = [divmod(place, shots) for place in range(len(episode.support))]
    cells += [(place % rows, shots + place // rows) for place in range(len(episode.queries))]
    for image, (y, x) in zip((*episode.support, *episode.queries), cells, strict=True):
        sheet[:, y * height : (y + 1) * height, x * width : (x + 1) * width] = _fitted(image, (height, width))
    assert columns > shots
    return sheet


def _fitted(image: UInt8[Tensor, "3 _ _"], size: tuple[int, int]) -> UInt8[Tensor, "3 _ _"]:
    if tuple(image.shape[-2:]) == size:
        return image
    pixels = F.interpolate(image[None].float(), size=size, mode="bilinear", antialias=True)
    return pixels[0].round().clamp(0, 255).to(torch.uint8)


def draw_episode_target(picture: Image.Image, target: EpisodeTarget, schema: Schema, style: Style) -> Image.Image:
    """A frame in the colour of its class around every labelled image and every query."""
    return _framed(picture, target.labels, len(target.classes), target.labels)


def draw_episode_prediction(
    picture: Image.Image, found: EpisodePrediction, schema: Schema, style: Style
) -> Image.Image:
    """A frame in the colour of the class that was found around every query."""
    return _framed(picture, found.labels, found.scores.shape[1], found.labels)


def judge_episode(
    picture: Image.Image, found: EpisodePrediction, target: EpisodeTarget, schema: Schema, style: Style
) -> Image.Image:
    """A green frame around queries that got their class, a red one around others."""
    right = (found.labels.cpu() == target.labels.cpu()).tolist()
    return _framed(picture, target.labels, len(target.classes), [RIGHT if one else WRONG for one in right])


def _framed(
    picture: Image.Image, labels: Int64[Tensor, " q"], n_way: int, colours: Int64[Tensor, " q"] | list[Colour]
) -> Image.Image:
    """Frames around the queries, whose columns are the last ones of the sheet."""
    side = picture.height / n_way
    columns = -(-len(labels) // n_way)
    first = max(0.0, picture.width - columns * side)
    pen, line = ImageDraw.Draw(picture), max(1, round(side / 24))
    chosen = colours if isinstance(colours, list) else [_PALETTE[one % len(_PALETTE)] for one in colours.tolist()]
    for place, colour in enumerate(chosen):
        left, top = first + place // n_way * side, place % n_way * side
        pen.rectangle(_inside((left, top, left + side, top + side)), outline=colour, width=line)
    for label in range(n_way):  # the row of a class has its colour on the left
        pen.line((0, label * side, 0, (label + 1) * side - 1), fill=_PALETTE[label % len(_PALETTE)], width=2 * line)
    return picture


def _inside(cell: Cell) -> Cell:
    left, top, right, bottom = (float(np.floor(edge)) for edge in cell)
    return left, top, right - 1, bottom - 1
