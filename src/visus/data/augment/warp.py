"""One affine map for everything in a sample; here the map itself, and images, masks and maps of labels drawn by it.

A `Warp` draws a window of the source onto a rectangle of a canvas, then turns and mirrors the canvas. The rectangles
have whole-number corners, so that scaling and cropping are a resize of the window with exact low-pass filtering, and
boxes and keypoints follow the very same numbers. Everything is drawn once; nothing is resampled twice.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64, UInt8
from torch import Tensor
from torch.nn import functional as F

PADDING_COLOUR = (124, 116, 104)
"""ImageNet's mean colour, which the usual normalisation makes (nearly) zero."""


@dataclass(frozen=True)
class Span:
    """Along one axis, the pixels ``source`` [first, last) are drawn onto the pixels ``target`` [first, last)."""

    source: tuple[int, int]
    target: tuple[int, int]

    @property
    def scale(self) -> float:
        """Target pixels for each source pixel."""
        return (self.target[1] - self.target[0]) / (self.source[1] - self.source[0])

    @property
    def offset(self) -> float:
        """Where the source's 0 comes to lie."""
        return self.target[0] - self.scale * self.source[0]


@dataclass(frozen=True)
class Warp:
    """Draws a window of the source onto a canvas (h, w), turns the canvas clockwise, then mirrors it left to right."""

    rows: Span
    columns: Span
    canvas: tuple[int, int]
    degrees: float = 0.0
    mirrored: bool = False

    def matrix(self) -> Float64[Tensor, "2 3"]:
        """Maps (x, y, 1) of the source to (x, y) of the canvas."""
        place = torch.tensor(
            [[self.columns.scale, 0, self.columns.offset], [0, self.rows.scale, self.rows.offset], [0, 0, 1]],
            dtype=torch.float64,
        )
        height, width = self.canvas
        cos, sin = math.cos(math.radians(self.degrees)), math.sin(math.radians(self.degrees))
        x, y = width / 2, height / 2
        turn = torch.tensor(
            [[cos, -sin, x - cos * x + sin * y], [sin, cos, y - sin * x - cos * y]], dtype=torch.float64
        )
        if self.mirrored:
            turn[0] = torch.tensor([0, 0, width], dtype=torch.float64) - turn[0]
        return turn @ place


def place(
    size: tuple[int, int], canvas: tuple[int, int], scale: float | tuple[float, float], offset: tuple[float, float]
) -> Warp:
    """The warp that draws an image of ``size`` (h, w), scaled, with its upper left corner at ``offset`` (y, x)."""
    scales = scale if isinstance(scale, tuple) else (scale, scale)
    rows, columns = (_span(*axis) for axis in zip(size, canvas, offset, scales, strict=True))
    return Warp(rows=rows, columns=columns, canvas=canvas)


def warp_image(image: UInt8[Tensor, "3 _h _w"], warp: Warp) -> UInt8[Tensor, "3 h w"]:
    """Draw an image through ``warp``, filtered where it shrinks; the rest of the canvas is `PADDING_COLOUR`."""
    if warp.degrees:
        return _turned_image(image, warp)
    rows, columns = warp.rows, warp.columns
    window = image[:, slice(*rows.source), slice(*columns.source)]
    (top, bottom), (left, right) = rows.target, columns.target
    if window.shape[1:] != (bottom - top, right - left):
        window = _resized(window, (bottom - top, right - left))
    height, width = warp.canvas
    window = window[:, max(0, -top) : max(0, height - top), max(0, -left) : max(0, width - left)]
    if window.shape[1:] != warp.canvas:
        padded = torch.tensor(PADDING_COLOUR, dtype=torch.uint8)[:, None, None].repeat(1, height, width)
        padded[:, max(0, top) : max(0, top) + window.shape[1], max(0, left) : max(0, left) + window.shape[2]] = window
        window = padded
    return window.flip(-1) if warp.mirrored else window.contiguous()


