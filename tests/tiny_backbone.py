"""A backbone that is none of the catalog's, small enough for a test."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from visus.nn.backbones import Backbone


class TinyBackbone(Backbone):
    """Four convolutions: stages at strides 4, 8, 16 and 32."""

    channels = (8, 8, 12, 16)
    strides = (4, 8, 16, 32)

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 4, 4)
        self.rows = nn.ModuleList(nn.Conv2d(a, b, 2, 2) for a, b in ((8, 8), (8, 12), (12, 16)))

    def stages(self, pixels: Tensor) -> list[Tensor]:
        found = [torch.relu(self.stem(pixels))]
        for conv in self.rows:
            found.append(torch.relu(conv(found[-1])))
        return found

    def groups(self) -> list[list[nn.Module]]:
        return [[self.stem], *([row] for row in self.rows)]
