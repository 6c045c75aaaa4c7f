"""Arrays of NumPy and tensors to uint8 RGB: the door for images that lie in memory already."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Shaped, UInt8
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from visus.data.errors import ImageError
from visus.data.files.depth import Levels, eight_bits
from visus.data.files.images import rgb_pixels
from visus.data.files.opened import check_pixels

Array = Shaped[np.ndarray, "..."] | Shaped[Tensor, " ..."]

_CHANNELS = (1, 3, 4)
_ALLOWED = "uint8, uint16, bool or floats in 0..1, of shape [h, w], [h, w, c] or [c, h, w] with c in 1, 3, 4"
_ROUNDING = 1e-3  # by so much resizing overshoots 0 and 1


def array_images(array: Array, *, bgr: bool = False) -> list[UInt8[Tensor, "3 h w"]]:
    """The images in an array: one, or all of a batch with one more axis in front.

    An array of NumPy has its channels last where that is possible, a tensor has them first; the other way round is
    read where only that fits. One channel is grey, four are RGB with opacity, which is laid on white.

    Args:
        array: uint8 in 0..255, uint16 in 0..65535, bool, or floats in 0..1.
        bgr: the channels are blue, green and red, as OpenCV has them.

    Raises:
        ImageError: another shape, kind or range of values; the message has it.
    """
    first = isinstance(array, Tensor)  # where channels are looked for
    pixels = _numbers(array) if isinstance(array, Tensor) else np.asarray(array)
    shown = pixels[..., None] if pixels.ndim == 2 else pixels
    if shown.ndim not in (3, 4) or not shown.size or (axis := _channel_axis(shown.shape, first=first)) is None:
        raise ImageError(f"an image must be {_ALLOWED}, or a batch of these, not {_words(array)}")
    shown = np.moveaxis(shown, axis, -1)
    check_pixels(shown.shape[-3:-1], "an image")
    eight = _eight_bits(shown, array)
    return [_rgb(image, bgr=bgr) for image in (eight if eight.ndim == 4 else eight[None])]


def _numbers(tensor: Shaped[Tensor, " ..."]) -> NDArray[np.generic]:
    """A tensor as an array; NumPy has no bfloat16."""
    near = tensor.detach().cpu()
    array: NDArray[np.generic] = (near.float() if near.is_floating_point() else near).numpy()
    return array


def _channel_axis(shape: tuple[int, ...], *, first: bool) -> int | None:
    """The axis of the channels, from the end; None where there is none."""
    axes = (-3, -1) if first else (-1, -3)
    return next((axis for axis in axes if shape[axis] in _CHANNELS), None)


def _eight_bits(pixels: NDArray[np.generic], array: Array) -> NDArray[np.uint8]:
    """Values in 0 to 255."""
    if pixels.dtype == np.uint8:
        return pixels  # type: ignore[return-value]
    if pixels.dtype == bool:
        return pixels.astype(np.uint8) * np.uint8(255)
    if pixels.dtype == np.uint16:
        return eight_bits(pixels, Levels(white=65535))
    if pixels.dtype.kind != "f":
        raise ImageError(f"an image must be {_ALLOWED}, or a batch of these, not {_words(array)}")
    low, high = float(pixels.min()), float(pixels.max())
    if not (low >= -_ROUNDING and high <= 1 + _ROUNDING):  # NaN is refused, too
        cure = (
            "divide by 255, or undo the normalisation"
            if np.isfinite([low, high]).all()
            else "no number is allowed to be NaN"
        )
        raise ImageError(f"an image must be {_ALLOWED}, but {_words(array)} has {low:.4g} to {high:.4g}: {cure}")
    eight: NDArray[np.uint8] = np.rint(pixels.astype(np.float64).clip(0, 1) * 255).astype(np.uint8)
    return eight


def _rgb(pixels: NDArray[np.uint8], *, bgr: bool) -> UInt8[Tensor, "3 h w"]:
    """The pixels [h w c] of one image as RGB."""
    channels = pixels.shape[-1]
    if bgr and channels > 1:
        pixels = np.concatenate((pixels[..., 2::-1], pixels[..., 3:]), axis=-1)
    if channels == 4:  # laid on white by the rule of files
        return rgb_pixels(Image.fromarray(np.ascontiguousarray(pixels)))
    whole = np.broadcast_to(pixels, (*pixels.shape[:2], 3))
    return torch.from_numpy(whole.transpose(2, 0, 1).copy(order="C"))


def _words(array: Array) -> str:
    """The kind and the shape, for messages."""
    return f"{str(array.dtype).removeprefix('torch.')} of {list(array.shape)}"