def warp_maps(
    maps: Bool[Tensor, "n _h _w"] | UInt8[Tensor, "n _h _w"], warp: Warp, *, outside: int = 0
) -> Bool[Tensor, "n h w"] | UInt8[Tensor, "n h w"]:
    """Draw masks or maps of labels through ``warp``: a pixel of the canvas takes the one that its centre falls into.

    Args:
        maps: what is drawn.
        warp: the map.
        outside: the value of the canvas outside of the source.
    """
    source = maps.numpy()
    if warp.degrees:
        inside, nearest = _nearest_pixels((maps.shape[1], maps.shape[2]), warp)
        drawn = source.reshape(len(source), math.prod(source.shape[1:]))[:, nearest]
        return torch.from_numpy(np.where(inside, drawn, np.asarray(outside, dtype=source.dtype)))
    (to_rows, from_rows), (to_columns, from_columns) = (
        _nearest_along(span, side) for span, side in zip((warp.rows, warp.columns), warp.canvas, strict=True)
    )
    if warp.mirrored:
        to_columns = slice(warp.canvas[1] - to_columns.stop, warp.canvas[1] - to_columns.start)
        from_columns = from_columns[::-1]
    drawn = np.full((len(source), *warp.canvas), outside, dtype=source.dtype)
    drawn[:, to_rows, to_columns] = source[:, from_rows][:, :, from_columns]
    return torch.from_numpy(drawn)


def _span(size: int, canvas: int, offset: float, scale: float) -> Span:
    """The visible pixels of an axis and where they go, both whole numbers; at least one pixel goes somewhere."""
    first = min(max(math.floor(-offset / scale), 0), size - 1)
    last = max(min(math.ceil((canvas - offset) / scale), size), first + 1)
    start = round(first * scale + offset)
    stop = max(round(last * scale + offset), start + 1)
    return Span(source=(first, last), target=(start, stop))


def _resized(image: UInt8[Tensor, "3 _h _w"], size: tuple[int, int]) -> UInt8[Tensor, "3 h w"]:
    batch = image[None].contiguous(memory_format=torch.channels_last)  # twice as fast on uint8
    resized: Tensor = F.interpolate(batch, size, mode="bilinear", antialias=True)[0]
    return resized


def _turned_image(image: UInt8[Tensor, "3 _h _w"], warp: Warp) -> UInt8[Tensor, "3 h w"]:
    height, width = image.shape[-2:]
    if min(warp.rows.scale, warp.columns.scale) < 0.75:  # sampling alone would alias
        shrunk = (max(1, round(height * warp.rows.scale)), max(1, round(width * warp.columns.scale)))
        image = _resized(image, shrunk)
    x, y = _source_positions(warp).unbind(-1)
    grid = torch.stack((2 * x / width - 1, 2 * y / height - 1), dim=-1)
    fill = torch.tensor(PADDING_COLOUR)[:, None, None].float()
    drawn = F.grid_sample((image - fill)[None], grid[None], align_corners=False)[0]
    return (drawn + fill).round_().clamp_(0, 255).to(torch.uint8)


def _source_positions(warp: Warp) -> Float[Tensor, "h w 2"]:
    """The (x, y) in the source of the centre of each pixel of the canvas."""
    matrix = warp.matrix()
    inverse = torch.linalg.inv(matrix[:, :2])
    height, width = warp.canvas
    x = torch.arange(width, dtype=torch.float64) + 0.5 - matrix[0, 2]
    y = torch.arange(height, dtype=torch.float64) + 0.5 - matrix[1, 2]
    positions: Tensor = x[None, :, None] * inverse[:, 0] + y[:, None, None] * inverse[:, 1]
    return positions.float()


def _nearest_pixels(size: tuple[int, int], warp: Warp) -> tuple[np.ndarray, np.ndarray]:
    """For each pixel of the canvas: whether it lies in the source, and the flat index of the pixel there."""
    height, width = size
    x, y = _source_positions(warp).floor().long().unbind(-1)
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    return inside.numpy(), (y.clamp(0, height - 1) * width + x.clamp(0, width - 1)).numpy()


def _nearest_along(span: Span, side: int) -> tuple[slice, np.ndarray]:
    """The pixels of the canvas that a span covers, and the source pixel that each of their centres falls into."""
    first, last = max(span.target[0], 0), min(span.target[1], side)
    last = max(last, first)
    positions = (np.arange(first, last) + 0.5 - span.offset) / span.scale
    return slice(first, last), positions.astype(np.int64).clip(span.source[0], span.source[1] - 1)
