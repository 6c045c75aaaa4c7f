"""Atrous spatial pyramid pooling (Chen et al., DeepLabv3, arXiv 1706.05587, section 3.3, figure 5).

The same features through filters that reach differently far, and their average over the whole image, laid side by side
and mixed. Parameter names are torchvision's.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from visus.nn.norm import ConvNorm


class ASPP(nn.Module):
    """A 1x1 convolution, 3x3 convolutions at several dilations, and the average of the image; then a projection.

    Args:
        channels: of the features.
        rates: the dilations of the 3x3 convolutions: 6, 12, 18 at output stride 16, twice that at 8.
        width: channels of each branch and of the result.
        separable: filter each channel by itself before mixing them, which is an order of magnitude cheaper.
        inside_only: average the part of the map that is image, and not the padding of a batch. The published weights
            average everything.
        pooled_norm: norm the average of the image too. Small batches are better off without: eight values say little
            about a variance, and where they are nearly equal the norm enlarges their noise until it drives the
            backbone apart.
        dropout: the share of the result's channels that training drops.
    """

    def __init__(
        self,
        channels: int,
        rates: Sequence[int],
        *,
        width: int = 256,
        separable: bool = False,
        inside_only: bool = False,
        pooled_norm: bool = True,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        atrous = atrous_separable if separable else atrous_conv
        branches = [atrous(channels, width, rate) for rate in rates]
        pooling = ImagePooling(channels, width, inside_only=inside_only, norm=pooled_norm)
        self.convs = nn.ModuleList([_pointwise(channels, width), *branches, pooling])
        self.project = nn.Sequential(
            nn.Conv2d(len(self.convs) * width, width, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Dropout(dropout),
        )

    def forward(self, x: Float[Tensor, "b c h w"], covered: Float[Tensor, "b 2"]) -> Float[Tensor, "b d h w"]:
        """Features that know their surroundings; ``covered`` is the share of rows and columns that is image."""
        *local, pooling = self.convs
        views = [branch(x) for branch in local]
        views.append(pooling(x, covered))
        return self.project(torch.cat(views, 1))  # type: ignore[no-any-return]


class ImagePooling(nn.Sequential):
    """The average of a map, mixed, normed, and laid onto every cell (section 3.3, "image-level features").

    Layers 1 to 3 are a convolution, its norm and an activation; 0 stands for the average.
    """

    def __init__(self, channels: int, width: int, *, inside_only: bool = False, norm: bool = True) -> None:
        conv = nn.Conv2d(channels, width, 1, bias=not norm)
        super().__init__(nn.Identity(), conv, SingleValueNorm(width) if norm else nn.Identity(), nn.ReLU())
        self.inside_only = inside_only

    def forward(  # type: ignore[override]
        self, x: Float[Tensor, "b c h w"], covered: Float[Tensor, "b 2"]
    ) -> Float[Tensor, "b d h w"]:
        """One vector for each image, at every cell."""
        average = mean_inside(x, covered) if self.inside_only else x.mean((2, 3))
        y: Tensor = average[:, :, None, None]
        for layer in self:
            y = layer(y)
        return y.expand(-1, -1, *x.shape[-2:])


class SingleValueNorm(nn.BatchNorm2d):
    """A batch norm that uses its stored statistics where a batch has a single value a channel.

    One value has no variance: `torch.nn.BatchNorm2d` refuses it, which stops training with batches of one image. Here
    such a batch is normed by what earlier ones have taught, and teaches nothing itself.
    """

    def forward(self, input: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Each channel normed."""
        if self.training and input.numel() == input.shape[1]:
            return F.batch_norm(input, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)
        return super().forward(input)


def mean_inside(x: Float[Tensor, "b c h w"], covered: Float[Tensor, "b 2"]) -> Float[Tensor, "b c"]:
    """The average of the cells of which the image covers a part."""
    height, width = x.shape[-2:]
    share = covered.to(torch.float64)
    rows = torch.arange(height, device=x.device) < torch.ceil(share[:, :1] * height - 1e-9)  # [b, h]
    columns = torch.arange(width, device=x.device) < torch.ceil(share[:, 1:] * width - 1e-9)  # [b, w]
    inside = (rows[:, :, None] & columns[:, None, :]).to(x.dtype)  # [b, h, w]
    return torch.einsum("bchw,bhw->bc", x, inside) / inside.sum((1, 2))[:, None]


def atrous_conv(channels: int, width: int, rate: int) -> ConvNorm:
    """A 3x3 filter whose taps are ``rate`` cells apart, its norm and its activation."""
    conv = nn.Conv2d(channels, width, 3, padding=rate, dilation=rate, bias=False)
    return ConvNorm(conv, nn.BatchNorm2d(width), nn.ReLU())


def atrous_separable(channels: int, width: int, rate: int = 1) -> nn.Sequential:
    """The same in two steps: each channel filtered by itself, then all mixed, each with norm and activation."""
    conv = nn.Conv2d(channels, channels, 3, padding=rate, dilation=rate, groups=channels, bias=False)
    return nn.Sequential(ConvNorm(conv, nn.BatchNorm2d(channels), nn.ReLU()), _pointwise(channels, width))


def _pointwise(channels: int, width: int) -> ConvNorm:
    return ConvNorm(nn.Conv2d(channels, width, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU())
