from __future__ import annotations

import dataclasses

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor

from rectangles import MIRROR, rectangles
from visus.data.augment.warp import PADDING_COLOUR, Span, Warp, place, warp_image, warp_maps
from visus.data.augment.warp_targets import warp_sample, warp_target
from visus.ops.masks import mask_iou, masks_to_boxes

BOXES = [(4, 6, 30, 20), (40, 2, 60, 44), (10, 28, 36, 46)]
SIZE = (48, 64)

warps = st.builds(
    lambda scale, y, x, mirrored, degrees, canvas: dataclasses.replace(
        place(SIZE, canvas, scale, (y, x)), mirrored=mirrored, degrees=degrees
    ),
    scale=st.floats(0.3, 3.0),
    y=st.floats(-60, 40),
    x=st.floats(-60, 40),
    mirrored=st.booleans(),
    degrees=st.sampled_from([0.0, 0.0, 12.0, -70.0]),
    canvas=st.sampled_from([(48, 64), (80, 56), (33, 97)]),
)


def drawn_through(box: tuple[int, int, int, int], warp: Warp) -> tuple[Tensor, Tensor]:
    """The pixels of the canvas whose centres the inverse map takes into ``box``, and those that fall on its edge."""
    matrix = torch.cat((warp.matrix(), torch.tensor([[0.0, 0.0, 1.0]], dtype=torch.float64)))
    inverse = torch.linalg.inv(matrix)
    rows, columns = torch.meshgrid(*(torch.arange(side) + 0.5 for side in warp.canvas), indexing="ij")
    x, y, _ = (inverse @ torch.stack((columns, rows, torch.ones_like(rows))).double().flatten(1)).view(3, *warp.canvas)
    inside = (x > box[0]) & (x < box[2]) & (y > box[1]) & (y < box[3])
    edge = (
        torch.stack([(x - box[0]).abs(), (x - box[2]).abs(), (y - box[1]).abs(), (y - box[3]).abs()]).amin(dim=0) < 1e-4
    )
    return inside, edge


@settings(max_examples=80, deadline=None)
@given(warp=warps)
def test_masks_are_what_the_matrix_draws(warp: Warp) -> None:
    sample = rectangles(SIZE, BOXES)
    assert sample.target.masks is not None
    masks = warp_maps(sample.target.masks, warp)
    for mask, box in zip(masks, BOXES, strict=True):
        expected, edge = drawn_through(box, warp)
        assert torch.equal(mask | edge, expected | edge)  # a centre on the edge may go either way


@settings(max_examples=80, deadline=None)
@given(warp=warps)
def test_image_and_masks_agree(warp: Warp) -> None:
    sample = rectangles(SIZE, [BOXES[1]])
    assert sample.target.masks is not None
    image = warp_image(sample.input, warp)
    assert image.shape == (3, *warp.canvas)
    mask = warp_maps(sample.target.masks, warp)
    assume(int(mask.sum()) > 100)
    # The bright rectangle of the image is the mask, up to the blurred edge.
    assert float(mask_iou((image[0] > 127)[None], mask)) > 0.75


@settings(max_examples=80, deadline=None)
@given(warp=warps, with_masks=st.booleans())
def test_boxes_and_areas_bound_what_is_drawn(warp: Warp, with_masks: bool) -> None:
    sample = rectangles(SIZE, BOXES, masks=with_masks)
    target = warp_target(sample.target, warp, mirror=MIRROR)
    height, width = warp.canvas
    assert target.size == warp.canvas
    for box, label, area in zip(target.boxes_xyxy, target.labels.tolist(), target.areas.tolist(), strict=True):
        assert 0 <= box[0] < box[2] <= width
        assert 0 <= box[1] < box[3] <= height
        expected, _ = drawn_through(BOXES[label], warp)
        assume(int(expected.sum()) > 25)
        tight = masks_to_boxes(expected[None])[0]
        if with_masks or not warp.degrees:
            assert (box - tight).abs().max() <= 1.5 * max(1.0, warp.rows.scale)
            assert area == pytest.approx(int(expected.sum()), rel=0.3, abs=25)
        else:
            assert (box[:2] <= tight[:2] + 1).all()
            assert (box[2:] >= tight[2:] - 1).all()


