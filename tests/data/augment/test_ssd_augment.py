from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from rectangles import MIRROR, rectangles
from visus.data.augment.ssd import (
    MIN_IOUS,
    SSDAugment,
    Window,
    centres_inside,
    distort_colours,
    draw_crop,
)
from visus.data.augment.warp import PADDING_COLOUR
from visus.data.feed.loader import Transform, generator_for
from visus.ops.boxes import box_iou
from visus.ops.masks import masks_to_boxes
from visus.types import NoRowError, SemanticTarget

SIZE = (48, 64)
BOXES = [(4, 6, 30, 20), (40, 2, 60, 44)]
CALM = {"flip": 0.0, "distort": 0.0, "zoom_out": 0.0, "min_ious": (None,)}


def test_it_is_a_transform_and_a_function_of_the_generator() -> None:
    augment = SSDAugment(size=(40, 40), mirror=MIRROR)
    assert isinstance(augment, Transform)
    sample, copy = rectangles(SIZE, BOXES), rectangles(SIZE, BOXES)
    one, same, other = (augment(sample, generator_for(seed)) for seed in (1, 1, 3))
    assert torch.equal(one.input, same.input)
    assert torch.equal(one.target.boxes_xyxy, same.target.boxes_xyxy)
    assert one.input.shape == other.input.shape == (3, 40, 40)
    assert not torch.equal(one.input, other.input)
    assert torch.equal(sample.input, copy.input)
    assert torch.equal(sample.target.boxes_xyxy, copy.target.boxes_xyxy)


def test_calm_settings_change_nothing() -> None:
    sample = rectangles(SIZE, BOXES)
    same = SSDAugment(**CALM)(sample, generator_for(0))
    assert torch.equal(same.input, sample.input)
    assert torch.equal(same.target.boxes_xyxy, sample.target.boxes_xyxy)
    assert torch.equal(same.target.areas, sample.target.areas)


def test_stretching_and_mirroring_move_boxes_by_the_ratio_of_each_axis() -> None:
    varied = SSDAugment(**CALM | {"size": (96, 32), "flip": 1.0}, mirror=MIRROR)(
        rectangles(SIZE, BOXES), generator_for(0)
    )
    assert varied.target.boxes_xyxy.tolist() == [[17, 12, 30, 40], [2, 4, 12, 88]]
    assert varied.target.size == (96, 32)
    # The left hand of the first object lay at x = 4; in the mirror it is the right hand at 32 - 4 / 2.
    assert varied.target.keypoints_xyv[0, 1].tolist() == [30, 12, 2]


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("size", [(64, 64), None])
def test_masks_boxes_keypoints_and_pixels_stay_together(seed: int, size: tuple[int, int] | None) -> None:
    augment = SSDAugment(size=size, distort=0.0, mirror=MIRROR)
    varied = augment(rectangles(SIZE, BOXES), generator_for(seed)).target
    image = augment(rectangles(SIZE, BOXES), generator_for(seed)).input
    assert image.shape[1:] == varied.size == varied.masks.shape[1:]
    for box, mask in zip(varied.boxes_xyxy, varied.masks, strict=True):
        tight = masks_to_boxes(mask[None])[0]
        assert (box - tight).abs().max() <= 1
        x1, y1, x2, y2 = (int(side) for side in ((box[:2] + 2).tolist() + (box[2:] - 2).tolist()))
        if x2 > x1 and y2 > y1:
            assert image[:, y1:y2, x1:x2].min() > 250  # the rectangle is white within its box
    seen = varied.keypoints_xyv[varied.keypoints_xyv[..., 2] > 0]
    assert (seen[:, :2] >= 0).all()
    assert (seen[:, :2] <= torch.tensor([varied.size[1], varied.size[0]])).all()


def test_zoom_out_shrinks_objects_on_the_mean_colour() -> None:
    augment = SSDAugment(**CALM | {"size": SIZE, "zoom_out": 1.0})
    sides = []
    for seed in range(60):
        varied = augment(rectangles(SIZE, [(0, 0, 64, 48)]), generator_for(seed))
        [box] = varied.target.boxes_xyxy.tolist()
        sides.append((box[2] - box[0]) / 64)
        outside = torch.ones(SIZE, dtype=torch.bool)
        outside[int(box[1]) : int(box[3]) + 1, int(box[0]) : int(box[2]) + 1] = False
        assert (varied.input[:, outside] == torch.tensor(PADDING_COLOUR)[:, None]).all()
    assert min(sides) < 0.3
    assert max(sides) > 0.8
    assert min(sides) >= 0.23


def test_zoom_out_has_its_probability() -> None:
    augment = SSDAugment(**CALM | {"zoom_out": 0.3})
    grown = [augment(rectangles(SIZE, BOXES), generator_for(seed)).input.shape[1] > 48 for seed in range(300)]
    assert 0.2 < sum(grown) / 300 < 0.4


