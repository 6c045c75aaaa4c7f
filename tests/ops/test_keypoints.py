"""visus.ops.keypoints against torch's own bicubic resize, pycocotools' similarity and closed forms."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from visus.ops import keypoints as keypoints_module
from visus.ops.keypoints import decode_keypoints, encode_keypoints, flip_keypoints, object_keypoint_similarity


def smooth_logits(r: int, k: int, m: int = 56) -> Tensor:
    noise = torch.randn(r, k, 9, 9, generator=torch.Generator().manual_seed(0))
    return 5 * F.interpolate(noise, size=(m, m), mode="bicubic")


BOXES = torch.tensor(
    [
        [10.2, 5.7, 42.9, 130.1],
        [0.0, 0.0, 56.0, 56.0],
        [3.0, 4.0, 3.2, 4.1],  # under a pixel
        [7.5, 2.0, 200.5, 40.0],
        [5.0, 5.0, 5.0, 90.0],  # no width
        [1.0, 1.0, 31.0, 41.0],
    ]
)


class TestEncode:
    def test_cells_and_validity(self) -> None:
        box = torch.tensor([[10.0, 20.0, 18.0, 36.0]])
        points = torch.tensor(
            [
                [10.0, 20.0, 2.0],  # the first cell
                [13.0, 28.0, 1.0],  # x: 1.5 of 4 cells; y: 2 of 4
                [18.0, 36.0, 2.0],  # the far corner belongs to the last cell
                [9.9, 30.0, 2.0],  # outside
                [13.0, 36.1, 2.0],  # outside
                [13.0, 28.0, 0.0],  # not labelled
            ]
        )[None]
        index, valid = encode_keypoints(points, box, 4)
        assert index.tolist() == [[0, 2 * 4 + 1, 15, 0, 0, 0]]
        assert valid.tolist() == [[True, True, True, False, False, False]]

    def test_a_box_without_area_holds_nothing_but_its_corner(self) -> None:
        points = torch.tensor([[[5.0, 5.0, 2.0], [6.0, 5.0, 2.0], [4.0, 4.0, 2.0]]])
        index, valid = encode_keypoints(points, torch.tensor([[5.0, 5.0, 5.0, 5.0]]), 56)
        assert valid.tolist() == [[True, False, False]]
        assert ((index >= 0) & (index < 56 * 56)).all()

    @settings(max_examples=60, deadline=None)
    @given(st.floats(0, 500), st.floats(0, 500), st.floats(1, 300), st.floats(1, 300), st.integers(2, 64), st.data())
    def test_the_centre_of_the_cell_is_near_the_point(
        self, x1: float, y1: float, w: float, h: float, m: int, data: st.DataObject
    ) -> None:
        x, y = x1 + data.draw(st.floats(0, 0.999)) * w, y1 + data.draw(st.floats(0, 0.999)) * h
        index, valid = encode_keypoints(torch.tensor([[[x, y, 1.0]]]), torch.tensor([[x1, y1, x1 + w, y1 + h]]), m)
        assert bool(valid)
        row, column = divmod(int(index), m)
        assert abs(x1 + (column + 0.5) * w / m - x) <= 0.5 * w / m + 1e-3
        assert abs(y1 + (row + 0.5) * h / m - y) <= 0.5 * h / m + 1e-3


class TestDecode:
    def test_is_the_highest_pixel_of_the_bicubic_enlargement(self) -> None:
        logits = smooth_logits(len(BOXES), 5)
        xyv, scores = decode_keypoints(logits, BOXES)
        for i, box in enumerate(BOXES):
            w, h = (box[2:] - box[:2]).clamp(min=1).tolist()
            size = (math.ceil(h), math.ceil(w))
            enlarged = F.interpolate(logits[i : i + 1], size=size, mode="bicubic")[0].flatten(1)
            place = enlarged.argmax(dim=1)
            x = (place % size[1] + 0.5) * w / size[1] + box[0]
            y = (place // size[1] + 0.5) * h / size[0] + box[1]
            torch.testing.assert_close(xyv[i], torch.stack((x, y, torch.ones(5)), dim=1))
            torch.testing.assert_close(scores[i], enlarged.amax(dim=1))

    def test_groups_change_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        logits = smooth_logits(len(BOXES), 5)
        together = decode_keypoints(logits, BOXES)
        for elements in (1, 1 << 30):
            monkeypatch.setattr(keypoints_module, "_CACHE_ELEMENTS", elements)
            for ours, expected in zip(decode_keypoints(logits, BOXES), together, strict=True):
                torch.testing.assert_close(ours, expected)

    def test_the_cell_that_encode_gives_is_found_again(self) -> None:
        points = torch.tensor([[[20.0, 30.0, 2.0], [44.0, 61.0, 2.0]]])
        box = torch.tensor([[10.0, 12.0, 66.0, 68.0]])  # 56 pixels: a cell is a pixel
        index, _ = encode_keypoints(points, box, 56)
        logits = F.one_hot(index, 56 * 56).float().reshape(1, 2, 56, 56) * 10
        xyv, scores = decode_keypoints(logits, box)
        assert xyv[..., :2].tolist() == [[[20.5, 30.5], [44.5, 61.5]]]
        assert scores.tolist() == [[10, 10]]

    def test_no_boxes(self) -> None:
        xyv, scores = decode_keypoints(torch.zeros(0, 17, 56, 56), torch.zeros(0, 4))
        assert xyv.shape == (0, 17, 3)
        assert scores.shape == (0, 17)


class TestFlip:
    points = torch.tensor([[[1.0, 2.0, 2.0], [5.0, 3.0, 1.0], [0.0, 0.0, 0.0]]])

    def test_mirrors_and_exchanges_pairs(self) -> None:
        flipped = flip_keypoints(self.points, 10, ((1, 0),))
        assert flipped.tolist() == [[[5.0, 3.0, 1.0], [9.0, 2.0, 2.0], [0.0, 0.0, 0.0]]]

    def test_twice_is_nothing(self) -> None:
        assert torch.equal(flip_keypoints(flip_keypoints(self.points, 10, ((1, 2),)), 10, ((1, 2),)), self.points)


class TestSimilarity:
    def test_closed_form(self) -> None:
        target = torch.tensor([[[0.0, 0.0, 2.0], [10.0, 0.0, 1.0], [99.0, 99.0, 0.0]]])
        prediction = torch.tensor([[[3.0, 4.0, 1.0], [10.0, 0.0, 1.0], [0.0, 0.0, 1.0]]])
        similarity = object_keypoint_similarity(target, prediction, torch.tensor([100.0]), [0.1, 0.2, 0.3])
        expected = (math.exp(-25 / (2 * 100 * 0.2**2)) + 1) / 2
        assert similarity.item() == pytest.approx(expected, abs=1e-6)

    def test_shapes_and_objects_without_points(self) -> None:
        targets, predictions = torch.rand(3, 4, 3) + 1, torch.rand(2, 4, 3)
        targets[1, :, 2] = 0
        similarity = object_keypoint_similarity(targets, predictions, torch.full((3,), 9.0), torch.full((4,), 0.1))
        assert similarity.shape == (3, 2)
        assert similarity[1].tolist() == [0, 0]
        assert (similarity[[0, 2]] > 0).all()
