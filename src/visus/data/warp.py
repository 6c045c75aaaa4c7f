"""One affine map for everything in a sample: the image, its boxes, masks, keypoints and areas.

A `Warp` draws a window of the source onto a rectangle of a canvas, then turns and mirrors the canvas. The rectangles
have whole-number corners, so that scaling and cropping are a resize of the window with exact low-pass filtering, and
boxes and keypoints follow the very same numbers. Everything is drawn once; nothing is resampled twice.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64, UInt8
from torch import Tensor
from torch.nn import functional as F

from visus.ops.boxes import box_area, clip_boxes, large_boxes
from visus.ops.keypoints import flip_keypoints
from visus.ops.masks import masks_to_boxes
from visus.types import InstanceTarget, Keypoints, Sample

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


def place(size: tuple[int, int], canvas: tuple[int, int], scale: float, offset: tuple[float, float]) -> Warp:
    """The warp that draws an image of ``size`` (h, w), scaled, with its upper left corner at ``offset`` (y, x)."""
    rows, columns = (_span(*axis, scale) for axis in zip(size, canvas, offset, strict=True))
    return Warp(rows=rows, columns=columns, canvas=canvas)


def warp_sample(sample: Sample, warp: Warp, *, keypoints: Keypoints | None = None, min_visible: float = 0.0) -> Sample:
    """Draw a sample through ``warp``; see `warp_target` for what happens to its objects."""
    target = warp_target(sample.target, warp, keypoints=keypoints, min_visible=min_visible)
    return replace(sample, image=warp_image(sample.image, warp), target=target)


def warp_target(
    target: InstanceTarget, warp: Warp, *, keypoints: Keypoints | None = None, min_visible: float = 0.0
) -> InstanceTarget:
    """Draw annotations through ``warp``.

    Boxes of objects that the canvas cuts, or that are turned, are drawn anew around what is left of their masks;
    without masks they are the clipped bounds of the warped corners. Areas scale with the map and with the part that is
    left. Keypoints outside the canvas become unlabelled. Objects of which less than ``min_visible`` is left, or
    nothing, or that become thinner than a pixel, are dropped.

    Args:
        target: the annotations.
        warp: the map.
        keypoints: which keypoints change places in a mirror; needed where ``warp`` mirrors a target with keypoints.
        min_visible: the least fraction of its area that an object keeps.
    """
    matrix = warp.matrix()
    corners = _warped_bounds(target.boxes_xyxy, matrix)
    boxes = clip_boxes(corners, warp.canvas)
    visible = box_area(boxes) / box_area(corners).clamp(min=1e-12)
    magnified = warp.rows.scale * warp.columns.scale  # turning and mirroring keep areas
    masks = None
    if target.masks is not None:
        masks = warp_masks(target.masks, warp)
        cut = (boxes != corners).any(dim=1) | (warp.degrees != 0)
        boxes, visible = _around_masks(boxes, visible, target.masks, masks, cut, magnified)
    points = target.keypoints_xyv
    if points is not None:
        points = _warped_keypoints(points, warp, keypoints)
    became_thin = ~large_boxes(boxes, 1.0) & large_boxes(target.boxes_xyxy, 1.0)
    keep = (visible >= min_visible) & (visible > 0) & (boxes[:, 2:] > boxes[:, :2]).all(dim=1) & ~became_thin
    warped = replace(
        target,
        boxes_xyxy=boxes,
        areas=target.areas * (magnified * visible),
        size=warp.canvas,
        masks=masks,
        keypoints_xyv=points,
    )
    return warped if bool(keep.all()) else warped[keep]


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


def warp_masks(masks: Bool[Tensor, "n _h _w"], warp: Warp) -> Bool[Tensor, "n h w"]:
    """Draw masks through ``warp``: each pixel of the canvas takes the source pixel that its centre falls into."""
    source = masks.numpy()
    if warp.degrees:
        inside, nearest = _nearest_pixels((masks.shape[1], masks.shape[2]), warp)
        drawn = source.reshape(len(source), math.prod(source.shape[1:]))[:, nearest] & inside
        return torch.from_numpy(drawn)
    (to_rows, from_rows), (to_columns, from_columns) = (
        _nearest_along(span, side) for span, side in zip((warp.rows, warp.columns), warp.canvas, strict=True)
    )
    if warp.mirrored:
        to_columns = slice(warp.canvas[1] - to_columns.stop, warp.canvas[1] - to_columns.start)
        from_columns = from_columns[::-1]
    drawn = np.zeros((len(source), *warp.canvas), dtype=bool)
    drawn[:, to_rows, to_columns] = source[:, from_rows][:, :, from_columns]
    return torch.from_numpy(drawn)


def _span(size: int, canvas: int, offset: float, scale: float) -> Span:
    """The visible pixels of an axis and where they go, both whole numbers; at least one pixel goes somewhere."""
    first = min(max(math.floor(-offset / scale), 0), size - 1)
    last = max(min(math.ceil((canvas - offset) / scale), size), first + 1)
    start = round(first * scale + offset)
    stop = max(round(last * scale + offset), start + 1)
    return Span(source=(first, last), target=(start, stop))


def _warped_bounds(boxes: Float[Tensor, "n 4"], matrix: Float64[Tensor, "2 3"]) -> Float[Tensor, "n 4"]:
    """The bounds of the warped corners of each box."""
    corners = boxes[:, [0, 1, 2, 1, 0, 3, 2, 3]].view(-1, 4, 2).double()
    moved = corners @ matrix[:, :2].T + matrix[:, 2]  # [n, 4, 2]
    return torch.cat((moved.amin(dim=1), moved.amax(dim=1)), dim=1).to(boxes.dtype)


def _around_masks(
    boxes: Tensor, visible: Tensor, before: Tensor, after: Tensor, cut: Tensor, magnified: float
) -> tuple[Tensor, Tensor]:
    """Boxes and visible fractions of the objects in ``cut`` from what is left of their masks."""
    if not cut.any():
        return boxes, visible
    pixels = before[cut].sum(dim=(1, 2))
    drawn = after[cut]
    tight = masks_to_boxes(drawn).to(boxes.dtype)
    clipped = boxes[cut]
    tight = torch.cat((torch.maximum(tight[:, :2], clipped[:, :2]), torch.minimum(tight[:, 2:], clipped[:, 2:])), dim=1)
    left = (drawn.sum(dim=(1, 2)) / (pixels.clamp(min=1) * magnified)).clamp(max=1).to(visible.dtype)
    known = pixels > 0
    boxes, visible = boxes.clone(), visible.clone()
    boxes[cut] = torch.where(known[:, None], tight, clipped)
    visible[cut] = torch.where(known, left, visible[cut])
    return boxes, visible


def _warped_keypoints(points: Float[Tensor, "n k 3"], warp: Warp, meaning: Keypoints | None) -> Float[Tensor, "n k 3"]:
    matrix = replace(warp, mirrored=False).matrix()
    height, width = warp.canvas
    xy = (points[..., :2].double() @ matrix[:, :2].T + matrix[:, 2]).to(points.dtype)
    inside = (xy >= 0).all(dim=-1) & (xy[..., 0] <= width) & (xy[..., 1] <= height) & (points[..., 2] > 0)
    moved = torch.cat((xy, points[..., 2:]), dim=-1) * inside[..., None]
    if not warp.mirrored:
        return moved
    if meaning is None:
        raise ValueError("mirroring keypoints needs their meaning: pass keypoints=schema.keypoints")
    return flip_keypoints(moved, width, meaning.flip_pairs)


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
