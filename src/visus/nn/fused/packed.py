"""Layers that only predict: norm folded into the weights, these packed once as oneDNN wants them, activation included.

The operators are those that PyTorch's own compiler emits for a CPU. They are no stable interface, so `optimize` tries
them before it trusts them. None of them has a gradient.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from visus.nn.fused.activations import NONE, Activation
from visus.nn.fused.taps import TapRows, can_be_rows, is_faster
from visus.nn.norm import FrozenBatchNorm2d, SameConv2d, folded, moved_for

Norm = FrozenBatchNorm2d | nn.BatchNorm2d

MOST_SIZES: Final = 16
"""For so many sizes of maps a layer keeps weights; for others it packs them at every call.

What is the best layout depends on the size of the map, and weights in another one cost more than those in none.
"""


class Origin:
    """The layers of the plain network that a packed one stands for; no submodules, so that no weight is named twice."""

    def __init__(self, layer: Any, norm: Norm | None) -> None:
        self.layer, self.norm = layer, norm

    def weight_and_bias(self) -> tuple[Float[Tensor, " ..."], Float[Tensor, " d"] | None]:
        """The weights with the norm multiplied in."""
        with torch.no_grad():
            if self.norm is None:
                return self.layer.weight.detach(), None if self.layer.bias is None else self.layer.bias.detach()
            return folded(self.layer, self.norm)


class Packed(nn.Module):
    """A layer, the norm behind it and its activation in one call.

    Weights are packed when a map of some size comes for the first time, and anew in copies and files of the network.

    Args:
        origin: the layers that it stands for.
        activation: what it does to its output.
        dtype: what it computes in: float32 or bfloat16.
    """

    def __init__(self, origin: Origin, activation: Activation = NONE, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.origin, self.activation, self.dtype = origin, activation, dtype
        self._kept: dict[Any, tuple[Tensor, Tensor | None]] = {}
        self._rows: dict[Any, TapRows | None] = {}  # of taps that lie far apart, where they are faster

    def forget(self) -> None:
        """Drops the packed weights: those of the network have changed."""
        self._kept, self._rows = {}, {}

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_kept": {}, "_rows": {}}

    def extra_repr(self) -> str:
        """What ``print`` shows between the parentheses."""
        return f"{self.origin.layer}, norm={self.origin.norm is not None}, {self.activation.name}, {self.dtype}"


class PackedConvolution(Packed):
    """A convolution; a second input is added before the activation."""

    def forward(
        self, x: Float[Tensor, "b c h w"], other: Float[Tensor, "b d y x"] | None = None
    ) -> Float[Tensor, "b d y x"]:
        """The activation of the normed convolution (plus ``other``), in channels-last memory."""
        if x.numel() == 0:
            return self.plain(x, other)
        layer = self.origin.layer
        x = x.to(self.dtype).contiguous(memory_format=torch.channels_last)
        weight, bias = self._packed(x)
        how = (weight, bias, layer.padding, layer.stride, layer.dilation, layer.groups)
        name, numbers, algorithm = self.activation.name, list(self.activation.numbers), self.activation.algorithm
        if other is None:

            def whole() -> Tensor:
                found: Tensor = torch.ops.mkldnn._convolution_pointwise(x, *how, name, numbers, algorithm)
                return found

            rows = self._rows_for(x, whole)
            return whole() if rows is None else self._by_rows(x, rows)
        other = other.to(self.dtype).contiguous(memory_format=torch.channels_last)
        unary = None if name == "none" else name
        return torch.ops.mkldnn._convolution_pointwise.binary(  # type: ignore[no-any-return]
            x, other, *how, "add", 1.0, unary, numbers, algorithm
        )

    @property
    def goes_by_rows(self) -> bool:
        """Whether it was found to be faster as a product for each row of taps."""
        return any(rows is not None for rows in self._rows.values())

    def plain(
        self, x: Float[Tensor, "b c h w"], other: Float[Tensor, "b d y x"] | None = None
    ) -> Float[Tensor, "b d y x"]:
        """The same by PyTorch's usual functions."""
        layer = self.origin.layer
        weight, bias = self.origin.weight_and_bias()
        weight = moved_for(x, weight, layer) if isinstance(layer, SameConv2d) else weight
        bias = None if bias is None else bias.to(self.dtype)
        how = (layer.stride, layer.padding, layer.dilation, layer.groups)
        y = F.conv2d(x.to(self.dtype), weight.to(self.dtype), bias, *how)
        return self.activation(y if other is None else y + other)

    def _rows_for(self, x: Tensor, whole: Callable[[], Tensor]) -> TapRows | None:
        """The rows of taps for maps of this size, where they are faster than the whole convolution."""
        if not can_be_rows(self.origin.layer, self.dtype):
            return None
        key = tuple(x.shape[-2:])
        if key not in self._rows and len(self._rows) < MOST_SIZES:
            weight, bias = self.origin.weight_and_bias()
            rows = TapRows(weight.to(self.dtype), bias, self.origin.layer)
            self._rows[key] = rows if is_faster(lambda: self._by_rows(x, rows), whole) else None
        return self._rows.get(key)

    def _by_rows(self, x: Tensor, rows: TapRows) -> Tensor:
        return self.activation(rows(x)).to(self.dtype)

    def _packed(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        key = tuple(x.shape[-2:])
        if key in self._kept:
            return self._kept[key]
        layer = self.origin.layer
        weight, bias = self.origin.weight_and_bias()
        weight = (moved_for(x, weight, layer) if isinstance(layer, SameConv2d) else weight).to(self.dtype)
        bias = None if bias is None else bias.to(self.dtype)
        if len(self._kept) == MOST_SIZES:
            return weight, bias
        how = (layer.padding, layer.stride, layer.dilation, layer.groups, list(x.shape))
        self._kept[key] = torch.ops.mkldnn._reorder_convolution_weight(weight, *how), bias
        return self._kept[key]


class PackedTransposed(Packed):
    """A transposed convolution; the norm is not folded into it."""

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d y x"]:
        """The activation of the transposed convolution, in channels-last memory."""
        if x.numel() == 0:
            return self.activation(self.origin.layer(x))
        layer = self.origin.layer
        x = x.to(self.dtype).contiguous(memory_format=torch.channels_last)
        where = (layer.padding, layer.output_padding, layer.stride, layer.dilation, layer.groups)
        key = tuple(x.shape[-2:]) if len(self._kept) < MOST_SIZES else next(iter(self._kept))
        if key not in self._kept:
            weight, bias = self.origin.weight_and_bias()
            packed = torch.ops.mkldnn._reorder_convolution_transpose_weight(
                weight.to(self.dtype), *where, list(x.shape)
            )
            self._kept[key] = packed, None if bias is None else bias.to(self.dtype)
        name, numbers, algorithm = self.activation.name, list(self.activation.numbers), self.activation.algorithm
        return torch.ops.mkldnn._convolution_transpose_pointwise(  # type: ignore[no-any-return]
            x, *self._kept[key], *where, name, numbers, algorithm
        )


class PackedLinear(Packed):
    """A linear layer."""

    def forward(self, x: Float[Tensor, "*s c"]) -> Float[Tensor, "*s d"]:
        """The activation of the linear layer."""
        if x.numel() == 0:
            return self.activation(self.origin.layer(x))
        x = x.to(self.dtype)
        if None not in self._kept:
            weight, bias = self.origin.weight_and_bias()
            packed = torch.ops.mkldnn._reorder_linear_weight(weight.to(self.dtype))
            self._kept[None] = packed, None if bias is None else bias.to(self.dtype)
        name, numbers, algorithm = self.activation.name, list(self.activation.numbers), self.activation.algorithm
        return torch.ops.mkldnn._linear_pointwise(x, *self._kept[None], name, numbers, algorithm)  # type: ignore[no-any-return]


PACKED: dict[type, Callable[..., Packed]] = {
    nn.Conv2d: PackedConvolution,
    SameConv2d: PackedConvolution,
    nn.ConvTranspose2d: PackedTransposed,
    nn.Linear: PackedLinear,
}
"""The layers that are packed."""
