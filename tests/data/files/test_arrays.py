"""Images in memory: one image in every form that arrays and tensors have, and what is refused."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
import torch

from visus.data.errors import ImageError
from visus.data.files.arrays import array_images

PIXELS = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)  # h w c
IMAGE = torch.from_numpy(PIXELS).permute(2, 0, 1).contiguous()
FORMS: dict[str, Any] = {
    "array, channels last": PIXELS,
    "array, channels first": PIXELS.transpose(2, 0, 1),
    "tensor, channels first": IMAGE,
    "tensor, channels last": torch.from_numpy(PIXELS),
    "float64 in 0..1": PIXELS / 255,
    "float32 in 0..1": (PIXELS / 255).astype(np.float32),
    "float tensor with gradients": (IMAGE / 255).requires_grad_(),
    "float that overshoots by rounding": (PIXELS / 255) * 1.0002,
    "uint16": PIXELS.astype(np.uint16) * 256 + 17,
    "opaque": np.dstack([PIXELS, np.full((5, 7), 255, np.uint8)]),
    "not writable": np.frombuffer(PIXELS.tobytes(), np.uint8).reshape(5, 7, 3),
    "reversed view": PIXELS[::-1][::-1],
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_pixels(form: str) -> None:
    (image,) = array_images(FORMS[form])
    assert image.dtype == torch.uint8
    assert torch.equal(image, IMAGE)


def test_blue_first() -> None:
    (image,) = array_images(np.ascontiguousarray(PIXELS[..., ::-1]), bgr=True)
    assert torch.equal(image, IMAGE)
    with_opacity = np.dstack([PIXELS[..., ::-1], np.full((5, 7), 255, np.uint8)])
    assert torch.equal(array_images(with_opacity, bgr=True)[0], IMAGE)
    assert torch.equal(array_images(IMAGE.flip(0), bgr=True)[0], IMAGE)


def test_grey_in_every_form() -> None:
    grey = PIXELS[..., 0]
    for form in (grey, grey[..., None], grey[None], torch.from_numpy(grey), torch.from_numpy(grey)[None]):
        (image,) = array_images(form)
        assert all(np.array_equal(channel, grey) for channel in image.numpy())
    (image,) = array_images(grey > 100)
    assert np.array_equal(image[0], np.where(grey > 100, 255, 0))


def test_opacity_is_laid_on_white() -> None:
    pixels = np.zeros((2, 2, 4), np.uint8)
    pixels[0, :, 3] = 255
    (image,) = array_images(pixels)
    assert image[0].tolist() == [[0, 0], [255, 255]]


def test_half_precision() -> None:
    (image,) = array_images((IMAGE / 255).bfloat16())
    assert (image.int() - IMAGE.int()).abs().max() <= 1


@pytest.mark.parametrize("batch", [np.stack([PIXELS] * 2), torch.stack([IMAGE] * 2), np.stack([PIXELS[..., :1]] * 2)])
def test_one_more_axis_is_a_batch(batch: Any) -> None:
    assert [tuple(image.shape) for image in array_images(batch)] == [(3, 5, 7)] * 2


def test_where_both_ends_may_be_channels_arrays_have_them_last_and_tensors_first() -> None:
    pixels = np.arange(3 * 4 * 3, dtype=np.uint8).reshape(3, 4, 3)
    assert array_images(pixels)[0].shape == (3, 3, 4)
    assert array_images(torch.from_numpy(pixels))[0].shape == (3, 4, 3)


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (PIXELS.astype(np.int64), "not int64 of [5, 7, 3]"),
        (PIXELS[..., :2], "not uint8 of [5, 7, 2]"),
        (np.zeros((0, 3, 3), np.uint8), "not uint8 of [0, 3, 3]"),
        (np.zeros(5), "not float64 of [5]"),
        (torch.zeros(1, 1, 3, 4, 4), "not float32 of [1, 1, 3, 4, 4]"),
        (np.array(["a.jpg"]), "of [1]"),
        (PIXELS.astype(np.float32), "has 0 to 248: divide by 255"),
        (PIXELS / 127.5 - 1, "has -1 to 0.9451: divide by 255, or undo the normalisation"),
        (np.full((4, 4, 3), np.nan), "NaN"),
    ],
)
def test_anything_else_is_refused_in_one_true_line(array: Any, said: str) -> None:
    with pytest.raises(ImageError, match=re.escape(said)) as raised:
        array_images(array)
    assert "\n" not in str(raised.value)
