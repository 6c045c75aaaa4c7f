from __future__ import annotations

import dataclasses

import pytest
import torch

from visus.data.augment.augment import Augment, Chain, HorizontalFlip, ShortestSide
from visus.data.feed.loader import generator_for

from .conftest import PAIR, rectangles

SIZE = (48, 64)
BOXES = [(4, 6, 30, 20), (40, 2, 60, 44)]


def test_augment_is_a_function_of_the_generator() -> None:
    augment = Augment(size=(40, 40), scale=(0.5, 2), translate=0.2, rotate=20, colour=1, keypoints=PAIR)
    augment.min_visible = 0
    sample = rectangles(SIZE, BOXES)
    one, same, other = (augment(sample, generator_for(seed)) for seed in (1, 1, 2))
    assert torch.equal(one.input, same.input)
    assert torch.equal(one.target.boxes_xyxy, same.target.boxes_xyxy)
    assert not torch.equal(one.input, other.input)


def test_augment_leaves_its_input_alone() -> None:
    sample = rectangles(SIZE, BOXES)
    copy = rectangles(SIZE, BOXES)
    Augment(scale=(1, 3), flip=1, rotate=9, colour=1, keypoints=PAIR)(sample, generator_for(0))
    assert torch.equal(sample.input, copy.input)
    assert torch.equal(sample.target.boxes_xyxy, copy.target.boxes_xyxy)


def test_augment_that_changes_nothing() -> None:
    sample = rectangles(SIZE, BOXES)
    same = Augment(flip=0.0)(sample, generator_for(0))
    assert torch.equal(same.input, sample.input)
    assert torch.equal(same.target.boxes_xyxy, sample.target.boxes_xyxy)
    assert torch.equal(same.target.areas, sample.target.areas)


def test_image_is_fitted_into_the_canvas() -> None:
    sample = rectangles(SIZE, [(0, 0, 64, 48)])
    box = Augment(size=(96, 96), flip=0)(sample, generator_for(3)).target.boxes_xyxy[0]
    assert (box[2] - box[0]).item() == 96
    assert (box[3] - box[1]).item() == 72


@pytest.mark.parametrize("zoom", [0.5, 2.0])
def test_scale_and_position_vary(zoom: float) -> None:
    augment = Augment(size=(48, 64), scale=(zoom, zoom), flip=0, keypoints=PAIR)
    augment.min_visible = 0
    offsets = [augment.draw(SIZE, generator_for(seed)).matrix()[:, 2].tolist() for seed in range(200)]
    x, y = torch.tensor(offsets).unbind(1)
    low, high = sorted((0.0, 64 * (1 - zoom)))
    assert low - 1 <= x.min() < low + 6
    assert high - 6 < x.max() <= high + 1
    assert y.unique().numel() > 10


def test_scales_are_even_on_a_logarithmic_scale() -> None:
    augment = Augment(size=SIZE, scale=(0.25, 4.0))
    scales = torch.tensor([augment.draw(SIZE, generator_for(seed)).rows.scale for seed in range(400)])
    assert 0.4 < (scales < 1).float().mean() < 0.6
    assert scales.min() > 0.2
    assert scales.max() < 4.4


def test_flip_has_its_probability() -> None:
    augment = Augment(flip=0.3)
    assert 0.2 < sum(augment.draw(SIZE, generator_for(seed)).mirrored for seed in range(400)) / 400 < 0.4
    mirrored = [HorizontalFlip(probability=p, keypoints=PAIR) for p in (0.0, 1.0)]
    sample = rectangles(SIZE, BOXES)
    assert mirrored[0](sample, generator_for(0)) is sample
    assert mirrored[1](sample, generator_for(0)).target.boxes_xyxy[0].tolist() == [34, 6, 60, 20]


@pytest.mark.parametrize(
    ("size", "expected"),
    [((480, 640), (800, 1067)), ((640, 480), (1067, 800)), ((400, 1200), (444, 1333)), ((800, 1066), (800, 1066))],
)
def test_shortest_side(size: tuple[int, int], expected: tuple[int, int]) -> None:
    sample = rectangles(size, [(0, 0, size[1] // 2, size[0] // 2)])
    scaled = ShortestSide(min_size=800, max_size=1333)(sample, generator_for(0))
    assert tuple(scaled.input.shape[-2:]) == scaled.target.size == expected
    assert scaled.target.boxes_xyxy[0].tolist() == pytest.approx([0, 0, expected[1] / 2, expected[0] / 2])


def test_shortest_side_draws_one_of_several() -> None:
    transform = ShortestSide(min_size=(32, 64), max_size=999)
    heights = {transform(rectangles(SIZE, BOXES), generator_for(seed)).target.size[0] for seed in range(20)}
    assert heights == {32, 64}


def test_chain() -> None:
    chain = Chain(ShortestSide(min_size=24), HorizontalFlip(probability=1, keypoints=PAIR))
    assert chain(rectangles(SIZE, BOXES), generator_for(0)).target.boxes_xyxy[0].tolist() == [17, 3, 30, 10]


def test_crowds_stay() -> None:
    sample = rectangles(SIZE, BOXES)
    target = dataclasses.replace(sample.target, is_crowd=torch.tensor([False, True]))
    result = Augment(flip=0)(dataclasses.replace(sample, target=target), generator_for(0))
    assert result.target.is_crowd.tolist() == [False, True]


@pytest.mark.parametrize(
    "wrong",
    [{"scale": (2.0, 1.0)}, {"scale": (0.0, 1.0)}, {"flip": 1.5}, {"colour": -0.1}, {"stretch": 0.5}],
)
def test_wrong_values_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Augment(**wrong)  # type: ignore[arg-type]
