"""Layouts and windows against loops over pixels."""

from __future__ import annotations

import torch

from visus.ops.graphs import GEOMETRIC, geometric_relation
from visus.ops.layout import compose_layout, masks_in_boxes, place_in_image, windows

HALVES = torch.tensor([[0.0, 0.0, 0.5, 1.0], [0.5, 0.25, 1.0, 0.75]])


def test_a_full_mask_fills_its_box() -> None:
    """Bilinear edges are half as much at the border, as they fade within a cell of the mask."""
    laid = masks_in_boxes(torch.ones(2, 16, 16), HALVES, (8, 8))
    inside = torch.zeros(2, 8, 8, dtype=torch.bool)
    inside[0, :, :4] = inside[1, 2:6, 4:] = True
    assert torch.equal(laid >= 0.5, inside)
    assert torch.equal(laid[~inside], torch.zeros_like(laid[~inside]))
    torch.testing.assert_close(laid[0, 1:-1, 1:3], torch.ones(6, 2))


def test_a_mask_of_the_image_is_itself() -> None:
    mask = torch.rand(1, 8, 8)
    torch.testing.assert_close(masks_in_boxes(mask, torch.tensor([[0.0, 0.0, 1.0, 1.0]]), (8, 8)), mask)


def test_layouts_are_sums_over_the_objects_of_an_image() -> None:
    torch.manual_seed(0)
    vectors, masks, owners = torch.randn(5, 3), torch.rand(5, 4, 6), torch.tensor([1, 0, 1, 1, 0])
    wanted = torch.zeros(3, 3, 4, 6)
    for vector, mask, owner in zip(vectors, masks, owners.tolist(), strict=True):
        wanted[owner] += vector[:, None, None] * mask
    torch.testing.assert_close(compose_layout(vectors, masks, owners, 3), wanted)


def test_places_count_within_an_image() -> None:
    places, most = place_in_image(torch.tensor([1, 0, 1, 1, 0]), 3)
    assert places.tolist() == [0, 0, 1, 2, 1]
    assert most == 3


def test_windows_are_what_lies_in_boxes() -> None:
    images = torch.rand(2, 3, 8, 8)
    found = windows(images, HALVES, torch.tensor([1, 0]), 4)
    assert found.shape == (2, 3, 4, 4)
    torch.testing.assert_close(found[1], images[0, :, 2:6, 4:])
    torch.testing.assert_close(found[0], images[1, :, :, :4].unflatten(1, (4, 2)).mean(2))


def test_windows_and_layouts_have_gradients() -> None:
    images = torch.rand(1, 1, 6, 6, dtype=torch.float64, requires_grad=True)
    boxes = torch.tensor([[0.1, 0.2, 0.7, 0.9]], dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda some: windows(some, boxes, torch.tensor([0]), 3), (images,))
    masks = torch.rand(1, 4, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda some: masks_in_boxes(some, boxes, (5, 5)), (masks,))


def test_relationships_by_place() -> None:
    middle = torch.tensor([10.0, 10.0, 20.0, 20.0])
    places = {
        "left of": [0.0, 11, 8, 21],
        "right of": [24.0, 5, 34, 20],
        "above": [12.0, 0, 22, 8],
        "below": [9.0, 30, 21, 40],
        "inside": [12.0, 12, 15, 15],
        "surrounding": [5.0, 5, 25, 25],
    }
    for name, box in places.items():
        assert GEOMETRIC[geometric_relation(torch.tensor(box), middle)] == name
