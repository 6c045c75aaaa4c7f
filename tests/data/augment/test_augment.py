from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import Tensor

from rectangles import MIRROR, rectangles
from visus.data.augment import AUGMENTATIONS, Augment
from visus.data.augment.warp import Warp, place
from visus.data.feed.loader import generator_for
from visus.types import InstanceTarget, Sample

SIZE = (48, 64)
BOXES = [(4, 6, 30, 20), (40, 2, 60, 44)]


def test_augment_is_a_function_of_the_generator() -> None:
    augment = Augment(size=(40, 40), scale=(0.5, 2), translate=0.2, rotate=20, colour=1, mirror=MIRROR)
    augment.min_visible = 0
    sample = rectangles(SIZE, BOXES)
    one, same, other = (augment(sample, generator_for(seed)) for seed in (1, 1, 2))
    assert torch.equal(one.input, same.input)
    assert torch.equal(one.target.boxes_xyxy, same.target.boxes_xyxy)
    assert not torch.equal(one.input, other.input)


def test_augment_leaves_its_input_alone() -> None:
    sample = rectangles(SIZE, BOXES)
    copy = rectangles(SIZE, BOXES)
    Augment(scale=(1, 3), flip=1, rotate=9, colour=1, mirror=MIRROR)(sample, generator_for(0))
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
    augment = Augment(size=(48, 64), scale=(zoom, zoom), flip=0, mirror=MIRROR)
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
    mirrored = Augment(flip=1.0, mirror=MIRROR)(rectangles(SIZE, BOXES), generator_for(0))
    assert mirrored.target.boxes_xyxy[0].tolist() == [34, 6, 60, 20]


def related(masks: bool = True) -> Sample:
    """Three objects in a row, each with an attribute of its own, each on and under its neighbours."""
    sample = rectangles(SIZE, [(2, 10, 12, 30), (26, 10, 38, 30), (50, 10, 62, 30)], masks=masks)
    rows = [[0, 4, 1], [1, 5, 0], [1, 4, 2], [2, 5, 1], [2, 7, 2]]
    target = dataclasses.replace(
        sample.target, attributes=torch.eye(3, dtype=torch.bool), relationships=torch.tensor(rows)
    )
    return dataclasses.replace(sample, target=target)


def consistent(target: InstanceTarget) -> set[tuple[int, int, int]]:
    """The relationships by labels, after a look whether every object still has its own attribute."""
    assert target.attributes is not None
    assert target.relationships is not None
    labels = target.labels.tolist()
    assert target.attributes.nonzero()[:, 1].tolist() == labels
    assert len(target.attributes) == len(labels)
    return {(labels[subject], predicate, labels[other]) for subject, predicate, other in target.relationships.tolist()}


WORDS = {(0, 4, 1), (1, 5, 0), (1, 4, 2), (2, 5, 1), (2, 7, 2)}


class Beside(Augment):
    """Shows the columns from 24 on, of an image that is mirrored or not."""

    def draw(self, size: tuple[int, int], generator: torch.Generator) -> Warp:
        return dataclasses.replace(place(size, size, 1.0, (0, -24)), mirrored=self.flip == 1)


@pytest.mark.parametrize("masks", [True, False])
@pytest.mark.parametrize("flip", [0.0, 1.0])
def test_attributes_and_relationships_of_dropped_objects_go_with_them(flip: float, masks: bool) -> None:
    varied = Beside(flip=flip, mirror=MIRROR)(related(masks), generator_for(0)).target
    assert varied.labels.tolist() == [1, 2]
    assert varied.relationships is not None
    assert varied.relationships.tolist() == [[0, 4, 1], [1, 5, 0], [1, 7, 1]]
    assert consistent(varied) == {(1, 4, 2), (2, 5, 1), (2, 7, 2)}


@pytest.mark.parametrize("flip", [0.0, 1.0])
def test_what_stays_keeps_what_is_said_of_it(flip: float) -> None:
    varied = Augment(flip=flip, mirror=MIRROR)(related(), generator_for(0)).target
    assert consistent(varied) == WORDS


@pytest.mark.parametrize("kind", [name for name, augment in AUGMENTATIONS.items() if Tensor in augment.inputs])
def test_attributes_and_relationships_follow_any_variation(kind: str) -> None:
    options = {"warp": {"size": SIZE, "scale": (0.5, 3.0), "translate": 0.5, "rotate": 20.0}, "ssd": {"size": (40, 40)}}
    augment = AUGMENTATIONS[kind](**options.get(kind, {}), mirror=MIRROR)
    left = set()
    for seed in range(60):
        varied = augment(related(), generator_for(seed)).target
        labels = set(varied.labels.tolist())
        assert consistent(varied) == {word for word in WORDS if {word[0], word[2]} <= labels}
        left.add(len(labels))
    assert left >= {1, 2, 3} or kind not in options


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
