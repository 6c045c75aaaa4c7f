"""Boxes as tensors: areas, overlaps, the regression code of Faster R-CNN, and the ways to write a box down.

A box is x1, y1, x2, y2 in pixels unless a name says otherwise. Areas, overlaps and codes of half-precision boxes are
computed and returned in float32: the area of a box of 300 by 300 pixels is already more than float16 holds.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float, Shaped
from torch import Tensor

Weights = tuple[float, float, float, float]
"""What the four numbers of a box code are multiplied by, so that they have about unit variance."""

MAX_LOG_SCALE = math.log(1000 / 16)
"""The largest growth of a side that ``decode_boxes`` follows, so that an untrained network cannot overflow."""


def box_area(boxes: Float[Tensor, "*n 4"]) -> Float[Tensor, "*n"]:
    """Compute the area of each box in square pixels."""
    x1, y1, x2, y2 = at_least_float32(boxes).unbind(-1)
    return (x2 - x1) * (y2 - y1)


def box_iou(a: Float[Tensor, "n 4"], b: Float[Tensor, "m 4"]) -> Float[Tensor, "n m"]:
    """Compute the intersection over union of each pair; 0 where both boxes are empty."""
    intersection, union = _intersection_and_union(a, b)
    return intersection / torch.where(union > 0, union, 1)


def generalized_box_iou(a: Float[Tensor, "n 4"], b: Float[Tensor, "m 4"]) -> Float[Tensor, "n m"]:
    """Compute the generalised intersection over union of each pair, from -1 to 1.

    Source: Rezatofighi et al., arXiv 1902.09630, algorithm 1. Where the box around both has no area, that penalty is 0.
    """
    intersection, union = _intersection_and_union(a, b)
    a, b = at_least_float32(a), at_least_float32(b)
    width, height = (torch.maximum(a[:, None, 2:], b[:, 2:]) - torch.minimum(a[:, None, :2], b[:, :2])).unbind(-1)
    hull = width * height
    return intersection / torch.where(union > 0, union, 1) - (hull - union) / torch.where(hull > 0, hull, 1)


def encode_boxes(
    targets: Float[Tensor, "n 4"], anchors: Float[Tensor, "n 4"], weights: Weights = (1.0, 1.0, 1.0, 1.0)
) -> Float[Tensor, "n 4"]:
    """Write each target as an offset and a log growth of its anchor (Faster R-CNN, arXiv 1506.01497, equation 2).

    Both need positive sides: the code of an empty box is infinite.
    """
    target = xyxy_to_cxcywh(at_least_float32(targets))
    anchor = xyxy_to_cxcywh(at_least_float32(anchors))
    offset = (target[:, :2] - anchor[:, :2]) / anchor[:, 2:]
    growth = torch.log(target[:, 2:] / anchor[:, 2:])
    return torch.cat((offset, growth), dim=1) * targets.new_tensor(weights, dtype=offset.dtype)


def decode_boxes(
    deltas: Float[Tensor, "*#n 4"], anchors: Float[Tensor, "*#n 4"], weights: Weights = (1.0, 1.0, 1.0, 1.0)
) -> Float[Tensor, "... 4"]:
    """Read the boxes that ``encode_boxes`` wrote; anchors broadcast against deltas, say [r 1 4] against [r classes 4].

    The log growth is cut off at ``MAX_LOG_SCALE``. The result has float32 or better.
    """
    code = at_least_float32(deltas)
    code = code / code.new_tensor(weights)
    anchor = xyxy_to_cxcywh(at_least_float32(anchors))
    centre = code[..., :2] * anchor[..., 2:] + anchor[..., :2]
    half = torch.exp(code[..., 2:].clamp(max=MAX_LOG_SCALE)) * anchor[..., 2:] * 0.5
    return torch.cat((centre - half, centre + half), dim=-1)


def clip_boxes(boxes: Float[Tensor, "*n 4"], size: tuple[int, int]) -> Float[Tensor, "*n 4"]:
    """Move the edges that lie outside an image of ``size`` (h, w) onto its border."""
    height, width = size
    x1, y1, x2, y2 = boxes.unbind(-1)
    return torch.stack((x1.clamp(0, width), y1.clamp(0, height), x2.clamp(0, width), y2.clamp(0, height)), dim=-1)


def large_boxes(boxes: Float[Tensor, "n 4"], min_size: float) -> Bool[Tensor, " n"]:
    """Tell which boxes have both sides of at least ``min_size`` pixels."""
    return ((boxes[:, 2:] - boxes[:, :2]) >= min_size).all(dim=1)


def xywh_to_xyxy(boxes: Float[Tensor, "*n 4"]) -> Float[Tensor, "*n 4"]:
    """Convert left, top, width, height (COCO's files) to left, top, right, bottom."""
    corner, sides = boxes[..., :2], boxes[..., 2:]
    return torch.cat((corner, corner + sides), dim=-1)


def xyxy_to_xywh(boxes: Float[Tensor, "*n 4"]) -> Float[Tensor, "*n 4"]:
    """Convert left, top, right, bottom to left, top, width, height."""
    return torch.cat((boxes[..., :2], boxes[..., 2:] - boxes[..., :2]), dim=-1)


def cxcywh_to_xyxy(boxes: Float[Tensor, "*n 4"]) -> Float[Tensor, "*n 4"]:
    """Convert centre, width, height to left, top, right, bottom."""
    centre, half = boxes[..., :2], 0.5 * boxes[..., 2:]
    return torch.cat((centre - half, centre + half), dim=-1)


def xyxy_to_cxcywh(boxes: Float[Tensor, "*n 4"]) -> Float[Tensor, "*n 4"]:
    """Convert left, top, right, bottom to centre, width, height."""
    sides = boxes[..., 2:] - boxes[..., :2]
    return torch.cat((boxes[..., :2] + 0.5 * sides, sides), dim=-1)


def at_least_float32(values: Shaped[Tensor, "*n"]) -> Float[Tensor, "*n"]:
    """The same numbers in float32 where they come in half precision, otherwise as they are."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


def _intersection_and_union(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    a, b = at_least_float32(a), at_least_float32(b)
    sides = (torch.minimum(a[:, None, 2:], b[:, 2:]) - torch.maximum(a[:, None, :2], b[:, :2])).clamp(min=0)
    intersection = sides[..., 0] * sides[..., 1]
    return intersection, box_area(a)[:, None] + box_area(b) - intersection
