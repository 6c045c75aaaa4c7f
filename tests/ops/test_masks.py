"""visus.ops.masks against pycocotools, torch's own resampling and closed forms."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco_mask
from torch import Tensor
from torch.nn import functional as F

from visus.ops import masks as masks_module
from visus.ops.masks import Rle, mask_iou, masks_to_boxes, paste_masks, rle_area, rle_decode, rle_encode


def blobs(n: int, height: int, width: int, seed: int = 0) -> Tensor:
    """Smooth random masks with holes and pieces."""
    noise = torch.randn(n, 1, 6, 6, generator=torch.Generator().manual_seed(seed))
    return F.interpolate(noise, size=(height, width), mode="bicubic")[:, 0] > 0.3


def reference_rle(mask: Tensor) -> Rle:
    encoded = coco_mask.encode(np.asfortranarray(mask.numpy().astype(np.uint8)))
    return Rle(size=list(encoded["size"]), counts=encoded["counts"].decode())


class TestPaste:
    boxes = torch.tensor(
        [
            [10.2, 5.7, 42.9, 30.1],
            [0.0, 0.0, 50.0, 40.0],
            [-7.5, -3.2, 20.0, 11.0],  # reaches beyond the upper left corner
            [30.0, 20.0, 80.0, 70.0],  # and beyond the lower right one
            [12.3, 13.4, 12.4, 13.5],  # under a pixel
            [25.0, 8.0, 25.0, 8.0],  # nothing at all
            [90.0, 90.0, 120.0, 120.0],  # outside
        ]
    )
    maps = torch.rand(7, 28, 28, generator=torch.Generator().manual_seed(0))

    @pytest.mark.parametrize("m", [14, 28])
    def test_whole_pixels_is_a_resize_of_the_padded_map_into_the_rounded_box(self, m: int) -> None:
        maps = self.maps[:4, :m, :m]
        pasted = paste_masks(maps, self.boxes[:4], (40, 50), threshold=None)
        for soft, small, box in zip(pasted, maps, self.boxes[:4], strict=True):
            half = (box[2:] - box[:2]) * 0.5 * ((m + 2) / m)
            centre = (box[2:] + box[:2]) * 0.5
            x1, y1 = (centre - half).long().tolist()
            x2, y2 = (centre + half).long().tolist()
            window = F.interpolate(
                F.pad(small, (1, 1, 1, 1))[None, None], size=(y2 - y1 + 1, x2 - x1 + 1), mode="bilinear"
            )
            canvas = torch.zeros(300, 300)
            canvas[100 + y1 : 101 + y2, 100 + x1 : 101 + x2] = window[0, 0]
            torch.testing.assert_close(soft, canvas[100:140, 100:150], atol=1e-5, rtol=0)

    def test_pixel_centres_is_grid_sampling_on_the_box(self) -> None:
        kept = [0, 1, 2, 3, 6]
        boxes, maps = self.boxes[kept], self.maps[kept]
        x = (torch.arange(50) + 0.5 - boxes[:, 0:1]) / (boxes[:, 2:3] - boxes[:, 0:1]) * 2 - 1
        y = (torch.arange(40) + 0.5 - boxes[:, 1:2]) / (boxes[:, 3:4] - boxes[:, 1:2]) * 2 - 1
        grid = torch.stack((x[:, None].expand(-1, 40, -1), y[:, :, None].expand(-1, -1, 50)), dim=-1)
        expected = F.grid_sample(maps[:, None], grid, align_corners=False)[:, 0]
        pasted = paste_masks(maps, boxes, (40, 50), threshold=None, mode="pixel_centres")
        torch.testing.assert_close(pasted, expected, atol=1e-5, rtol=0)

    @pytest.mark.parametrize("mode", ["whole_pixels", "pixel_centres"])
    def test_threshold_gives_bool_of_the_soft_form(self, mode: str) -> None:
        soft = paste_masks(self.maps, self.boxes, (40, 50), threshold=None, mode=mode)  # type: ignore[arg-type]
        hard = paste_masks(self.maps, self.boxes, (40, 50), threshold=0.3, mode=mode)  # type: ignore[arg-type]
        assert hard.dtype == torch.bool
        assert torch.equal(hard, soft > 0.3)

    @pytest.mark.parametrize("mode", ["whole_pixels", "pixel_centres"])
    def test_windows_leave_nothing_out(self, mode: str) -> None:
        """The form for a CPU fills windows; the whole product of the weights says what each pixel ought to be."""
        lattice = masks_module._lattice(self.boxes, 28, mode)
        rows, columns = (masks_module._hat_weights(lattice, axis, length) for axis, length in ((1, 40), (0, 50)))
        soft = paste_masks(self.maps, self.boxes, (40, 50), threshold=None, mode=mode)  # type: ignore[arg-type]
        torch.testing.assert_close(soft, rows @ self.maps @ columns.mT, atol=1e-6, rtol=0)

    def test_chunks_change_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        whole = paste_masks(self.maps, self.boxes, (40, 50))
        monkeypatch.setattr(masks_module, "_CACHE_ELEMENTS", 1)
        assert torch.equal(paste_masks(self.maps, self.boxes, (40, 50)), whole)

    def test_no_masks(self) -> None:
        assert paste_masks(torch.zeros(0, 28, 28), torch.zeros(0, 4), (40, 50)).shape == (0, 40, 50)

    def test_half_precision_and_autocast_do_not_coarsen(self) -> None:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            pasted = paste_masks(self.maps, self.boxes, (40, 50), threshold=None)
        assert torch.equal(pasted, paste_masks(self.maps, self.boxes, (40, 50), threshold=None))
        assert paste_masks(self.maps.half(), self.boxes.half(), (40, 50), threshold=None).dtype == torch.float32

    def test_unknown_mode_is_refused(self) -> None:
        with pytest.raises(
            (ValueError, TypeError), match=r"'nearest'[\s\S]*'whole_pixels'"
        ):  # TypeError: checked annotations
            paste_masks(self.maps, self.boxes, (40, 50), mode="nearest")  # type: ignore[arg-type]


class TestBoxesAndOverlap:
    def test_masks_to_boxes_holds_the_outer_edges_of_the_pixels(self) -> None:
        masks = torch.zeros(3, 10, 20, dtype=torch.bool)
        masks[0, 2:5, 7:11] = True
        masks[1, 9, 19] = True
        assert masks_to_boxes(masks).tolist() == [[7, 2, 11, 5], [19, 9, 20, 10], [0, 0, 0, 0]]
        assert masks_to_boxes(masks[:0]).shape == (0, 4)

    def test_masks_to_boxes_agrees_with_pycocotools(self) -> None:
        masks = blobs(20, 33, 47)
        x, y, w, h = torch.tensor(np.array([coco_mask.toBbox(rle_encode(mask)) for mask in masks])).float().unbind(1)
        assert torch.equal(masks_to_boxes(masks), torch.stack((x, y, x + w, y + h), dim=1))

    def test_mask_iou_agrees_with_pycocotools(self, monkeypatch: pytest.MonkeyPatch) -> None:
        a, b = blobs(5, 33, 47), blobs(7, 33, 47, seed=1)
        expected = coco_mask.iou([rle_encode(m) for m in a], [rle_encode(m) for m in b], [0] * 7)
        np.testing.assert_allclose(mask_iou(a, b), expected, atol=1e-6)
        monkeypatch.setattr(masks_module, "_CHUNK_ELEMENTS", 500)
        np.testing.assert_allclose(mask_iou(a, b), expected, atol=1e-6)

    def test_mask_iou_of_nothing(self) -> None:
        empty = torch.zeros(2, 4, 4, dtype=torch.bool)
        assert mask_iou(empty, empty).tolist() == [[0, 0], [0, 0]]
        assert mask_iou(empty[:0], empty).shape == (0, 2)


SHAPES = [(1, 1), (5, 7), (1, 300), (300, 1), (8000, 200)]


class TestRle:
    @pytest.mark.parametrize("shape", SHAPES, ids=str)
    @pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
    def test_equals_pycocotools(self, shape: tuple[int, int], share: float) -> None:
        mask = torch.rand(shape, generator=torch.Generator().manual_seed(0)) < share
        encoded = rle_encode(mask)
        assert encoded == reference_rle(mask)
        assert torch.equal(rle_decode(encoded), mask)
        assert rle_area(encoded) == int(mask.sum())

    @pytest.mark.parametrize("i", range(8))
    def test_long_runs_equal_pycocotools(self, i: int) -> None:
        mask = blobs(8, 480, 640)[i]
        assert rle_encode(mask) == reference_rle(mask)

    @settings(max_examples=100, deadline=None)
    @given(st.integers(1, 12), st.integers(1, 12), st.data())
    def test_round_trip(self, height: int, width: int, data: st.DataObject) -> None:
        bits = data.draw(st.lists(st.booleans(), min_size=height * width, max_size=height * width))
        mask = torch.tensor(bits).reshape(height, width)
        encoded = rle_encode(mask)
        assert encoded == reference_rle(mask)
        assert torch.equal(rle_decode(encoded), mask)

    @settings(max_examples=100, deadline=None)
    @given(st.lists(st.integers(0, 2**33), min_size=1, max_size=20))
    def test_any_run_lengths_survive_compression(self, runs: list[int]) -> None:
        written = masks_module._compressed(np.array(runs))
        assert masks_module._decompressed(written.encode()).tolist() == runs

    def test_reads_bytes_and_plain_run_lengths(self) -> None:
        mask = torch.tensor([[True, False, True], [True, False, False]])
        compressed = rle_encode(mask)["counts"]
        for counts in (compressed, compressed.encode(), [0, 2, 2, 1, 1]):
            assert torch.equal(rle_decode({"size": [2, 3], "counts": counts}), mask)
            assert rle_area({"size": (2, 3), "counts": counts}) == 3

    def test_a_wrong_size_names_both(self) -> None:
        rle = rle_encode(blobs(1, 20, 30)[0])
        with pytest.raises(ValueError, match=r"cover 600 pixels, but size \[20, 31\] has 620"):
            rle_decode({"size": [20, 31], "counts": rle["counts"]})

    @pytest.mark.parametrize(
        ("counts", "message"),
        [
            ("", "not COCO's compressed"),
            ("\x01\x02", "not COCO's compressed"),
            ("é", "not COCO's compressed|cover"),
            ("o", "not COCO's compressed"),  # promises more, and ends
            ("o" * 20 + "0", "more than 60 bits"),
            ([-1, 7], "negative"),
        ],
    )
    def test_broken_counts_are_refused(self, counts: object, message: str) -> None:
        with pytest.raises(ValueError, match=message):
            rle_decode({"size": [2, 3], "counts": counts})

    def test_a_size_that_is_none_is_refused(self) -> None:
        with pytest.raises(ValueError, match=r"must be \[height, width\]"):
            rle_decode({"size": 6, "counts": [6]})
