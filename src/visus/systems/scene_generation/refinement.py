"""The cascaded refinement network (Chen and Koltun 2017, arXiv 1707.09405), as in arXiv 1804.01622, section 3.

Each module looks at the layout at its resolution and at the module before it at twice that.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

FIRST_SIDE = 4
"""Rows and columns that the first module works on."""
_MOST_DOUBLINGS = 4
_SLOPE = 0.2


class RefinementNetwork(nn.Module):
    """Modules at 4 x 4, 8 x 8 ... up to the size of the image, and two convolutions to its colours.

    Args:
        layout: channels of the layout, with its noise.
        size: side of the image in pixels, 4 times a power of 2.
        width: channels of the last module; the one before has twice as many, and so on, up to 16 times as many.
    """

    def __init__(self, *, layout: int, size: int, width: int) -> None:
        super().__init__()
        self.count = int(math.log2(size / FIRST_SIDE)) + 1
        widths = [width * 2 ** min(_MOST_DOUBLINGS, self.count - 1 - step) for step in range(self.count)]
        before = [0, *widths]
        self.steps = nn.ModuleList(_refinement(layout + old, new) for old, new in pairwise(before))
        self.colours = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1), nn.LeakyReLU(_SLOPE), nn.Conv2d(width, 3, 1)
        )
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, a=_SLOPE)

    def forward(self, layout: Float[Tensor, "b c h w"]) -> Float[Tensor, "b 3 h w"]:
        """The image of a layout, in normalised colours."""
        layouts = [layout.contiguous(memory_format=torch.channels_last)]
        for _ in range(self.count - 1):
            layouts.append(F.avg_pool2d(layouts[-1], 2))
        first, *others = self.steps
        x = first(layouts[-1])
        for step, seen in zip(others, layouts[-2::-1], strict=True):
            x = step(torch.cat([seen, F.interpolate(x, scale_factor=2, mode="nearest")], dim=1))
        return self.colours(x)  # type: ignore[no-any-return]


def _refinement(channels: int, width: int) -> nn.Sequential:
    """Two convolutions with norms."""
    layers: list[nn.Module] = []
    for wide in (channels, width):
        layers += [nn.Conv2d(wide, width, 3, padding=1), nn.BatchNorm2d(width), nn.LeakyReLU(_SLOPE)]
    return nn.Sequential(*layers)
