"""Sheets of episodes: every image in its cell, and frames that say what is right."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from visus.draw.episodes import RIGHT, WRONG, sheet_of
from visus.draw.inputs import picture_of
from visus.draw.judged import draw_judged
from visus.types import Episode, EpisodePrediction, EpisodeTarget, NoRowError, Schema

SIDE = 24


def shade(value: int, height: int = SIDE, width: int = SIDE) -> torch.Tensor:
    return torch.full((3, height, width), value, dtype=torch.uint8)


def episode() -> Episode:
    """Two classes, one image and one and a half columns of queries of each, one of another size."""
    return Episode((shade(10), shade(20)), torch.tensor([0, 1]), (shade(30), shade(40), shade(50, 48, 30)))


def test_every_image_lies_in_its_cell() -> None:
    sheet = sheet_of(episode())
    assert tuple(sheet.shape[1:]) == episode().size == (2 * SIDE, 3 * SIDE)
    cells = sheet[0].view(2, SIDE, 3, SIDE)[:, SIDE // 2, :, SIDE // 2]
    assert cells.tolist() == [[10, 30, 50], [20, 40, 255]]
    assert picture_of(sheet) is sheet


def test_frames_say_which_queries_got_their_class() -> None:
    target = EpisodeTarget(torch.tensor([0, 1, 1]), torch.tensor([3, 7]), episode().size)
    scores = torch.tensor([[0.9, 0.1], [0.8, 0.2], [0.1, 0.9]])
    schema = Schema(tuple("abcdefgh"), tuple(range(8)))
    drawn = draw_judged(episode(), EpisodePrediction(scores, episode().size), target, schema, min_score=0.3)
    pixels, side = np.asarray(drawn), drawn.height // 2
    corners = [tuple(pixels[row * side, column * side]) for row, column in ((0, 1), (1, 1), (0, 2))]
    assert corners == [RIGHT, WRONG, RIGHT]


def test_an_unknown_kind_of_input_is_refused() -> None:
    with pytest.raises(NoRowError, match="knows no str; it knows Tensor, PointCloud, Episode"):
        picture_of("photo.jpg")
