import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from drawing_scenes import SCHEMA, make_image, make_prediction, make_target
from visus.draw.canvas import enlargement
from visus.draw.draw import DRAWINGS, draw
from visus.draw.instances import side_colours
from visus.draw.palette import LEFT, MIDDLE, RIGHT, schema_name
from visus.types import (
    ClassPrediction,
    ClassTarget,
    InstancePrediction,
    InstanceTarget,
    NoRowError,
    SemanticTarget,
)


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


@pytest.mark.parametrize("width", [0.0, 0.3, 2, 7.4, 7.9, 10])
@pytest.mark.parametrize("size", [(480, 640), (64, 64), (1, 7), (900, 40)])
@pytest.mark.parametrize("masks", [False, True])
def test_a_box_of_any_size_can_be_drawn(width, size, masks):
    """Small and nearly square boxes are where Pillow's round corners meet."""
    heights = torch.tensor([0.0, 0.3, 1, 3, 5.1, 7, 7.4, 7.9, 9, 14])
    corners = torch.arange(len(heights))[:, None] * torch.tensor([3.7, 2.3])
    boxes = torch.cat((corners, corners + torch.stack((torch.full_like(heights, width), heights), dim=1)), dim=1)
    some = InstancePrediction(
        boxes_xyxy=boxes,
        labels=torch.zeros(len(boxes), dtype=torch.int64),
        scores=torch.linspace(0.5, 1, len(boxes)),
        size=size,
        masks=torch.ones(len(boxes), *size, dtype=torch.bool) if masks else None,
    )
    target = InstanceTarget(
        boxes, some.labels, torch.ones(10), torch.zeros(10, dtype=torch.bool), size, None, some.masks
    )
    image = make_image(*size)
    for shown, labels in ((some, "all"), (target, "auto"), (some, "none")):
        assert isinstance(draw(image, shown, SCHEMA, labels=labels), Image.Image)
    one = ClassPrediction(torch.tensor([0]), torch.tensor([0.5]), size, boxes[5])
    assert isinstance(draw(image, one, SCHEMA), Image.Image)


def test_a_small_box_is_seen():
    prediction = InstancePrediction(
        torch.tensor([[100.7, 50.7, 108.6, 58.1]]), torch.tensor([0]), torch.tensor([0.9]), (480, 640)
    )
    picture = np.asarray(draw(make_image(480, 640), prediction, SCHEMA, labels="none")).astype(int)
    assert (np.abs(picture[50:59, 100:110] - 90).max(-1) > 40).sum() > 12


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e30, -1e30])
def test_what_lies_nowhere_is_left_out_and_the_others_are_drawn(value):
    good = make_prediction(scores=(0.9, 0.8))
    odd = replace(
        good,
        boxes_xyxy=good.boxes_xyxy.index_fill(0, torch.tensor([1]), value),
        keypoints_xyv=good.keypoints_xyv.index_fill(0, torch.tensor([1]), value),
        keypoint_scores=torch.ones(2, 3),
        masks=None,
    )
    picture = draw(make_image(), odd, SCHEMA)
    alone = draw(make_image(), replace(odd, labels=odd.labels)[torch.tensor([0])], SCHEMA)
    if math.isfinite(value):
        assert picture.size == alone.size
    else:
        assert changed(picture, 4)[:, 70:].sum() == 0
    assert changed(picture, 4)[10:80, 10:60].any()


@pytest.mark.parametrize("name", ["two\nlines", "", " ", "x" * 5000, "\udcff", "猫", "\x00\t"])
def test_any_name_can_be_drawn(name):
    schema = replace(SCHEMA, categories=(name, name))
    labels = torch.zeros(96, 128, dtype=torch.uint8)
    shown = [
        make_prediction(scores=(0.9, 0.8)),
        make_target(),
        SemanticTarget(labels, (96, 128)),
        ClassTarget(torch.tensor(1), (96, 128)),
        ClassPrediction(torch.tensor([1, 0]), torch.tensor([0.7, 0.3]), (96, 128)),
    ]
    for thing in shown:
        for legend in ("below", "inside"):
            assert isinstance(draw(make_image(), thing, schema, legend=legend, labels="all"), Image.Image)


def test_a_label_that_the_schema_does_not_name_has_its_number():
    prediction = replace(make_prediction(scores=(0.9, 0.8)), labels=torch.tensor([0, 9]), keypoints_xyv=None)
    assert isinstance(draw(make_image(), prediction, SCHEMA), Image.Image)
    assert schema_name(SCHEMA, 9) == "label 9"


def crowd(count, side):
    """So many objects of one label on an image of 480 x 640 pixels."""
    torch.manual_seed(0)
    corners = torch.rand(count, 2) * torch.tensor([640.0 - side, 480.0 - side])
    boxes = torch.cat((corners, corners + side), dim=1)
    return InstancePrediction(boxes, torch.zeros(count, dtype=torch.int64), torch.rand(count) / 2 + 0.5, (480, 640))


def test_names_give_way_to_many_small_objects_and_a_legend_counts_them():
    found, image = crowd(200, 14.0), make_image(480, 640)
    auto, none, every = (draw(image, found, SCHEMA, labels=labels) for labels in ("auto", "none", "all"))
    assert none.size == every.size == (640, 480)
    assert auto.height > 480
    assert np.array_equal(np.asarray(auto)[:480], np.asarray(none))  # no name hides anything
    inside = draw(image, found, SCHEMA, legend="inside")
    assert inside.size == (640, 480)


def test_few_objects_keep_their_names():
    found, image = crowd(5, 80.0), make_image(480, 640)
    auto, none = (draw(image, found, SCHEMA, labels=labels) for labels in ("auto", "none"))
    assert auto.size == none.size  # all have their names: no legend
    assert (np.asarray(auto) != np.asarray(none)).any(axis=-1).sum() > 5 * 400


def test_on_error_gets_what_went_wrong_and_the_image_comes_plain(monkeypatch):
    def broken(*_):
        raise ValueError("x1 must be greater than or equal to x0")

    monkeypatch.setitem(DRAWINGS, InstanceTarget, broken)
    errors = []
    picture = draw(make_image(), make_target(), SCHEMA, on_error=errors.append)
    assert [str(error) for error in errors] == ["x1 must be greater than or equal to x0"]
    assert (np.asarray(picture) == 90).all()
    with pytest.raises(ValueError, match="x1 must"):
        draw(make_image(), make_target(), SCHEMA)


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
