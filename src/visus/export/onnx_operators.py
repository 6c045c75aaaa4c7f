"""The operators of visus in ONNX's own: what `torch.onnx.export` puts in the place of each.

Suppression becomes NonMaxSuppression, and RoIAlign becomes RoiAlign, whose ``output_half_pixel`` is the published form
without the shift by half a pixel and whose ``half_pixel`` is the aligned one. What depends on each box by itself, or on
all points chosen before, is a Scan. Where there may be no box, one that nobody asked for goes along and is cut off
again: run times disagree about tensors without rows.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from onnx import TensorProto, numpy_helper
from onnxscript import opset18

from visus.export.onnx_bodies import farthest_body, keypoint_body

op: Any = opset18  # whose annotations leave out what its functions take
TO_THE_END = int(np.iinfo(np.int64).max)


def visit(boxes: Any, groups: Any, iou_threshold: float) -> Any:
    """``visus::visit``: which boxes stay, the first being the best.

    NonMaxSuppression takes scores of each group: a box counts in its own alone, by its place.
    """
    boxes = op.Concat(boxes, constant(np.zeros((1, 4), np.float32)), axis=0)
    count = length(boxes)
    groups = op.Concat(groups, ints([0]), axis=0)
    every = op.Range(integer(0), op.Add(op.ReduceMax(groups, keepdims=0), integer(1)), integer(1))
    places = op.Range(integer(0), scalar(count), integer(1))
    score = op.Cast(op.Sub(op.Sub(scalar(count), integer(1)), places), to=TensorProto.FLOAT)
    own = op.Equal(op.Unsqueeze(every, ints([1])), op.Unsqueeze(groups, ints([0])))  # [groups, n]
    scores = op.Unsqueeze(op.Where(own, score, number(0)), ints([0]))
    threshold, least = constant(np.array([iou_threshold], np.float32)), constant(np.array([0.5], np.float32))
    found = op.NonMaxSuppression(op.Unsqueeze(boxes, ints([0])), scores, count, threshold, least)
    chosen = op.Gather(found, integer(2), axis=1)
    empty = op.Expand(integer(0), count)
    marked = op.ScatterElements(empty, chosen, op.Expand(integer(1), op.Shape(chosen)), axis=0)
    return without_last(op.Cast(marked, to=TensorProto.BOOL))


def roi_align(
    features: Sequence[Any],
    boxes: Any,
    image_index: Any,
    levels: Any,
    output_size: Sequence[int],
    strides: Sequence[float],
    sampling_ratio: int,
    aligned: bool,
) -> Any:
    """``visus::roi_align``: a RoiAlign for each level of the pyramid, and their bins in the order of the boxes."""
    pooled, places = [], []
    for level, feature in enumerate(features):
        if strides[2 * level] != strides[2 * level + 1]:
            raise ValueError(f"RoiAlign has one stride for both sides, not {strides[2 * level : 2 * level + 2]}")
        mine = op.Squeeze(op.NonZero(op.Equal(levels, integer(level))), ints([0]))
        one_more = constant(np.array([[0, 0, 1, 1]], np.float32))
        bins = op.RoiAlign(
            feature,
            op.Concat(op.Gather(boxes, mine, axis=0), one_more, axis=0),
            op.Concat(op.Gather(image_index, mine, axis=0), ints([0]), axis=0),
            coordinate_transformation_mode="half_pixel" if aligned else "output_half_pixel",
            output_height=output_size[0],
            output_width=output_size[1],
            sampling_ratio=sampling_ratio,
            spatial_scale=1 / strides[2 * level],
        )
        pooled.append(without_last(bins))
        places.append(mine)
    order = op.Concat(*places, axis=0)
    rows = op.Range(integer(0), scalar(length(boxes)), integer(1))
    back = op.ScatterElements(op.Mul(rows, integer(0)), order, rows, axis=0)
    return op.Gather(op.Concat(*pooled, axis=0), back, axis=0)


def paste_masks(masks: Any, boxes: Any, height: Any, width: Any, threshold: float | None, mode: str) -> Any:
    """``visus::paste_masks``: two products for each box."""
    cells = int(masks.shape[-1])
    low, high = (op.Slice(boxes, ints([start]), ints([start + 2]), ints([1])) for start in (0, 2))
    border = 0
    if mode == "whole_pixels":
        border = 1
        half = op.Mul(op.Sub(high, low), number(0.5 * ((cells + 2) / cells)))
        centre = op.Mul(op.Add(high, low), number(0.5))
        low, high = truncated(op.Sub(centre, half)), truncated(op.Add(centre, half))
        cell = op.Div(op.Max(op.Add(op.Sub(high, low), number(1)), number(1)), number(cells + 2))
    else:
        cell = op.Div(op.Sub(high, low), number(cells))
    cell = op.Max(cell, number(1e-6))
    rows, columns = (
        _hats(op.Gather(low, ints([axis]), axis=1), op.Gather(cell, ints([axis]), axis=1), side, cells, border)
        for axis, side in ((1, height), (0, width))
    )
    soft = op.MatMul(op.MatMul(rows, masks), op.Transpose(columns, perm=[0, 2, 1]))
    return soft if threshold is None else op.Greater(soft, number(threshold))


def _hats(low: Any, cell: Any, length_: Any, cells: int, border: int) -> Any:
    """The weight of each cell for each pixel of a side, [n, length, cells]."""
    pixel = op.Add(op.Cast(op.Range(integer(0), scalar(length_), integer(1)), to=TensorProto.FLOAT), number(0.5))
    source = op.Sub(op.Div(op.Sub(pixel, low), cell), number(0.5 + border))
    distance = op.Abs(op.Sub(op.Unsqueeze(source, ints([2])), constant(np.arange(cells, dtype=np.float32))))
    return op.Max(op.Sub(number(1), distance), number(0))


def decode_keypoints(logits: Any, boxes: Any) -> Any:
    """``visus::decode_keypoints``: the maps of one box after the other, enlarged to its pixels."""
    count, cells = int(logits.shape[1]), int(logits.shape[2])
    logits = op.Concat(logits, constant(np.zeros((1, count, cells, cells), np.float32)), axis=0)
    boxes = op.Concat(boxes, constant(np.array([[0, 0, 1, 1]], np.float32)), axis=0)
    found = without_last(op.Scan(logits, boxes, num_scan_inputs=2, body=keypoint_body(count, cells)))
    places = op.Gather(found, ints([0, 1]), axis=2)
    scores = op.Gather(found, integer(2), axis=2)
    seen = op.Add(op.Mul(op.Unsqueeze(scores, ints([2])), number(0)), number(1))
    return op.Concat(places, seen, axis=2), scores


def farthest_points(points: Any, count: int, start: int) -> Any:
    """``visus::farthest_points``: one point after the other."""
    points_of_each = int(points.shape[1])
    clouds = length(points)
    axes = [op.Gather(points, integer(axis), axis=2) for axis in range(3)]
    beyond = np.full((1, points_of_each), 1e30, np.float32)  # as good as infinite, and no two farthest to begin with
    beyond[0, start] = 2e30
    far = op.Expand(constant(beyond), op.Concat(clouds, ints([1]), axis=0))
    none = op.Expand(number(0), op.Concat(clouds, ints([count]), axis=0))
    steps = constant(np.arange(count, dtype=np.int64))
    row = op.Concat(far, *axes, none, axis=1)
    chosen = op.Scan(row, steps, num_scan_inputs=1, body=farthest_body(points_of_each))
    return op.Cast(op.Slice(chosen, ints([4 * points_of_each]), ints([TO_THE_END]), ints([1])), to=TensorProto.INT64)


def ball_query(points: Any, centres: Any, radius: float, count: int) -> Any:
    """``visus::ball_query``: the smallest indices inside, and the first again and again where they are few."""
    distances = _squared_distances(centres, points)
    beyond = scalar(op.Slice(op.Shape(points), ints([1]), ints([2])))
    index = op.Range(integer(0), beyond, integer(1))
    inside = op.Where(op.Less(distances, number(radius**2)), index, beyond)
    shape = op.Concat(op.Slice(op.Shape(distances), ints([0]), ints([2])), ints([count]), axis=0)
    inside = op.Concat(inside, op.Expand(beyond, shape), axis=2)
    found, _ = op.TopK(inside, ints([count]), axis=2, largest=0, sorted=1)
    first = op.Slice(found, ints([0]), ints([1]), ints([2]))
    first = op.Where(op.Less(first, beyond), first, op.ArgMin(distances, axis=2, keepdims=1))
    return op.Where(op.Less(found, beyond), found, first)


def nearest_points(points: Any, centres: Any, count: int) -> Any:
    """``visus::nearest_points``."""
    if int(points.shape[2]) <= 3:
        compared = _squared_distances(centres, points)
    else:
        squares = op.Unsqueeze(op.ReduceSum(op.Mul(points, points), ints([2]), keepdims=0), ints([1]))
        products = op.MatMul(centres, op.Transpose(points, perm=[0, 2, 1]))
        compared = op.Sub(squares, op.Mul(products, number(2)))
    _, index = op.TopK(compared, ints([count]), axis=2, largest=0, sorted=1)
    return index


def _squared_distances(a: Any, b: Any) -> Any:
    """[b, m, n], summed coordinate by coordinate as `visus.ops.points.squared_distances` does."""
    total = None
    for axis in range(int(a.shape[2])):
        one = op.Gather(a, ints([axis]), axis=2)  # [b, m, 1]
        other = op.Transpose(op.Gather(b, ints([axis]), axis=2), perm=[0, 2, 1])  # [b, 1, n]
        difference = op.Sub(one, other)
        squared = op.Mul(difference, difference)
        total = squared if total is None else op.Add(total, squared)
    return total


def stable_sort(self: Any, *, stable: bool | None = None, dim: int = -1, descending: bool = False) -> Any:
    """``aten::sort.stable``: of equal numbers, the lower index comes first.

    ONNX Runtime's TopK takes it first and OpenVINO's does not, so whole numbers, which are groups with many members,
    are sorted together with their places. Equal scores are left to the run time.
    """
    size = op.Slice(op.Shape(self), ints([dim]), ints([dim + 1 if dim != -1 else TO_THE_END]))
    if self.dtype != TensorProto.INT64 or len(self.shape) != 1 or descending:
        return op.TopK(self, size, axis=dim, largest=int(descending), sorted=1)
    places = op.Range(integer(0), scalar(size), integer(1))
    _, order = op.TopK(op.Add(op.Mul(self, size), places), size, axis=dim, largest=0, sorted=1)
    return op.Gather(self, order, axis=0), order


def smaller(a: Any, b: Any) -> Any:
    """``torch.sym_min`` of sizes."""
    return op.Min(*(op.Constant(value_int=one) if isinstance(one, int) else one for one in (a, b)))


def at_most(a: Any, b: Any) -> Any:
    """Whether a size is within a bound that the exporter found; one that 64 bits do not hold becomes their largest."""
    sides = (op.Constant(value_int=min(one, 2**63 - 1)) if isinstance(one, int) else one for one in (a, b))
    return op.LessOrEqual(*sides)


def translations() -> dict[Callable[..., Any], Callable[..., Any]]:
    """What `torch.onnx.export` takes as ``custom_translation_table``."""
    import visus.ops  # noqa: F401  registers the operators

    ours = torch.ops.visus
    return {
        ours.visit.default: visit,
        ours.roi_align.default: roi_align,
        ours.paste_masks.default: paste_masks,
        ours.decode_keypoints.default: decode_keypoints,
        ours.farthest_points.default: farthest_points,
        ours.ball_query.default: ball_query,
        ours.nearest_points.default: nearest_points,
        torch.ops.aten.sort.stable: stable_sort,
        torch.sym_min: smaller,
        operator.le: at_most,
    }


def constant(value: np.ndarray[Any, Any]) -> Any:
    """An array as a value of the graph."""
    return op.Constant(value=numpy_helper.from_array(value))


def ints(values: Sequence[int]) -> Any:
    """Whole numbers, [n]."""
    return constant(np.array(values, np.int64))


def integer(value: int) -> Any:
    """One whole number."""
    return constant(np.array(value, np.int64))


def number(value: float) -> Any:
    """One number."""
    return constant(np.array(value, np.float32))


def scalar(value: Any) -> Any:
    """A size, however it comes, as one whole number without axes."""
    return integer(value) if isinstance(value, int) else op.Squeeze(op.Reshape(value, ints([1])), ints([0]))


def length(value: Any) -> Any:
    """The rows of a tensor, [1]."""
    return op.Slice(op.Shape(value), ints([0]), ints([1]))


def truncated(value: Any) -> Any:
    """Without what stands behind the point."""
    return op.Cast(op.Cast(value, to=TensorProto.INT64), to=TensorProto.FLOAT)


def without_last(value: Any) -> Any:
    """All rows but the last."""
    return op.Slice(value, ints([0]), ints([-1]), ints([0]))
