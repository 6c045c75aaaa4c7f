from __future__ import annotations

import re
from dataclasses import replace

import pytest
import torch

from rectangles import rectangles
from visus.data.feed.collate import Collate
from visus.nn.backbones.interface import Backbone
from visus.nn.square import SquareTransform
from visus.nn.transform import ImageTransform
from visus.ops.padding import pad_images
from visus.systems.classification.transforms import CentreCrop
from visus.types import ImageBatch

BATCHERS = {
    "padding": pad_images,
    "one side": ImageTransform(min_size=16, max_size=None).batch,
    "own size": ImageTransform(min_size=None).batch,
    "square": SquareTransform(size=16).batch,
    "middle": CentreCrop(size=16, body=Backbone()).batch,
}
WRONG = {
    "grey": torch.zeros(1, 8, 8, dtype=torch.uint8),
    "channels last": torch.zeros(8, 8, 3, dtype=torch.uint8),
    "with transparency": torch.zeros(4, 8, 8, dtype=torch.uint8),
    "no channels": torch.zeros(8, 8, dtype=torch.uint8),
    "a batch": torch.zeros(1, 3, 8, 8, dtype=torch.uint8),
    "yes and no": torch.zeros(3, 8, 8, dtype=torch.bool),
    "long numbers": torch.zeros(3, 8, 8, dtype=torch.int64),
    "no row": torch.zeros(3, 0, 8, dtype=torch.uint8),
    "no column": torch.zeros(3, 8, 0),
    "nothing": torch.zeros(0),
}


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


@pytest.mark.parametrize("form", WRONG)
@pytest.mark.parametrize("batcher", BATCHERS)
def test_what_is_no_image_is_refused_with_its_shape(batcher: str, form: str) -> None:
    good, wrong = torch.zeros(3, 8, 8, dtype=torch.uint8), WRONG[form]
    kind, shape = str(wrong.dtype).removeprefix("torch."), list(wrong.shape)
    with pytest.raises(
        ValueError, match=rf"must be \[3, height, width\] in RGB.* is {kind} of {re.escape(str(shape))}"
    ):
        BATCHERS[batcher]([good, wrong])


@pytest.mark.parametrize("form", WRONG)
@pytest.mark.parametrize("batcher", [None, *BATCHERS])
def test_the_paths_of_a_batch_with_a_wrong_image_are_named(batcher: str | None, form: str) -> None:
    sample = rectangles((8, 8), [])
    samples = [replace(sample, path="good.png"), replace(sample, input=WRONG[form], path="folder/wrong.png")]
    shape = re.escape(str(list(WRONG[form].shape)))
    with pytest.raises(ValueError, match=rf"{shape} \(in the batch of good\.png, folder/wrong\.png\)"):
        Collate(batcher=BATCHERS[batcher] if batcher else None)(samples)
    with pytest.raises(ValueError, match=r"in the batch of unnamed samples"):
        Collate(batcher=BATCHERS[batcher] if batcher else None)([replace(one, path="") for one in samples])


@pytest.mark.parametrize("batcher", BATCHERS)
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32, torch.float64])
def test_bytes_and_floats_are_images(batcher: str, dtype: torch.dtype) -> None:
    batch = BATCHERS[batcher]([torch.ones(3, 9, 7, dtype=dtype), torch.ones(3, 6, 8, dtype=dtype)])
    assert batch.pixels.shape[:2] == (2, 3)
    assert batch.frames == ([(9, 7), (6, 8)])


def test_bytes_beside_floats_become_shares() -> None:
    white = torch.full((3, 2, 2), 255, dtype=torch.uint8)
    assert pad_images([white, torch.ones(3, 2, 2)]).pixels.eq(1).all()


def test_targets_and_paths_stay_beside_their_images() -> None:
    samples = [replace(rectangles((8, w), [(0, 0, 4, 4)]), path=f"{w}.png") for w in (8, 12)]
    batch = Collate()(samples)
    assert batch.paths == ["8.png", "12.png"]
    assert [target.size for target in batch.targets] == batch.inputs.frames == [(8, 8), (8, 12)]


def test_wrong_values_are_refused() -> None:
    with pytest.raises(ValueError, match="divisor"):
        Collate(divisor=0)
    with pytest.raises(ValueError, match="no images"):
        pad_images([])