@settings(max_examples=60, deadline=None)
@given(warp=warps)
def test_keypoints_follow_the_matrix_or_are_lost(warp: Warp) -> None:
    sample = rectangles(SIZE, BOXES)
    target = warp_target(sample.target, warp, mirror=MIRROR)
    assert target.keypoints_xyv is not None
    assert sample.target.keypoints_xyv is not None
    height, width = warp.canvas
    order = [1, 0, 2] if warp.mirrored else [0, 1, 2]
    for label, points in zip(target.labels.tolist(), target.keypoints_xyv, strict=True):
        before = sample.target.keypoints_xyv[label][order]
        moved = before[:, :2].double() @ warp.matrix()[:, :2].T + warp.matrix()[:, 2]
        for old, new, now in zip(before, moved, points, strict=True):
            inside = 0 <= new[0] <= width and 0 <= new[1] <= height and old[2] > 0
            if now[2] > 0:
                assert now[2] == old[2]
                assert torch.allclose(now[:2].double(), new, atol=1e-3)
            else:
                assert now.eq(0).all()
                near = min(abs(new[0]), abs(new[1]), abs(new[0] - width), abs(new[1] - height)) < 1e-3
                assert near or not inside


def mirror(size: tuple[int, int]) -> Warp:
    rows, columns = (Span(source=(0, side), target=(0, side)) for side in size)
    return Warp(rows=rows, columns=columns, canvas=size, mirrored=True)


def test_mirroring_twice_is_the_identity() -> None:
    sample = rectangles(SIZE, [*BOXES, (0, 0, 64, 48), (63, 47, 64, 48)])
    image = torch.randint(0, 255, (3, *SIZE), dtype=torch.uint8)
    sample = dataclasses.replace(sample, input=image)
    once = warp_sample(sample, mirror(SIZE), mirror=MIRROR)
    twice = warp_sample(once, mirror(SIZE), mirror=MIRROR)
    assert not torch.equal(once.input, image)
    assert torch.equal(twice.input, image)
    for name in ("boxes_xyxy", "labels", "areas", "is_crowd", "masks", "keypoints_xyv"):
        assert torch.equal(getattr(twice.target, name), getattr(sample.target, name)), name


def test_left_and_right_change_places() -> None:
    target = warp_target(rectangles(SIZE, [(4, 6, 30, 20)]).target, mirror(SIZE), mirror=MIRROR)
    assert target.keypoints_xyv is not None
    assert target.keypoints_xyv[0].tolist() == [[34, 20, 1], [60, 6, 2], [0, 0, 0]]
    assert target.boxes_xyxy.tolist() == [[34, 6, 60, 20]]


def test_mirroring_keypoints_needs_their_pairs() -> None:
    with pytest.raises(ValueError, match=r"mirror=mirror_of\(schema\)"):
        warp_target(rectangles(SIZE, BOXES).target, mirror(SIZE))


@pytest.mark.parametrize("with_masks", [True, False])
def test_objects_that_are_mostly_gone_are_dropped(with_masks: bool) -> None:
    # The canvas shows columns 26 on: 4 of 26 columns of the first object, 10 of 26 of the third.
    target = rectangles(SIZE, BOXES, masks=with_masks).target
    warp = place(SIZE, SIZE, 1.0, (0, -26))
    assert warp_target(target, warp, min_visible=0.25).labels.tolist() == [1, 2]
    assert warp_target(target, warp, min_visible=0.1).labels.tolist() == [0, 1, 2]
    kept = warp_target(target, warp, min_visible=0.1)
    assert kept.boxes_xyxy[0].tolist() == [0, 6, 4, 20]
    assert kept.areas.tolist() == pytest.approx([4 * 14, 20 * 42, 10 * 18])


def test_a_mask_decides_how_much_is_left() -> None:
    # An L whose foot alone stays: half of the box, a fifth of the object.
    sample = rectangles((20, 20), [(0, 0, 20, 20)])
    mask = torch.zeros(1, 20, 20, dtype=torch.bool)
    mask[:, :, :8] = True
    mask[:, 18:] = True
    target = dataclasses.replace(sample.target, masks=mask, areas=mask.sum(dim=(1, 2)).float())
    warp = place((20, 20), (20, 20), 1.0, (0, -10))
    assert len(warp_target(target, warp, min_visible=0.25)) == 0
    left = warp_target(target, warp)
    assert left.boxes_xyxy.tolist() == [[0, 18, 10, 20]]
    assert left.areas.tolist() == pytest.approx([20])


