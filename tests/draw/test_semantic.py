from dataclasses import replace

import numpy as np
import pytest
import torch

from drawing_scenes import make_image
from visus.draw.draw import draw
from visus.draw.palette import category_colour
from visus.draw.semantic import class_legend
from visus.types import VOID, Schema, SemanticPrediction, SemanticTarget

SCHEMA = Schema(("background", "road", "tree"), (0, 1, 2))


def make_labels(height=500, width=600):
    labels = torch.zeros(height, width, dtype=torch.uint8)
    labels[100:400, 100:300] = 1
    labels[100:400, 300:500] = 2
    labels[450:] = VOID
    return labels


def annotated(labels):
    return SemanticTarget(labels, tuple(labels.shape))


def pixel(picture, row, column):
    return np.asarray(picture).astype(int)[row, column]


def test_each_class_has_its_colour_and_the_background_its_own():
    picture = draw(make_image(500, 600), annotated(make_labels()), SCHEMA)
    for column, label in ((200, 1), (400, 2)):
        expected = 0.45 * 90 + 0.55 * np.array(category_colour(label))
        assert np.abs(pixel(picture, 250, column) - expected).max() <= 1
    assert pixel(picture, 50, 50).tolist() == [90, 90, 90]
    assert pixel(picture, 475, 50).max() < 60  # void is dark
    assert pixel(picture, 250, 300).min() > 140  # a bright line where two classes meet


def test_the_data_sets_colours_come_first():
    schema = replace(SCHEMA, colours=((0, 0, 0), (200, 0, 0), (0, 200, 0)))
    picture = draw(make_image(500, 600), annotated(make_labels()), schema)
    assert pixel(picture, 250, 200).tolist() == [150, 40, 40]


def test_a_prediction_is_drawn_as_a_target_is():
    labels = make_labels()
    prediction = SemanticPrediction(labels, torch.ones(labels.shape), tuple(labels.shape))
    pictures = [np.asarray(draw(make_image(500, 600), shown, SCHEMA)) for shown in (prediction, annotated(labels))]
    assert (pictures[0] == pictures[1]).all()


def test_the_legend_names_what_is_there_by_its_share():
    labels = make_labels()
    labels[0, 0], labels[labels == 2] = 2, 0
    entries = class_legend(labels, SCHEMA)
    assert [(entry.text, entry.value) for entry in entries] == [
        ("background", "70 %"),
        ("road", "20 %"),
        ("void", "10 %"),
    ]
    labels[0, :5] = 2
    assert class_legend(labels, SCHEMA)[2].value == "< 1 %"
    assert class_legend(labels, SCHEMA)[0].colour is None


def test_the_legend_lies_below_or_inside():
    below = draw(make_image(500, 600), annotated(make_labels()), SCHEMA)
    inside = draw(make_image(500, 600), annotated(make_labels()), SCHEMA, legend="inside")
    assert below.size[0] == 600
    assert below.size[1] > 520
    assert inside.size == (600, 500)
    assert np.abs(np.asarray(inside).astype(int) - np.asarray(below)[:500]).max() > 30


def test_small_images_are_enlarged_with_their_labels():
    labels = torch.zeros(60, 80, dtype=torch.uint8)
    labels[:, 40:] = 2
    picture = draw(make_image(60, 80), annotated(labels), SCHEMA, legend="inside")
    assert picture.size == (320, 240)
    assert pixel(picture, 20, 60).tolist() == [90, 90, 90]
    assert pixel(picture, 20, 260).tolist() != [90, 90, 90]


def test_an_image_that_is_all_void():
    labels = torch.full((60, 80), VOID, dtype=torch.uint8)
    assert [entry.text for entry in class_legend(labels, SCHEMA)] == ["void"]
    assert draw(make_image(60, 80), annotated(labels), SCHEMA).width == 320


def test_labels_of_another_image_are_refused():
    with pytest.raises(ValueError, match=r"\(500, 600\).*60, 80"):
        draw(make_image(60, 80), annotated(make_labels()), SCHEMA)
