"""Right, wrong and missed objects in three colours, and drawings that never fail."""

from dataclasses import replace

import pytest
import torch
from PIL import Image

from drawing_scenes import SCHEMA, make_image, make_prediction, make_target
from visus.draw import judged
from visus.draw.judged import MISSED, RIGHT, WRONG, draw_judged, judge_instances
from visus.types import InstancePrediction, InstanceTarget

SIZE = (500, 600)
BOXES = torch.tensor([[50.0, 50, 150, 150], [300, 50, 400, 150], [50, 300, 150, 400]])


def prediction(indices, labels, scores) -> InstancePrediction:
    return InstancePrediction(BOXES[indices], torch.tensor(labels), torch.tensor(scores), SIZE)


def target(indices, labels) -> InstanceTarget:
    count = len(indices)
    return InstanceTarget(
        BOXES[indices], torch.tensor(labels), torch.full((count,), 1e4), torch.zeros(count, dtype=torch.bool), SIZE
    )


def colour_of(picture: Image.Image, box: int) -> tuple[int, ...]:
    """The colour in the middle of the left edge of a box."""
    x1, y1, _, y2 = BOXES[box].tolist()
    pixels = [picture.getpixel((round(x1) + step, round((y1 + y2) / 2))) for step in range(-1, 4)]
    return max(pixels, key=lambda pixel: max(pixel) - min(pixel))


def near(one, other) -> bool:
    return max(abs(a - b) for a, b in zip(one, other, strict=True)) < 60


def test_right_wrong_and_missed_have_their_colours():
    """The first object is found, the second has another label, the third is missed."""
    found, truth = prediction([0, 1], [0, 0], [0.9, 0.8]), target([0, 2], [0, 1])
    picture = draw_judged(make_image(*SIZE), found, truth, SCHEMA, min_score=0.5)
    assert near(colour_of(picture, 0), RIGHT)
    assert near(colour_of(picture, 1), WRONG)
    assert near(colour_of(picture, 2), MISSED)
    assert picture.height > SIZE[0]  # the legend


def test_objects_under_the_least_score_count_as_not_found():
    picture = draw_judged(make_image(*SIZE), prediction([0], [0], [0.4]), target([0], [0]), SCHEMA, min_score=0.5)
    assert near(colour_of(picture, 0), MISSED)


def test_the_iou_stands_at_what_is_right(monkeypatch: pytest.MonkeyPatch):
    seen = []
    paint = judged.with_names

    def noted(picture, things, style, **options):
        seen.extend(thing.text for thing in things)
        return paint(picture, things, style, **options)

    monkeypatch.setattr(judged, "with_names", noted)
    shifted = prediction([0, 1], [0, 0], [0.9, 0.8])
    shifted = replace(shifted, boxes_xyxy=shifted.boxes_xyxy + torch.tensor([20.0, 0, 20, 0]))
    draw_judged(make_image(*SIZE), shifted, target([0, 2], [0, 1]), SCHEMA, min_score=0.5)
    assert seen == ["IoU 0.67", "cat 0.80", "dog"]


def test_what_goes_wrong_is_told_and_the_image_is_drawn_without_it(monkeypatch: pytest.MonkeyPatch):
    def broken(*_):
        raise ValueError("x1 must be greater than or equal to x0")

    monkeypatch.setitem(judged.JUDGED, InstancePrediction, broken)
    errors = []
    picture = draw_judged(make_image(), make_prediction(), make_target(), SCHEMA, min_score=0.3, on_error=errors.append)
    assert [str(error) for error in errors] == ["x1 must be greater than or equal to x0"]
    assert picture.size == (128 * 4, 96 * 4)
    with pytest.raises(ValueError, match="x1 must"):
        draw_judged(make_image(), make_prediction(), make_target(), SCHEMA, min_score=0.3)


def test_masks_and_keypoints_are_drawn_in_the_colour_of_the_verdict():
    picture = draw_judged(make_image(), make_prediction((0.9, 0.8)), make_target(), SCHEMA, min_score=0.5)
    red, green, blue = picture.getpixel((22 * 4, 70 * 4))  # inside the mask of the first object
    assert green > red
    assert green > blue
    assert judge_instances in judged.JUDGED.values()