def test_an_object_without_a_mask_keeps_its_box() -> None:
    sample = rectangles(SIZE, BOXES)
    assert sample.target.masks is not None
    masks = sample.target.masks.clone()
    masks[1] = False
    target = warp_target(dataclasses.replace(sample.target, masks=masks), place(SIZE, SIZE, 1.0, (-10, 0)))
    assert target.boxes_xyxy[1].tolist() == [40, 0, 60, 34]


def test_objects_that_become_thinner_than_a_pixel_are_dropped() -> None:
    target = rectangles(SIZE, [(4, 6, 7, 40), (10, 10, 50, 40)]).target
    assert warp_target(target, place(SIZE, (16, 16), 0.25, (0, 0))).labels.tolist() == [1]


def test_no_objects() -> None:
    sample = rectangles(SIZE, [])
    for degrees in (0.0, 20.0):
        warp = dataclasses.replace(place(SIZE, (30, 30), 0.5, (2, 2)), degrees=degrees)
        target = warp_sample(sample, warp, mirror=MIRROR).target
        assert target.masks is not None
        assert target.masks.shape == (0, 30, 30)


def test_what_is_beyond_the_image_is_padding() -> None:
    image = torch.full((3, 10, 10), 255, dtype=torch.uint8)
    drawn = warp_image(image, place((10, 10), (30, 40), 1.0, (5, 8)))
    assert drawn[:, 5:15, 8:18].eq(255).all()
    outside = torch.ones(30, 40, dtype=torch.bool)
    outside[5:15, 8:18] = False
    assert (drawn[:, outside] == torch.tensor(PADDING_COLOUR)[:, None]).all()
    turned = warp_image(image, dataclasses.replace(place((10, 10), (30, 40), 1.0, (5, 8)), degrees=45))
    assert turned[:, 0, 0].tolist() == list(PADDING_COLOUR)


@pytest.mark.parametrize("degrees", [90.0, -90.0, 180.0])
def test_quarter_turns_move_whole_pixels(degrees: float) -> None:
    """A turn by right angles about the middle of a square exchanges pixel centres: nothing is blurred or shifted."""
    image = torch.randint(0, 256, (3, 12, 12), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    warp = dataclasses.replace(place((12, 12), (12, 12), 1.0, (0, 0)), degrees=degrees)
    turned = torch.rot90(image, -round(degrees / 90), (1, 2))
    assert torch.equal(warp_image(image, warp), turned)
    assert torch.equal(warp_maps(image, warp), turned)


@pytest.mark.parametrize("offset", [(31.0, 0.0), (-31.0, 0.0), (0.0, 45.0), (0.0, -45.0)])
def test_an_image_beyond_the_canvas_leaves_padding(offset: tuple[float, float]) -> None:
    sample = rectangles((10, 10), [(0, 0, 10, 10)])
    warped = warp_sample(sample, place((10, 10), (30, 40), 3.0, offset), mirror=MIRROR)
    assert (warped.input == torch.tensor(PADDING_COLOUR)[:, None, None]).all()
    assert len(warped.target) == 0


@pytest.mark.parametrize("degrees", [0.0, 8.0])
def test_shrinking_filters(degrees: float) -> None:
    # A board of single pixels must become grey, not a moiré of black and white.
    board = ((torch.arange(128)[:, None] + torch.arange(128)) % 2 * 255).to(torch.uint8).expand(3, -1, -1)
    warp = dataclasses.replace(place((128, 128), (32, 32), 0.25, (0, 0)), degrees=degrees)
    middle = warp_image(board, warp)[:, 8:24, 8:24].float()
    assert (middle - 127.5).abs().max() < 12


@pytest.mark.parametrize("size", [(1, 1), (1, 200), (200, 1)])
@pytest.mark.parametrize("offset", [(0.0, 0.0), (-500.0, 300.0)])
def test_extreme_sizes(size: tuple[int, int], offset: tuple[float, float]) -> None:
    sample = rectangles(size, [(0, 0, size[1], size[0])])
    for scale in (0.01, 1.0, 50.0):
        for degrees in (0.0, 30.0):
            warp = dataclasses.replace(place(size, (16, 24), scale, offset), degrees=degrees)
            assert warp_sample(sample, warp, mirror=MIRROR).input.shape == (3, 16, 24)
