"""Batch norm that never changes, and a convolution that swallows the norm behind it.

A norm with fixed statistics is one scale and one shift a channel. `conv_norm` multiplies the scale into the weights of
the convolution instead of into its output, which is hundreds of times larger: the norm costs nothing, forward or
backward.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Literal, TypeGuard

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

MakeNorm = Callable[[int], nn.Module]
NormName = Literal["batch", "frozen"]


class FrozenBatchNorm2d(nn.Module):
    """Batch norm with fixed statistics and a fixed affine map: for pretrained networks and batches of a few images.

    All four vectors are buffers, so that no optimiser sees them. Trained from scratch a network of these diverges:
    nothing normalises. Loads states of `torch.nn.BatchNorm2d` too.

    Args:
        num_features: channels of the input.
        eps: added to the variance. Published detectors disagree about it: `visus.nn.weights.set_frozen_eps`.
    """

    weight: Tensor
    bias: Tensor
    running_mean: Tensor
    running_var: Tensor

    def __init__(self, num_features: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.num_features, self.eps = num_features, eps
        self.register_buffer("weight", torch.ones(num_features))
        self.register_buffer("bias", torch.zeros(num_features))
        self.register_buffer("running_mean", torch.zeros(num_features))
        self.register_buffer("running_var", torch.ones(num_features))

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Each channel scaled and shifted, in one pass over ``x``."""
        scale, shift = scale_and_shift(self)
        return torch.addcmul(shift.to(x.dtype).view(-1, 1, 1), x, scale.to(x.dtype).view(-1, 1, 1))

    def extra_repr(self) -> str:
        """What ``print`` shows between the parentheses."""
        return f"{self.num_features}, eps={self.eps}"

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        state_dict.pop(f"{prefix}num_batches_tracked", None)
        super()._load_from_state_dict(state_dict, prefix, *rest)


def frozen(norm: MakeNorm) -> MakeNorm:
    """What makes frozen norms with the epsilon of the batch norms that ``norm`` makes."""
    one = norm(1)
    assert isinstance(one, nn.BatchNorm2d)
    return partial(FrozenBatchNorm2d, eps=one.eps)


class ConvNorm(nn.Sequential):
    """A convolution (layer 0), its norm (layer 1) and, where given, an activation (layer 2)."""

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d e f"]:
        """The activation of the normed convolution."""
        y = conv_norm(x, self[0], self[1])
        return self[2](y) if len(self) == 3 else y


def scale_and_shift(norm: FrozenBatchNorm2d | nn.BatchNorm2d) -> tuple[Float[Tensor, " c"], Float[Tensor, " c"]]:
    """The one scale and one shift a channel that a norm with fixed statistics amounts to."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
    return scale, norm.bias - norm.running_mean * scale


def conv_norm(x: Float[Tensor, "b c h w"], conv: nn.Module, norm: nn.Module) -> Float[Tensor, "b d e f"]:
    """``norm(conv(x))``, with the norm multiplied into the weights where its statistics are fixed.

    The values differ from the two steps by rounding alone, gradients included. Convolutions that are more than
    `torch.nn.Conv2d` (quantised, low-rank, hooked) and norms in training take the two steps.
    """
    if not (_is_plain(conv) and _is_fixed(norm)):
        return norm(conv(x))  # type: ignore[no-any-return]
    weight, shift = folded(conv, norm)
    if type(conv) is SameConv2d:
        return same_convolution(x, weight, shift, conv)
    return F.conv2d(x, weight, shift, conv.stride, conv.padding, conv.dilation, conv.groups)


def folded(
    conv: nn.Conv2d, norm: FrozenBatchNorm2d | nn.BatchNorm2d
) -> tuple[Float[Tensor, "d _ _ _"], Float[Tensor, " d"]]:
    """The weight and the bias of the one convolution that a convolution and a norm with fixed statistics amount to."""
    scale, shift = scale_and_shift(norm)
    if conv.bias is not None:
        shift = shift + conv.bias * scale
    return conv.weight * scale.view(-1, 1, 1, 1), shift


class SameConv2d(nn.Conv2d):
    """A convolution with TensorFlow's "SAME" padding: with stride 2 an even image has the odd pixel right and below.

    The kernel must be odd, the stride 1 or 2. ``padding`` is half of the kernel (times the dilation, with stride 1).
    """

    def forward(self, input: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d e f"]:
        """An output pixel for each, or with stride 2 for every second, pixel of ``input``."""
        return same_convolution(input, self.weight, self.bias, self)


def same_convolution(
    x: Float[Tensor, "b c h w"], weight: Float[Tensor, "d _ k k"], bias: Float[Tensor, " d"] | None, conv: SameConv2d
) -> Float[Tensor, "b d e f"]:
    """The convolution of ``conv`` by other weights.

    Zeros lie at the left and the top of the small kernel instead of at the right and the bottom of the large image: a
    kernel moved by a pixel under the usual padding sees the same windows, and no image is copied.
    """
    weight = moved_for(x, weight, conv)
    return F.conv2d(x, weight, bias, conv.stride, conv.padding, conv.dilation, conv.groups)


def moved_for(
    x: Float[Tensor, "b c h w"], weight: Float[Tensor, "d _ k k"], conv: SameConv2d
) -> Float[Tensor, "d _ _ _"]:
    """The kernel of ``conv`` moved as maps of the size of ``x`` want it: with stride 2 by a pixel along even sides."""
    if conv.stride != (2, 2):
        return weight
    even_h, even_w = (1 - size % 2 for size in x.shape[-2:])
    return F.pad(weight, (even_w, 0, even_h, 0))


def _is_plain(conv: nn.Module) -> TypeGuard[nn.Conv2d]:
    """Whether a module computes exactly what we know of convolutions, and nobody listens."""
    if type(conv) not in (nn.Conv2d, SameConv2d) or conv.padding_mode != "zeros":
        return False
    return not (conv._forward_hooks or conv._forward_pre_hooks or conv._backward_hooks)


def _is_fixed(norm: nn.Module) -> TypeGuard[FrozenBatchNorm2d | nn.BatchNorm2d]:
    """Whether a norm uses stored statistics, and nobody listens."""
    if norm._forward_hooks or norm._forward_pre_hooks or norm._backward_hooks:
        return False
    if type(norm) is nn.BatchNorm2d:
        return not norm.training and norm.running_var is not None and norm.affine
    return type(norm) is FrozenBatchNorm2d
