"""A body with three tiny stages, and batches for the tests of this folder."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from visus.nn.backbones import Backbone
from visus.nn.square import SquareTransform
from visus.systems.metric_learning.backbones import NeckedBackbone
from visus.types import ClassTarget, ImageBatch

SIDE = 32


class TinyBody(Backbone):
    """A stem and three convolutions, each halving the resolution."""

    channels = (4, 8, 8)
    strides = (4, 8, 16)

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), nn.ReLU())
        widths = (4, *self.channels)
        self.layers = nn.ModuleList(
            nn.Sequential(nn.Conv2d(widths[i], widths[i + 1], 3, 2, 1), nn.Softplus()) for i in range(3)
        )

    def stages(self, pixels: Tensor) -> list[Tensor]:
        """The outputs of the three convolutions."""
        x, found = self.stem(pixels), []
        for layer in self.layers:
            x = layer(x)
            found.append(x)
        return found

    def groups(self) -> list[list[nn.Module]]:
        """The stem and the three convolutions."""
        return [[self.stem], *([layer] for layer in self.layers)]


def transform() -> SquareTransform:
    """To the side of these tests."""
    return SquareTransform(size=SIDE)


def backbone() -> NeckedBackbone:
    """A tiny backbone without a neck."""
    return NeckedBackbone(TinyBody())


def images(count: int = 6) -> ImageBatch:
    """Noise in squares."""
    pixels = torch.rand(count, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(count))
    return ImageBatch(pixels, torch.full((count, 2), SIDE))


def targets(*labels: int) -> list[ClassTarget]:
    """One target for each label."""
    return [ClassTarget(torch.tensor(label), (SIDE, SIDE), image_id=i) for i, label in enumerate(labels)]


def idle(model: nn.Module) -> list[str]:
    """The parameters that have no gradient, or one that is not finite."""
    return [
        key
        for key, p in model.named_parameters()
        if p.requires_grad and (p.grad is None or not bool(p.grad.isfinite().all()))
    ]
