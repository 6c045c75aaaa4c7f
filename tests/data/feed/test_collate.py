from __future__ import annotations

import pytest
import torch

from visus.data.feed.collate import Collate
from visus.ops.padding import pad_images
from visus.types import ImageBatch

from .conftest import rectangles


def test_padding_keeps_every_image_in_its_corner() -> None:
    images = [torch.full((3, h, w), 7, dtype=torch.uint8) for h, w in ((10, 50), (33, 20))]
    batch = pad_images(images, divisor=32)
    assert batch.pixels.shape == (2, 3, 64, 64)
    assert batch.sizes.tolist() == [[10, 50], [33, 20]]
    for slot, image in zip(batch.pixels, images, strict=True):
        assert slot[:, : image.shape[1], : image.shape[2]].eq(7).all()
        assert slot.sum() == image.sum()


def test_equal_images_are_stacked() -> None:
    images = [torch.randint(0, 255, (3, 32, 64), dtype=torch.uint8) for _ in range(3)]
    assert torch.equal(pad_images(images).pixels, torch.stack(images))


def test_a_batcher_decides_about_the_images_and_leaves_targets() -> None:
    def batcher(images: list[torch.Tensor]) -> ImageBatch:
        return ImageBatch(torch.zeros(len(images), 3, 8, 8, dtype=torch.uint8), torch.full((len(images), 2), 8))

    batch = Collate(batcher=batcher)([rectangles((20, 30), [(1, 2, 9, 9)])])
    assert batch.inputs.pixels.shape == (1, 3, 8, 8)
    assert batch.targets[0].size == (20, 30)


def test_wrong_values_are_refused() -> None:
    with pytest.raises(ValueError, match="divisor"):
        Collate(divisor=0)
    with pytest.raises(ValueError, match="no images"):
        pad_images([])
