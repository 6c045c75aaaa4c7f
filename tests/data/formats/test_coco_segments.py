from __future__ import annotations

from typing import Any

import numpy as np
import pycocotools.mask as reference
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from visus.data.formats.coco_segments import draw_segments, pack_polygons, packed, segmentation_of, unpacked
from visus.ops.masks import rle_encode
from visus.ops.outlines import rle_of

corners = st.lists(st.floats(-10, 70, width=32), min_size=6, max_size=20).map(lambda flat: flat[: len(flat) // 2 * 2])


@settings(max_examples=150, deadline=None)
@given(
    height=st.integers(1, 50),
    width=st.integers(1, 50),
    objects=st.lists(st.lists(corners, min_size=1, max_size=3), max_size=3),
)
def test_polygons_are_drawn_as_the_reference_draws_them(
    height: int, width: int, objects: list[list[list[float]]]
) -> None:
    masks = draw_segments(list(objects), (height, width))
    assert masks.shape == (len(objects), height, width)
    for mask, polygons in zip(masks, objects, strict=True):
        expected = reference.decode(reference.merge(reference.frPyObjects(polygons, height, width)))
        assert np.array_equal(mask.numpy(), expected)


@settings(max_examples=50, deadline=None)
@given(height=st.integers(1, 20), width=st.integers(1, 20), seed=st.integers(0, 1000), share=st.floats(0, 1))
def test_run_lengths_in_both_forms(height: int, width: int, seed: int, share: float) -> None:
    mask = torch.rand(height, width, generator=torch.Generator().manual_seed(seed)) < share
    column_major = mask.T.flatten().int().tolist()
    counts, value = [0], 0
    for pixel in column_major:
        if pixel != value:
            counts.append(0)
            value = pixel
        counts[-1] += 1
    drawn = draw_segments([dict(rle_encode(mask)), {"size": [height, width], "counts": counts}], (height, width))
    assert torch.equal(drawn, mask.expand(2, -1, -1))


@pytest.mark.parametrize(
    ("segmentation", "message"),
    [
        ({"size": [4, 5], "counts": [20]}, r"\[4, 5\].*\[5, 4\]"),
        ({"size": [5, 4], "counts": [3, 4]}, "7.*20"),
        ({"counts": [20]}, "nor run lengths with their size"),
        ({"size": [5, 4], "counts": [30, -10]}, "negative"),
    ],
)
def test_run_lengths_of_the_wrong_size_are_refused(segmentation: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        rle_of(segmentation, (5, 4))


def test_compressed_run_lengths_that_do_not_fill_the_image_are_refused() -> None:
    short = dict(rle_encode(torch.ones(3, 4, dtype=torch.bool)), size=[5, 4])
    with pytest.raises(ValueError, match="12"):
        rle_of(short, (5, 4))


def test_what_counts_as_an_outline() -> None:
    assert segmentation_of({}) is None
    assert segmentation_of({"segmentation": []}) is None
    assert segmentation_of({"segmentation": [[1, 2, 3, 4]]}) is None
    assert segmentation_of({"segmentation": [[1, 2, 3, 4], [0, 0, 4, 0, 4, 4]]}) == [[0, 0, 4, 0, 4, 4]]
    assert segmentation_of({"segmentation": {"size": [1, 1], "counts": [1]}}) == {"size": [1, 1], "counts": [1]}


@pytest.mark.parametrize(
    "outline",
    [
        [[1, 2.5, 3, 4, 5, 6]],
        [[0.1] * 6, [1e9, -1e9, 0.0, 1 / 3, 2, 7, 8, 9]],
        [[float(number) for number in range(6)]] * 123,  # as many as the character that opens a JSON object
        {"size": [4, 5], "counts": [20]},
        {"size": [4, 5], "counts": "d0"},
    ],
)
def test_packing_loses_nothing(outline: Any) -> None:
    assert unpacked(packed(outline)) == outline
    record = pack_polygons({"segmentation": outline})
    assert segmentation_of(record) == outline
    assert packed(record["segmentation"]) == packed(outline)


def test_packing_leaves_alone_what_the_reader_refuses() -> None:
    for wrong in ([1, 2, 3], [[[1, 2], [3, 4]]], [[1, 2, 3, 4, 5, "6"]], "mask.png", 7):
        assert pack_polygons({"segmentation": wrong}) == {"segmentation": wrong}
    assert segmentation_of(pack_polygons({"segmentation": [[1, 2, 3, 4]]})) is None
    assert pack_polygons({"id": 1}) == {"id": 1}
    for nothing in (None, [], {}, b""):
        assert packed(nothing) == b""