@pytest.mark.parametrize("min_iou", [0.0, 0.1, 0.3, 0.5])
def test_crops_keep_the_overlap_that_was_asked_for(min_iou: float) -> None:
    boxes = torch.tensor([[10.0, 10, 50, 40], [60, 50, 95, 98]])
    whole = Window(0, 0, 100, 100)
    crops = [draw_crop(boxes, whole, (min_iou,), generator_for(seed)) for seed in range(50)]
    assert sum(crop != whole for crop in crops) > 40
    for crop in crops:
        box = crop.box_xyxy()[None]
        inside = centres_inside(boxes, box)[:, 0]
        assert box_iou(boxes, box)[inside].max() >= min_iou
        assert 0.5 <= crop.width / crop.height <= 2
        assert min(crop.width, crop.height) >= 30 - 1e-3
        assert box.min() >= 0
        assert box.max() <= 100 + 1e-3


def test_every_choice_of_overlap_is_made() -> None:
    boxes = torch.tensor([[10.0, 10, 80, 70]])
    whole = Window(0, 0, 100, 100)
    crops = [draw_crop(boxes, whole, MIN_IOUS, generator_for(seed)) for seed in range(300)]
    share = sum(crop == whole for crop in crops) / 300
    assert 0.08 < share < 0.35  # one in seven, and where a large overlap could not be found
    overlaps = torch.stack([box_iou(boxes, crop.box_xyxy()[None])[0, 0] for crop in crops])
    assert overlaps.min() < 0.3
    assert overlaps.max() > 0.9


def test_an_object_leaves_with_its_centre() -> None:
    augment = SSDAugment(**CALM | {"min_ious": (0.0,), "size": SIZE})
    counts = set()
    for seed in range(40):
        sample = rectangles(SIZE, BOXES, masks=False)
        canvas = Window(0, 0, 64, 48)
        varied = augment(sample, generator_for(seed)).target
        counts.add(tuple(varied.labels.tolist()))
        # The same draws, by hand: colours take eight numbers, zooming out one.
        generator = generator_for(seed)
        torch.rand(4, generator=generator), torch.rand(4, generator=generator), torch.rand((), generator=generator)
        window = draw_crop(sample.target.boxes_xyxy, canvas, (0.0,), generator)
        inside = centres_inside(sample.target.boxes_xyxy, window.box_xyxy()[None])[:, 0]
        assert varied.labels.tolist() == inside.nonzero()[:, 0].tolist()
        scale = torch.tensor([64 / window.width, 48 / window.height]).repeat(2)
        shift = torch.tensor([window.left, window.top]).repeat(2)
        wanted = (sample.target.boxes_xyxy[inside] - shift) * scale
        wanted = torch.stack([side.clamp(0, limit) for side, limit in zip(wanted.T, (64, 48, 64, 48), strict=True)], 1)
        assert (varied.boxes_xyxy - wanted).abs().max() <= 2  # whole pixels of the canvas
    assert counts == {(0,), (1,), (0, 1)}


def test_images_without_objects_stay_whole_and_others_than_objects_are_refused() -> None:
    empty = rectangles(SIZE, [])
    assert SSDAugment(**CALM | {"min_ious": (0.5,)})(empty, generator_for(0)).target.size == SIZE
    semantic = replace(empty, target=SemanticTarget(torch.zeros(SIZE, dtype=torch.uint8), SIZE), path="a.png")
    with pytest.raises(NoRowError, match=r"a\.png knows no SemanticTarget; it knows InstanceTarget"):
        SSDAugment()(semantic, generator_for(0))


def test_colours_vary_within_the_papers_limits() -> None:
    grey = torch.full((3, 8, 8), 100, dtype=torch.uint8)
    levels = torch.tensor([int(distort_colours(grey, 0.5, generator_for(seed))[0, 0, 0]) for seed in range(300)])
    assert 0.15 < (levels == 100).float().mean() < 0.4  # neither brightness nor contrast
    assert levels.min() >= 0.5 * 68 - 1
    assert levels.max() <= 1.5 * 132 + 1
    assert levels.max() - levels.min() > 90
    red = torch.tensor([200, 40, 40], dtype=torch.uint8)[:, None, None].expand(3, 4, 4)
    assert torch.equal(distort_colours(red, 0.0, generator_for(0)), red)
    turned = torch.stack([distort_colours(red, 1.0, generator_for(seed))[:, 0, 0] for seed in range(50)]).float()
    assert (turned[:, 0] > turned[:, 1:].amax(dim=1)).all()  # 18 degrees leave red red
    assert (turned[:, 1] - turned[:, 2]).std() > 5


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"flip": 2.0}, "flip must be"),
        ({"zoom_out": -1.0}, "zoom_out must be"),
        ({"largest_zoom": 0.5}, "largest_zoom must be"),
        ({"min_ious": (1.0,)}, "min_ious must be"),
        ({"min_ious": ()}, "min_ious must be"),
    ],
)
def test_wrong_settings_are_named(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SSDAugment(**wrong)
