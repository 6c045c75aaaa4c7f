"""Feature pyramid (Lin et al., Feature Pyramid Networks, arXiv 1612.03144): meaning from deep layers at every scale.

Coarse features are enlarged and added to finer ones, level by level. Parameter names are torchvision's: ``body.*``,
``fpn.inner_blocks.{level}.0`` (the 1x1 convolutions of the paper's figure 3), ``fpn.layer_blocks.{level}.0`` (its 3x3
convolutions), and ``.1`` for their norms where they have any.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from visus.nn.backbones.interface import Backbone
from visus.nn.norm import ConvNorm, MakeNorm


class PyramidBackbone(nn.Module):
    """A body and a pyramid on some of its stages.

    Args:
        body: where the features come from.
        stages: the numbers of the body's stages that carry a level each; all of them, or such as (1, 2, 3) to begin at
            stride 8.
        out_channels: channels of every level.
        norm: makes a norm behind every convolution of the pyramid; None for biases in its place.
        extra: ``"pool"`` adds a last level that is every second pixel of the coarsest, P6 in the paper.

    Attributes:
        strides: the pixels of the image between two neighbours of each level, the extra one included.

    Raises:
        ValueError: the body has no such stage.
    """

    def __init__(
        self,
        body: Backbone,
        *,
        stages: Sequence[int] | None = None,
        out_channels: int = 256,
        norm: MakeNorm | None = None,
        extra: Literal["pool"] | None = "pool",
    ) -> None:
        super().__init__()
        count = len(body.channels)
        self.stages = tuple(range(count)) if stages is None else tuple(stages)
        if not self.stages or list(self.stages) != sorted(set(self.stages) & set(range(count))):
            raise ValueError(f"stages must increase and lie in 0..{count - 1} for this body, these are {self.stages}")
        if extra not in ("pool", None):
            raise ValueError(f'extra must be "pool" or None, not {extra!r}')
        self.body = body
        self.fpn = FeaturePyramid([body.channels[stage] for stage in self.stages], out_channels, norm=norm)
        self.out_channels, self.extra = out_channels, extra
        strides = [body.strides[stage] for stage in self.stages]
        self.strides = (*strides, strides[-1] * 2) if extra else tuple(strides)

    def forward(self, pixels: Float[Tensor, "b 3 h w"]) -> list[Float[Tensor, "b c _ _"]]:
        """The levels of normalised images, finest first: P2 to P6 for all stages and the extra level."""
        found = self.body.stages(pixels)
        levels = self.fpn([found[stage] for stage in self.stages])
        return [*levels, F.max_pool2d(levels[-1], 1, stride=2)] if self.extra else levels


class FeaturePyramid(nn.Module):
    """The top-down path and the lateral connections.

    Args:
        in_channels: the channels of the features of each level, finest first.
        out_channels: channels of every level.
        norm: makes a norm behind every convolution; None for biases in its place.
    """

    def __init__(self, in_channels: Sequence[int], out_channels: int, *, norm: MakeNorm | None = None) -> None:
        super().__init__()
        self.inner_blocks = nn.ModuleList(_block(channels, out_channels, 1, norm) for channels in in_channels)
        self.layer_blocks = nn.ModuleList(_block(out_channels, out_channels, 3, norm) for _ in in_channels)

    def forward(self, features: Sequence[Float[Tensor, "b _ _ _"]]) -> list[Float[Tensor, "b c _ _"]]:
        """The levels, finest first."""
        merged: list[Tensor] = []
        for feature, inner in zip(reversed(features), reversed(self.inner_blocks), strict=True):
            lateral = inner(feature)
            if merged:
                lateral = lateral.add_(F.interpolate(merged[-1], size=lateral.shape[-2:], mode="nearest"))
            merged.append(lateral)
        return [layer(level) for layer, level in zip(self.layer_blocks, reversed(merged), strict=True)]


def _block(channels: int, width: int, kernel: int, norm: MakeNorm | None) -> nn.Sequential:
    """A convolution that keeps the resolution, with a bias or a norm."""
    conv = nn.Conv2d(channels, width, kernel, padding=kernel // 2, bias=norm is None)
    nn.init.kaiming_uniform_(conv.weight, a=1)
    if conv.bias is not None:
        nn.init.zeros_(conv.bias)
    return nn.Sequential(conv) if norm is None else ConvNorm(conv, norm(width))
