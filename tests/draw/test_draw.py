from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from drawing_scenes import SCHEMA, make_image, make_prediction, make_target
from visus.draw.canvas import enlargement
from visus.draw.draw import DRAWINGS, draw
from visus.draw.instances import side_colours
from visus.draw.palette import LEFT, MIDDLE, RIGHT
from visus.types import NoRowError


def changed(picture, scale, value=90):
    """Which pixels of the original resolution a drawing touches."""
    pixels = np.abs(np.asarray(picture).astype(int) - value).max(-1) > 3
    return torch.from_numpy(pixels[scale // 2 :: scale, scale // 2 :: scale].copy())


def test_small_images_are_enlarged_by_a_whole_number():
    assert enlargement((192, 192)) == 3
    assert enlargement((1080, 1920)) == 1
    picture = draw(make_image(), make_prediction(), SCHEMA)
    assert picture.size == (128 * 4, 96 * 4)


def test_a_mask_tints_its_own_pixels():
    prediction = replace(make_prediction(scores=(0.9, 0.8)), keypoints_xyv=None)
    touched = changed(draw(make_image(), prediction, SCHEMA), 4)
    assert touched[prediction.masks.any(0)].float().mean() > 0.99
    assert touched[92:, :].sum() == 0  # below both boxes nothing is drawn
    assert touched[15:25, 90:].sum() == 0  # nor between the tag of the right one and the upper edge


def test_objects_under_the_least_score_are_left_out():
    picture = draw(make_image(), make_prediction(scores=(0.9, 0.2)), SCHEMA, min_score=0.3)
    assert changed(picture, 4)[30:, 75:].sum() == 0
    picture = draw(make_image(), make_prediction(scores=(0.9, 0.2)), SCHEMA, min_score=0.1)
    assert changed(picture, 4)[30:, 75:].sum() > 1000


def test_nothing_to_draw_leaves_the_image_alone():
    picture = draw(make_image(500, 600), make_target(500, 600)[torch.zeros(2, dtype=torch.bool)], SCHEMA)
    assert picture.size == (600, 500)
    assert (np.asarray(picture) == 90).all()


def test_an_empty_mask_and_a_soft_mask_can_be_drawn():
    prediction = make_prediction(scores=(0.9, 0.8))
    soft = prediction.masks.float() * 0.9
    soft[1] = 0
    touched = changed(draw(make_image(), replace(prediction, masks=soft, keypoints_xyv=None), SCHEMA), 4)
    assert touched[prediction.masks[0]].float().mean() > 0.99
    assert touched[40:80, 80:110].sum() == 0


def test_hidden_and_uncertain_keypoints():
    """A truth's third keypoint is hidden but known, a prediction's third one is a guess below the logit 0."""
    image, bare = make_image(), {"masks": None}
    truth = draw(image, replace(make_target(), **bare), SCHEMA)
    found = draw(image, replace(make_prediction(), **bare), SCHEMA)
    at = (50 * 4, 60 * 4)
    assert truth.getpixel(at) != (90, 90, 90)
    assert found.getpixel(at) == (90, 90, 90)


def test_categories_without_keypoints_get_no_skeleton():
    only_dogs = replace(SCHEMA, keypoints=replace(SCHEMA.keypoints, labels=(1,)))
    target = replace(make_target(), masks=None)
    assert draw(make_image(), target, only_dogs).getpixel((35 * 4, 20 * 4)) == (90, 90, 90)


def test_sides_have_their_colours():
    assert side_colours(SCHEMA.keypoints) == [MIDDLE, LEFT, RIGHT]
    swapped = replace(SCHEMA.keypoints, flip_pairs=((2, 1),))
    assert side_colours(swapped) == [MIDDLE, LEFT, RIGHT]


def test_objects_of_another_image_are_refused():
    with pytest.raises(ValueError, match=r"\(96, 128\).*96, 100"):
        draw(make_image(96, 100), make_prediction(), SCHEMA)


def test_a_box_beyond_the_image_is_cut():
    prediction = replace(make_prediction(), masks=None, boxes_xyxy=torch.tensor([[-50.0, -50, 500, 500], [5, 5, 5, 5]]))
    assert isinstance(draw(make_image(), prediction, SCHEMA, min_score=0), Image.Image)


def test_an_unknown_kind_is_named():
    class Cloud:
        size = (96, 128)

    with pytest.raises(NoRowError, match="drawing knows no Cloud; it knows InstancePrediction, InstanceTarget"):
        draw(make_image(), Cloud(), SCHEMA)


def test_a_kind_is_one_row(monkeypatch):
    class Cloud:
        size = (96, 128)

    monkeypatch.setitem(DRAWINGS, Cloud, lambda picture, shown, schema, style: picture.crop((0, 0, style.scale, 7)))
    assert draw(make_image(), Cloud(), SCHEMA).size == (4, 7)
