"""Shapes as images to draw on, and as points that turn on a page."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import replace
from html import unescape

import pytest
import torch

from contracts.fakes import SCHEMA, a_ball
from visus.clouds import PointBatch, PointCloud, ViewBatch, VoxelBatch
from visus.draw.draw import draw
from visus.draw.inputs import picture_of, seen
from visus.draw.shapes import VIEW, turntable, view_of
from visus.nn.points.transform import PointTransform, ViewTransform, VoxelTransform
from visus.report.batch import OF_BATCHES
from visus.report.turntable import MOST_POINTS, beside
from visus.types import Batch, ClassPrediction, ClassTarget, PartPrediction, PartTarget

BALL = a_ball(600)
CLASS = ClassTarget(torch.tensor(1), BALL.frame)
PARTS = PartTarget((BALL.points[:, 2] > 0).long(), torch.tensor(0), BALL.frame)


def test_an_image_is_itself_and_a_shape_is_seen_from_aside() -> None:
    image = torch.zeros(3, 20, 30, dtype=torch.uint8)
    assert picture_of(image) is image
    view = picture_of(BALL)
    assert view.shape == (3, VIEW, VIEW)
    background = (view == view[:, :1, :1]).all(0)
    assert 0.2 < float(background.double().mean()) < 0.8
    assert bool(background[0].all() and background[:, 0].all()), "it lies inside of the view"
    assert turntable(BALL, count=4).shape == (3, VIEW, 4 * VIEW)


def test_another_side_is_another_view() -> None:
    half = PointCloud(BALL.points[BALL.points[:, 0] > 0])
    assert not torch.equal(view_of(half, azimuth=0)[0], view_of(half, azimuth=180)[0])


def test_parts_are_classes_of_pixels_there() -> None:
    pixels, shown, schema = seen(BALL, PARTS, SCHEMA)
    assert schema.categories == (*SCHEMA.part_names, "background")
    assert set(shown.labels.unique().tolist()) == {0, 1, len(SCHEMA.part_names)}
    upper, lower = (int((shown.labels == part).nonzero()[:, 0].float().mean()) for part in (1, 0))
    assert upper < lower, "what is above is drawn above"
    assert pixels.shape[-2:] == shown.labels.shape


def test_what_belongs_to_another_cloud_is_refused() -> None:
    with pytest.raises(ValueError, match="a cloud of 7 points, not 600"):
        draw(BALL, replace(CLASS, size=(7,)), SCHEMA)


def test_scores_are_written_below_a_view() -> None:
    found = ClassPrediction(torch.tensor([1, 0]), torch.tensor([0.9, 0.1]), BALL.frame)
    picture = draw(BALL, found, SCHEMA)
    assert picture.height > picture.width == 2 * VIEW


@pytest.mark.parametrize("shown", [CLASS, PARTS, PartPrediction(PARTS.labels, torch.ones(600), BALL.frame)])
def test_the_points_that_turn_are_those_of_the_cloud(shown: object) -> None:
    html = beside(BALL, shown, 'a "ball"', SCHEMA)
    content = json.loads(unescape(re.search(r'data-cloud="([^"]*)"', html)[1]))  # type: ignore[index]
    numbers = torch.frombuffer(bytearray(base64.b64decode(content["points"])), dtype=torch.int8).view(-1, 6)
    torch.testing.assert_close(numbers[:, :3].float() / 127, BALL.points, rtol=0, atol=0.005)
    owners = list(base64.b64decode(content["owners"]))
    assert owners == (PARTS.labels.tolist() if shown is not CLASS else [0] * 600)
    assert max(owners) < len(content["colours"])
    assert '"ball"' not in html.replace("&quot;", "")
    assert beside(torch.zeros(3, 4, 4), CLASS, "", SCHEMA) == ""


def test_large_clouds_are_thinned_on_the_page() -> None:
    html = beside(a_ball(3000), replace(CLASS, size=(3000,)), "large", SCHEMA)
    content = json.loads(unescape(re.search(r'data-cloud="([^"]*)"', html)[1]))  # type: ignore[index]
    assert len(base64.b64decode(content["owners"])) == MOST_POINTS


@pytest.mark.parametrize(
    ("transform", "kind"),
    [
        (PointTransform(points=64), PointBatch),
        (PointTransform(points=64, whole=True), PointBatch),
        (VoxelTransform(), VoxelBatch),
        (ViewTransform(views=6, size=32, mean=(0.5,) * 3, std=(0.5,) * 3), ViewBatch),
    ],
)
def test_a_batch_is_drawn_as_the_network_saw_it(transform: object, kind: type) -> None:
    inputs = transform.batch([BALL])  # type: ignore[attr-defined]
    assert type(inputs) is kind
    assert inputs.frames == [BALL.frame]
    target = PARTS if getattr(inputs, "whole", None) is not None else CLASS

    def failed(error: Exception) -> None:
        raise error

    assert OF_BATCHES[kind](Batch(inputs, [target], ["ball"]), 0, SCHEMA, failed).width > 100
