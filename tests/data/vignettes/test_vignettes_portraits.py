"""Images of one object, and of individuals met again: balanced, repeatable, and what they say they are."""

from __future__ import annotations

import time
from random import Random

import pytest
import torch

from visus.data.vignettes import CATEGORIES, Vignettes
from visus.data.vignettes.drawing import draw_scene
from visus.data.vignettes.identities import VignetteIdentities
from visus.data.vignettes.objects import VignetteObjects
from visus.data.vignettes.portraits import draw_portrait
from visus.data.vignettes.scene import Cast
from visus.types import ClassTarget, Sample

COUNT = 2 * len(CATEGORIES)


@pytest.fixture(scope="module")
def objects() -> list[Sample]:
    dataset = VignetteObjects(split="train", length=COUNT)
    return [dataset[index] for index in range(COUNT)]


def test_every_category_comes_equally_often(objects: list[Sample]) -> None:
    labels = torch.tensor([int(sample.target.label) for sample in objects])
    assert labels.bincount(minlength=len(CATEGORIES)).tolist() == [2] * len(CATEGORIES)


def test_an_image_is_the_same_whoever_asks_and_others_differ(objects: list[Sample]) -> None:
    again = VignetteObjects(split="train", length=1000)[5]
    assert torch.equal(again.input, objects[5].input)
    assert torch.equal(again.target.box_xyxy, objects[5].target.box_xyxy)
    others = [VignetteObjects(split="val", length=6)[5], VignetteObjects(split="train", length=6, seed=1)[5]]
    assert all(not torch.equal(other.input, again.input) for other in others)


def test_the_box_holds_most_of_an_object_that_lies_anywhere(objects: list[Sample]) -> None:
    centres = []
    for index, sample in enumerate(objects):
        target = sample.target
        assert sample.input.shape == (3, 128, 128)
        assert target.size == (128, 128)
        assert target.image_id == index
        x1, y1, x2, y2 = target.box_xyxy.tolist()
        assert 0 <= x1 < x2 <= 128
        assert 0 <= y1 < y2 <= 128
        assert max(x2 - x1, y2 - y1) > 128 / 2.3
        centres.append(((x1 + x2) / 2, (y1 + y2) / 2))
    assert torch.tensor(centres).std(dim=0).min() > 6  # pixels: off the centre at random


def test_the_object_is_in_its_box() -> None:
    """Drawn alone before a backdrop, the pixels that differ most lie in the box."""
    cast = Cast(("ball",), "0 test", 10, ("ball", 3))
    target = ClassTarget(torch.tensor(0), (1, 1))
    sample = draw_portrait(lambda attempt: f"alone {attempt}", cast, 96, target, "here")
    x1, y1, x2, y2 = (round(edge) for edge in sample.target.box_xyxy.tolist())
    assert 0.8 < (x2 - x1) / (y2 - y1) < 1.25  # a ball is round
    scene = draw_scene(Random("alone 0"), (288, 288), cast)
    assert [item for item in scene.items if item.number == 3]


def test_a_lead_is_in_nearly_every_scene_and_changes_no_other() -> None:
    plain = Cast(CATEGORIES, "0 train", 400)
    found = 0
    for index in range(20):
        lead = Cast(CATEGORIES, "0 train", 400, ("cup", 7))
        items = draw_scene(Random(index), (128, 128), lead).items
        found += any((item.category, item.number) == ("cup", 7) for item in items)
    assert found >= 17
    vignettes = Vignettes(split="train", length=1)
    drawn = draw_scene(Random(vignettes.stream(0)), (192, 192), plain)
    assert torch.equal(vignettes[0].input, torch.from_numpy(drawn.image))


def test_identities_are_labelled_by_individual_and_category() -> None:
    dataset = VignetteIdentities(split="test", individuals=3, views=2)
    assert len(dataset) == len(CATEGORIES) * 6 == len(dataset.labels)
    assert dataset.labels.bincount().tolist() == [2] * (3 * len(CATEGORIES))
    assert dataset.super_labels.bincount().tolist() == [6] * len(CATEGORIES)
    assert dataset.schema.num_classes == 3 * len(CATEGORIES)
    for index in (0, 7, 77):
        sample = dataset[index]
        assert int(sample.target.label) == dataset.labels[index]
        assert sample.input.shape == (3, 96, 96)
        category = CATEGORIES[int(dataset.super_labels[index])]
        assert dataset.schema.categories[int(dataset.labels[index])].startswith(category)


def test_views_of_an_individual_differ_but_share_its_colours() -> None:
    """The colours in the middle of a ball are nearer to those of its other views than to those of other balls."""
    dataset = VignetteIdentities(split="train", individuals=8, views=3, categories=("ball",))
    colours = []
    for index in range(len(dataset)):
        sample = dataset[index]
        x1, y1, x2, y2 = sample.target.box_xyxy.tolist()
        x, y, reach = int((x1 + x2) / 2), int((y1 + y2) / 2), int((x2 - x1) / 4)
        middle = sample.input[:, y - reach : y + reach, x - reach : x + reach].float().mean(dim=(1, 2))
        colours.append(middle / middle.sum())
    distances = torch.cdist(torch.stack(colours), torch.stack(colours))
    same = dataset.labels[:, None] == dataset.labels[None]
    other_views = same & ~torch.eye(len(dataset), dtype=torch.bool)
    assert distances[other_views].mean() < 0.4 * distances[~same].mean()
    assert not torch.equal(dataset[0].input, dataset[1].input)


def test_splits_share_no_individual() -> None:
    one, other = (VignetteIdentities(split=split, individuals=2, views=1) for split in ("train", "test"))
    assert all(not torch.equal(one[index].input, other[index].input) for index in range(3))


def test_errors_say_what_to_do() -> None:
    with pytest.raises(ValueError, match="train, val, test"):
        VignetteObjects(split="holdout", length=1)  # type: ignore[arg-type]
    with pytest.raises(IndexError, match="2 vignette objects"):
        VignetteObjects(split="val", length=2)[2]
    with pytest.raises(ValueError, match="32 pixels"):
        VignetteObjects(split="val", length=2, size=16)
    with pytest.raises(ValueError, match="at least 1"):
        VignetteIdentities(split="val", views=0)
    with pytest.raises(ValueError, match="'unicorn'"):
        VignetteIdentities(split="val", categories=("unicorn",))
    with pytest.raises(IndexError, match="none of number -1"):
        VignetteIdentities(split="val")[-1]
    with pytest.raises(ValueError, match="lead"):
        draw_portrait(str, Cast(CATEGORIES, "", 1), 64, ClassTarget(torch.tensor(0), (1, 1)), "")


def test_drawing_keeps_up_with_a_model(objects: list[Sample]) -> None:
    dataset = VignetteObjects(split="val", length=200)
    start = time.process_time()
    for index in range(60):
        dataset[index]
    assert (time.process_time() - start) / 60 < 0.06  # seconds; about 0.007 on an idle core
