from dataclasses import replace

import numpy as np
import torch

from drawing_scenes import make_image
from visus.draw.draw import draw
from visus.draw.palette import category_colour
from visus.types import ClassPrediction, ClassTarget, EmbeddingPrediction, Schema

SCHEMA = Schema(tuple(f"a class with the number {i}" for i in range(7)), tuple(range(7)))
FOUND = ClassPrediction(
    torch.tensor([4, 1, 0, 2, 3, 5, 6]), torch.tensor([0.6, 0.2, 0.1, 0.05, 0.03, 0.02, 0.0]), (500, 600)
)
BOX = torch.tensor([100.0, 150.0, 300.0, 400.0])


def strip(picture):
    """What lies below the image itself."""
    return np.asarray(picture).astype(int)[500:]


def amount(pixels, colour):
    """How many pixels have about this colour."""
    return int((np.abs(pixels - np.array(colour)).max(-1) <= 2).sum())


def test_the_five_most_likely_classes_have_bars_of_their_length():
    below = strip(draw(make_image(500, 600), FOUND, SCHEMA))
    lengths = [amount(below, category_colour(label)) for label in range(7)]
    assert 0.25 < lengths[1] / lengths[4] < 0.42
    assert lengths[3] > 0
    assert lengths[5] == lengths[6] == 0


def test_the_image_stays_as_it_is_where_there_is_no_box():
    assert (np.asarray(draw(make_image(500, 600), FOUND, SCHEMA))[:500] == 90).all()


def test_a_box_is_outlined_in_the_colour_of_the_class():
    picture = np.asarray(draw(make_image(500, 600), replace(FOUND, box_xyxy=BOX), SCHEMA)).astype(int)
    assert np.abs(picture[250, 102] - category_colour(4)).max() <= 3
    assert (picture[250, 200] == 90).all()
    beyond = replace(FOUND, box_xyxy=torch.tensor([-50.0, -50, 900, 900]))
    assert draw(make_image(500, 600), beyond, SCHEMA).width == 600


def test_a_target_names_its_class():
    target = ClassTarget(torch.tensor(2), (500, 600), box_xyxy=BOX)
    picture = draw(make_image(500, 600), target, SCHEMA)
    assert amount(strip(picture), category_colour(2)) > 50
    assert np.abs(np.asarray(picture).astype(int)[250, 102] - category_colour(2)).max() <= 3


def test_an_embedding_has_nothing_to_draw():
    picture = draw(make_image(500, 600), EmbeddingPrediction(torch.ones(4), (500, 600)), SCHEMA)
    assert picture.size == (600, 500)
    assert (np.asarray(picture) == 90).all()
