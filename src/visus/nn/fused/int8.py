"""Convolutions in whole numbers of eight bits: `calibrate` looks at the ranges of maps and rewrites the fused ones.

Weights are symmetric, with a scale for each output channel; maps have one scale and zero point each, from the range
that they had in the images of the calibration. A map that nothing but such convolutions reads stays in eight bits. As
they were, in float32 or bfloat16, stay: the first layer, layers of a few or of single channels, linear and transposed
layers, and the last layer of each branch, so logits and coordinates are never rounded.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Final

import torch
from jaxtyping import Float, Shaped, UInt8
from torch import Tensor, fx, nn

from visus.nn.fused.activations import Activation
from visus.nn.fused.optimize import FusedCall, Note, fused_calls
from visus.nn.fused.packed import Origin, PackedConvolution
from visus.nn.model import predict_batch
from visus.nn.norm import SameConv2d

FEWEST_CHANNELS: Final = 16
"""A map of fewer channels is not worth rounding."""

_PART: Final = 1 << 19  # numbers of a map that are rounded at a time
_ACTIVATIONS: Final = ("none", "relu")


@dataclass(frozen=True)
class Scale:
    """How a map is written in eight bits: ``value = scale (number - zero)``."""

    scale: float
    zero: int

    def quantised(self, x: Float[Tensor, "b c h w"]) -> UInt8[Tensor, "b c h w"]:
        """A map as numbers of eight bits in channels-last memory, part by part, as much as a cache holds."""
        x = x.contiguous(memory_format=torch.channels_last)
        numbers = torch.empty_like(x, dtype=torch.uint8)
        values, places = (some.permute(0, 2, 3, 1).view(-1) for some in (x, numbers))  # as they lie in memory
        buffer = torch.empty(min(_PART, x.numel()), device=x.device)
        for start in range(0, len(values), _PART):
            value = values[start : start + _PART]
            part = buffer[: len(value)].copy_(value)
            places[start : start + _PART].copy_(
                part.mul_(1 / self.scale).add_(self.zero + 0.5).clamp_(0, top())
            )  # cut off: rounded
        return numbers

    def exact(self, numbers: UInt8[Tensor, "*s"], dtype: torch.dtype = torch.float32) -> Float[Tensor, "*s"]:
        """What the numbers stand for."""
        return numbers.float().sub_(self.zero).mul_(self.scale).to(dtype)


def top() -> int:
    """The largest number of a map. Without VNNI, pairs of products are summed in 16 bits, for which 7 bits are safe."""
    able = torch.cpu.get_capabilities()
    return 255 if any(able.get(name) for name in ("avx512_vnni", "avx_vnni", "amx_int8")) else 127


def scale_of(least: float, largest: float) -> Scale:
    """The scale of a map of values from ``least`` to ``largest``, in which 0 is exact."""
    least, largest = min(least, 0.0), max(largest, 0.0)
    scale = (largest - least) / top() or 1.0
    return Scale(scale, round(-least / scale))


@dataclass
class _Range:
    """The least and the largest values of a map so far."""

    least: float = 0.0
    largest: float = 0.0

    def see(self, x: Tensor) -> None:
        if x.numel():
            least, largest = torch.aminmax(x)
            self.least, self.largest = min(self.least, float(least)), max(self.largest, float(largest))

    @property
    def scale(self) -> Scale:
        return scale_of(self.least, self.largest)


@dataclass
class _Seen:
    """The ranges of what goes into a layer and of what comes out."""

    source: _Range = field(default_factory=_Range)
    result: _Range = field(default_factory=_Range)

    def __call__(self, layer: nn.Module, args: tuple[Any, ...], found: Tensor) -> None:
        self.source.see(args[0])
        self.result.see(found)


class Int8Convolution(nn.Module):
    """A convolution in eight bits, with its norm, a second input that is added, and its activation.

    Args:
        origin: the layers that it stands for.
        activation: none or ReLU.
        source: the scale of its input.
        result: the scale of its output; None for ``dtype``.
        other: the scale of the second input.
        keeps_other: whether the second input is read again later; otherwise it is written over.
        dtype: of maps that are not in eight bits: float32 or bfloat16.
    """

    def __init__(
        self,
        origin: Origin,
        activation: Activation,
        *,
        source: Scale,
        result: Scale | None,
        other: Scale | None,
        keeps_other: bool,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        self.origin, self.activation, self.source, self.result = origin, activation, source, result
        self.other, self.keeps_other, self.dtype = other, keeps_other, dtype
        self._kept: tuple[Tensor, Tensor, Tensor, Tensor | None] | None = None

    def forward(
        self, x: Shaped[Tensor, "b c h w"], other: Shaped[Tensor, "b d y x"] | None = None
    ) -> Shaped[Tensor, "b d y x"]:
        """The activation of the normed convolution (plus ``other``), in channels-last memory."""
        layer = self.origin.layer
        x = x if x.dtype is torch.uint8 else self.source.quantised(x)
        x = x.contiguous(memory_format=torch.channels_last)
        weight, scales, zeros, bias = self._packed(x)
        given = (x, self.source.scale, self.source.zero, weight, scales, zeros)
        how = (layer.stride, layer.padding, layer.dilation, layer.groups)
        result = self.result or Scale(1.0, 0)
        written = (result.scale, result.zero, self.dtype if self.result is None else torch.uint8)
        if other is None:
            return torch.ops.onednn.qconv2d_pointwise(  # type: ignore[no-any-return]
                *given, bias, *how, *written, self.activation.name, [], ""
            )
        other, scale = self._second(other)
        unary: tuple[Any, ...] = (None if self.activation.name == "none" else self.activation.name, [], "")
        return torch.ops.onednn.qconv2d_pointwise.binary(  # type: ignore[no-any-return]
            *given, other, bias, *how, *written, scale.scale, scale.zero, "sum", 1.0, *unary
        )

    def _second(self, other: Tensor) -> tuple[Tensor, Scale]:
        """The second input as the operator takes it: of the kind of the output, and free to be written over."""
        assert self.other is not None
        if self.result is None:
            exact = self.other.exact(other, self.dtype) if other.dtype is torch.uint8 else other.to(self.dtype)
            fresh = exact.clone() if exact is other and self.keeps_other else exact
            return fresh.contiguous(memory_format=torch.channels_last), Scale(1.0, 0)
        if other.dtype is torch.uint8:
            return (other.clone() if self.keeps_other else other), self.other
        return self.other.quantised(other).contiguous(memory_format=torch.channels_last), self.other

    def _packed(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
        if self._kept is None:
            layer = self.origin.layer
            weight, bias = self.origin.weight_and_bias()
            scales = weight.abs().amax((1, 2, 3)).clamp(min=1e-12) / 127
            rounded = (weight / scales.view(-1, 1, 1, 1)).round().to(torch.int8)
            how = (layer.stride, layer.padding, layer.dilation, layer.groups)
            packed = torch.ops.onednn.qconv_prepack(
                rounded, scales, self.source.scale, self.source.zero, *how, list(x.shape)
            )
            self._kept = packed, scales, torch.zeros(len(scales), dtype=torch.int64), bias
        return self._kept

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_kept": None}

    def forget(self) -> None:
        """Drops the packed weights: those of the network have changed."""
        self._kept = None


class Rounding(nn.Module):
    """Writes a map in eight bits, for all layers that read it.

    Args:
        scale: of the map.
    """

    def __init__(self, scale: Scale) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, x: Float[Tensor, "b c h w"]) -> UInt8[Tensor, "b c h w"]:
        """The rounded map."""
        return self.scale.quantised(x)


def calibrate(fast: nn.Module, batches: Iterable[Any], *, on_note: Note) -> nn.Module:
    """An int8 network of one that is fused in float32 or bfloat16, with the ranges of numbers of ``batches``.

    Args:
        fast: of `visus.nn.fused.optimize.optimize_network`; it stays as it is.
        batches: of inputs, such as a hundred images.
        on_note: told in a line where nothing can be rounded.
    """
    if not hasattr(torch.ops.onednn, "qconv2d_pointwise"):
        on_note(f"int8 is not to be had: PyTorch {torch.__version__} has no operator onednn::qconv2d_pointwise")
        return fast
    shared: dict[int, Any] = {id(tensor): tensor for tensor in chain(fast.parameters(), fast.buffers())}
    rounded = copy.deepcopy(fast, shared)
    calls = list(fused_calls(rounded))
    seen = {layer: _Seen() for call in calls for layer in call.graph.modules() if type(layer) is PackedConvolution}
    listeners = [layer.register_forward_hook(what) for layer, what in seen.items()]
    for batch in batches:
        predict_batch(rounded, batch)
    for listener in listeners:
        listener.remove()
    count = sum(_round(call, seen) for call in calls)
    if not count:
        on_note("int8 changes nothing: no convolution of this network is one that can be rounded")
        return fast
    return rounded


def int8_layers(model: nn.Module) -> list[Int8Convolution]:
    """The layers of a network that compute in eight bits."""
    return [
        layer for call in fused_calls(model) for layer in call.graph.modules() if isinstance(layer, Int8Convolution)
    ]


def _round(call: FusedCall, seen: dict[PackedConvolution, _Seen]) -> int:
    """Puts layers of eight bits in place of those of a part that can be; how many."""
    graph, modules = call.graph.graph, dict(call.graph.named_modules())
    order = {node: place for place, node in enumerate(graph.nodes)}
    chosen = {node: modules[str(node.target)] for node in graph.nodes if _can_be_rounded(node, modules, seen)}
    inside = {node for node in chosen if all(user in chosen for user in node.users)}
    for node, layer in chosen.items():
        assert isinstance(layer, PackedConvolution)
        source, other = node.args[0], node.args[1] if len(node.args) > 1 else None
        ranges = seen[layer]
        last = other is None or (other.op != "placeholder" and all(order[user] <= order[node] for user in other.users))
        made = Int8Convolution(
            layer.origin,
            layer.activation,
            source=_scale(source, inside, modules, seen) or ranges.source.scale,
            result=ranges.result.scale if node in inside else None,
            other=None if other is None else _scale(other, inside, modules, seen) or ranges.result.scale,
            keeps_other=not last,
            dtype=layer.dtype,
        )
        call.graph.add_submodule(str(node.target), made)
    _round_once(call.graph, chosen, inside)
    return len(chosen)


def _round_once(graph: fx.GraphModule, chosen: Iterable[fx.Node], inside: set[fx.Node]) -> None:
    """Lets several layers that read one map in more than eight bits share the rounded one."""
    readers: dict[Any, list[fx.Node]] = {}
    for node in chosen:
        readers.setdefault(node.args[0], []).append(node)
    for source, some in readers.items():
        if source in inside or len(some) == 1:
            continue
        name = f"rounded_{source.name}"
        graph.add_submodule(name, Rounding(graph.get_submodule(str(some[0].target)).source))  # type: ignore[arg-type]
        with graph.graph.inserting_after(source):
            rounded = graph.graph.call_module(name, (source,))
        for node in some:
            node.args = (rounded, *node.args[1:])
    graph.recompile()


def _scale(
    node: fx.Node, inside: set[fx.Node], modules: dict[str, Any], seen: dict[PackedConvolution, _Seen]
) -> Scale | None:
    """The scale in which a step writes its map; None where it writes float32."""
    return seen[modules[str(node.target)]].result.scale if node in inside else None


def _can_be_rounded(node: fx.Node, modules: dict[str, Any], seen: dict[PackedConvolution, _Seen]) -> bool:
    """Whether a step is a convolution of many channels that was looked at, and not the last of its branch.

    Nor one that is faster as products for each row of its taps, which eight bits have no kernel for either.
    """
    layer = modules.get(str(node.target)) if node.op == "call_module" else None
    if layer not in seen or not seen[layer].source.largest:
        return False
    conv = layer.origin.layer
    few = min(conv.in_channels, conv.out_channels) < FEWEST_CHANNELS
    if type(conv) is SameConv2d or conv.groups > 1 or few or layer.goes_by_rows:
        return False
    ends = layer.activation.name == "none" and layer.origin.norm is None and conv.in_channels != conv.out_channels
    followed = any(user.op != "output" for user in node.users)
    return layer.activation.name in _ACTIVATIONS and (followed or not ends)
