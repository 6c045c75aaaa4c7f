"""The box of the one thing that an image shows, from the maps of a backbone.

Each cell says how far it is from the four edges of the box (as in FCOS, arXiv 1904.01355, section 3.1) and how far it
is to be believed; the box is the average of what they say. All is learned from the box alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F


class BoxHead(nn.Module):
    """One box from the two coarsest maps: a weighted average of what the cells of the finer one say.

    Args:
        channels: of the two maps, the finer first.
        width: of the layers in between.
    """

    def __init__(self, channels: Sequence[int], width: int = 96) -> None:
        super().__init__()
        self.fine = nn.Conv2d(channels[0], width, 1, bias=False)
        self.coarse = nn.Conv2d(channels[1], width, 1, bias=False)
        self.mixed = _normed(width)
        self.around = nn.Sequential(
            nn.Conv2d(width, width, 5, padding=2, groups=width, bias=False),
            _normed(width),
            nn.Conv2d(width, width, 1, bias=False),
            _normed(width),
        )
        self.edges = nn.Conv2d(width, 4, 1)
        self.belief = nn.Conv2d(width, 1, 1)
        for layer, bias in ((self.edges, -1.0), (self.belief, 0.0)):  # at first half the image, all cells alike
            nn.init.normal_(layer.weight, std=0.001)
            nn.init.constant_(layer.bias, bias)  # type: ignore[arg-type]

    def forward(self, maps: Sequence[Float[Tensor, "b _ _ _"]]) -> Float[Tensor, "b 4"]:
        """The left, top, right and bottom edge as shares of the maps' width and height; may reach outside."""
        fine, coarse = self.fine(maps[-2]), self.coarse(maps[-1])
        if coarse.shape[-2:] != fine.shape[-2:]:
            coarse = F.interpolate(coarse, size=fine.shape[-2:], mode="bilinear", align_corners=False)
        x = self.mixed(fine + coarse)
        x = x + self.around(x)
        distances = self.edges(x).flatten(2).float().sigmoid()  # [b, 4, cells]
        belief = self.belief(x).flatten(2).float().softmax(2)  # [b, 1, cells]
        centres = _centres(x.shape[-2], x.shape[-1]).to(distances)  # [2, cells]
        corners = torch.cat([centres - distances[:, :2], centres + distances[:, 2:]], dim=1)
        box: Tensor = (corners * belief).sum(2)
        return box


def _centres(height: int, width: int) -> Float[Tensor, "2 cells"]:
    """The x and y of the middle of each cell, as shares of the map."""
    y = (torch.arange(height) + 0.5) / height
    x = (torch.arange(width) + 0.5) / width
    return torch.stack([x.repeat(height), y.repeat_interleave(width)])


def _normed(width: int) -> nn.Sequential:
    return nn.Sequential(nn.BatchNorm2d(width), nn.ReLU(inplace=True))
