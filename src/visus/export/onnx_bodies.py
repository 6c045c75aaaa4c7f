"""The bodies of ONNX's Scan for what is done box by box, or point after point, written in ONNX's own text."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import numpy_helper, parser

_CUBIC = -0.75  # the slope of the kernel, as in visus.ops.keypoints


def keypoint_body(count: int, cells: int) -> onnx.GraphProto:
    """The keypoints of one box: its maps enlarged to its pixels; x, y and the logit of the highest pixel of each.

    Args:
        count: keypoints.
        cells: of a side of a map.
    """
    fold = np.zeros((cells + 4, cells), np.float32)
    fold[np.arange(cells + 4), np.clip(np.arange(-2, cells + 2), 0, cells - 1)] = 1
    return _with(
        _keypoint_text(count, cells),
        one=np.float32(1),
        two=np.float32(2),
        zero=np.float32(0),
        half=np.float32(0.5),
        cells=np.float32(cells),
        near_a=np.float32(_CUBIC + 2),
        near_b=np.float32(_CUBIC + 3),
        far_a=np.float32(_CUBIC),
        far_b=np.float32(5 * _CUBIC),
        far_c=np.float32(8 * _CUBIC),
        far_d=np.float32(4 * _CUBIC),
        cell=np.arange(-2, cells + 2, dtype=np.float32),
        fold=fold,
        shape=np.array([count, -1], np.int64),
        i0=np.array(0, np.int64),
        i1=np.array(1, np.int64),
        k0=np.array([0], np.int64),
        k1=np.array([1], np.int64),
        k2=np.array([2], np.int64),
        k4=np.array([4], np.int64),
    )


def _keypoint_text(count: int, cells: int) -> str:
    """The nodes of `keypoint_body`."""
    return f"""
    keypoints (float[{count},{cells},{cells}] maps, float[4] box) => (float[{count},3] found) {{
      low = Slice (box, k0, k2)
      high = Slice (box, k2, k4)
      difference = Sub (high, low)
      sides = Max (difference, one)
      pixels = Ceil (sides)
      {_cubic("w", "i0")}
      {_cubic("h", "i1")}
      w_turned = Transpose <perm = [1, 0]> (w_weights)
      across = MatMul (maps, w_turned)
      enlarged = MatMul (h_weights, across)
      flat = Reshape (enlarged, shape)
      score = ReduceMax <keepdims = 1> (flat, k1)
      place = ArgMax <axis = 1, keepdims = 0> (flat)
      width = Cast <to = 7> (w_pixels)
      y = Div (place, width)
      begun = Mul (y, width)
      x = Sub (place, begun)
      x_column = Unsqueeze (x, k1)
      y_column = Unsqueeze (y, k1)
      both = Concat <axis = 1> (x_column, y_column)
      numbers = Cast <to = 1> (both)
      middle = Add (numbers, half)
      step = Div (sides, pixels)
      scaled = Mul (middle, step)
      moved = Add (scaled, low)
      found = Concat <axis = 1> (moved, score)
    }}"""


def _cubic(side: str, index: str) -> str:
    """The weight of each cell for each pixel of a side, as `visus.ops.keypoints` has them."""
    return f"""{side}_pixels = Gather (pixels, {index})
      {side}_index = Range (zero, {side}_pixels, one)
      {side}_ratio = Div (cells, {side}_pixels)
      {side}_centre = Add ({side}_index, half)
      {side}_place = Mul ({side}_ratio, {side}_centre)
      {side}_source = Sub ({side}_place, half)
      {side}_column = Unsqueeze ({side}_source, k1)
      {side}_offset = Sub ({side}_column, cell)
      {side}_x = Abs ({side}_offset)
      {side}_n1 = Mul ({side}_x, near_a)
      {side}_n2 = Sub ({side}_n1, near_b)
      {side}_n3 = Mul ({side}_n2, {side}_x)
      {side}_n4 = Mul ({side}_n3, {side}_x)
      {side}_near = Add ({side}_n4, one)
      {side}_f1 = Mul ({side}_x, far_a)
      {side}_f2 = Sub ({side}_f1, far_b)
      {side}_f3 = Mul ({side}_f2, {side}_x)
      {side}_f4 = Add ({side}_f3, far_c)
      {side}_f5 = Mul ({side}_f4, {side}_x)
      {side}_far = Sub ({side}_f5, far_d)
      {side}_is_near = LessOrEqual ({side}_x, one)
      {side}_is_far = Less ({side}_x, two)
      {side}_beyond = Where ({side}_is_far, {side}_far, zero)
      {side}_all = Where ({side}_is_near, {side}_near, {side}_beyond)
      {side}_weights = MatMul ({side}_all, fold)"""


def farthest_body(length: int) -> onnx.GraphProto:
    """The next point: the farthest from all that were chosen before.

    PyTorch's exporter knows no Scan of several outputs, so that all lies in one row for each cloud: the distance of
    each point to the nearest that was chosen, huge at first, the coordinates, and those that were chosen, the last at
    the end.

    Args:
        length: points of a cloud.
    """
    text = """
    farthest (float[b,t] row, int64 step) => (float[b,t] next) {
      nearest = Slice (row, k0, k1n, k1)
      x = Slice (row, k1n, k2n, k1)
      y = Slice (row, k2n, k3n, k1)
      z = Slice (row, k3n, k4n, k1)
      current = ArgMax <axis = 1, keepdims = 1> (nearest)
      px = GatherElements <axis = 1> (x, current)
      py = GatherElements <axis = 1> (y, current)
      pz = GatherElements <axis = 1> (z, current)
      dx = Sub (x, px)
      dy = Sub (y, py)
      dz = Sub (z, pz)
      xx = Mul (dx, dx)
      yy = Mul (dy, dy)
      zz = Mul (dz, dz)
      xy = Add (xx, yy)
      distance = Add (xy, zz)
      nearer = Min (nearest, distance)
      before = Slice (row, k4n1, most, k1)
      number = Cast <to = 1> (current)
      next = Concat <axis = 1> (nearer, x, y, z, before, number)
    }"""
    places = {f"k{times}n": np.array([times * length], np.int64) for times in range(1, 5)}
    return _with(
        text,
        k0=np.array([0], np.int64),
        k1=np.array([1], np.int64),
        k4n1=np.array([4 * length + 1], np.int64),
        most=np.array([np.iinfo(np.int64).max], np.int64),
        **places,
    )


def _with(text: str, **constants: np.ndarray | np.float32) -> onnx.GraphProto:
    """The graph that ``text`` describes, with the arrays that it names."""
    graph = parser.parse_graph(text)
    for name, value in constants.items():
        graph.initializer.append(numpy_helper.from_array(np.asarray(value), name))
    return graph
