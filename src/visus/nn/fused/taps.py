"""A convolution whose taps lie far apart, as one matrix product for each row of taps.

With dilations from about eight on, oneDNN has no fast kernel for bfloat16 on processors with AMX: the convolutions of
DeepLabv3's pyramid take ten times as long there as the products that they consist of.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor, nn

FAR: Final = 8
"""Cells between taps, from which on it is tried whether products are faster."""

_GAIN: Final = 0.5  # they have to take less than such a share of the time, so that noise decides nothing


_NOTHING: Final = slice(0, 0)


class TapRows:
    """The weights of a convolution, a matrix for each row of taps.

    Args:
        weight: of stride 1 and one group, in the type that it is computed in.
        bias: added to the sum.
        layer: whose padding keeps the size of the map.
    """

    def __init__(self, weight: Float[Tensor, "d c kh kw"], bias: Float[Tensor, " d"] | None, layer: nn.Conv2d) -> None:
        self.outputs, _, self.height, self.width = weight.shape
        self.dilation, self.bias = layer.dilation, bias
        rows = weight.permute(2, 3, 0, 1).flatten(1, 2)  # [kh, kw d, c]
        self.rows = [torch.ops.mkldnn._reorder_linear_weight(row.contiguous()) for row in rows]

    def __call__(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h w"]:
        """The convolution of a map in channels-last memory, summed in float32."""
        x = x.permute(0, 2, 3, 1)  # [b, h, w, c]
        total = x.new_zeros(*x.shape[:3], self.outputs, dtype=torch.float32)
        if self.bias is not None:
            total += self.bias
        for i, row in enumerate(self.rows):
            to_y, from_y = _overlap((i - self.height // 2) * self.dilation[0], x.shape[1])
            if to_y == from_y == _NOTHING:
                continue  # these taps see nothing but padding
            parts = torch.ops.mkldnn._linear_pointwise(x[:, from_y], row, None, "none", [], "")
            for j, part in enumerate(parts.split(self.outputs, dim=3)):
                to_x, from_x = _overlap((j - self.width // 2) * self.dilation[1], x.shape[2])
                total[:, to_y, to_x] += part[:, :, from_x]
        return total.permute(0, 3, 1, 2)


def _overlap(move: int, length: int) -> tuple[slice, slice]:
    """Which cells a tap moved by so many cells adds to, and which it reads."""
    if abs(move) >= length:
        return _NOTHING, _NOTHING
    return slice(max(0, -move), length - max(0, move)), slice(max(0, move), length + min(0, move))


def can_be_rows(layer: nn.Conv2d, dtype: torch.dtype) -> bool:
    """Whether a convolution is one whose taps lie far apart, in bfloat16."""
    kept = tuple((side - 1) // 2 * step for side, step in zip(layer.kernel_size, layer.dilation, strict=True))
    plain = layer.stride == (1, 1) and layer.groups == 1 and layer.padding == kept
    return dtype is torch.bfloat16 and plain and min(layer.dilation) >= FAR and all(n % 2 for n in layer.kernel_size)


def is_faster(one: Callable[[], object], other: Callable[[], object]) -> bool:
    """Whether the first takes less than half of the time of the second."""
    return _seconds(one) < _GAIN * _seconds(other)


def _seconds(call: Callable[[], object]) -> float:
    call()
    start = time.perf_counter()
    call()
    return time.perf_counter() - start
