"""Random changes of shapes: turned, scaled, moved, mirrored, noisy, their points in another order.

Turns, noise and its limit are PointNet's (arXiv 1612.00593, section 5.1), scales and shifts of each axis DGCNN's (arXiv
1801.07829, published code).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Int64
from torch import Tensor

from visus.clouds import PointCloud
from visus.data.augment.mirror import UNKNOWN, Mirror, mirrored_meaning
from visus.types import ClassTarget, PartTarget, Sample, row

_LIMIT = 5  # deviations


class ShapeAugment:
    """Each change is drawn evenly and independently; the vertical axis is z.

    Args:
        flip: the probability of mirroring left to right, where a mirror keeps all classes as they are.
        scale: limits of the factor of all axes.
        stretch: each axis by up to this factor either way.
        translate: along each axis, up to this share of the radius.
        rotate: about the vertical axis, by up to this many degrees either way.
        jitter: the deviation of the noise of each coordinate, at most five times of which it is moved.
        mirror: what labels become in a mirror.
    """

    inputs = (PointCloud,)

    def __init__(
        self,
        *,
        flip: float = 0.0,
        scale: tuple[float, float] = (1.0, 1.0),
        stretch: float = 1.0,
        translate: float = 0.0,
        rotate: float = 0.0,
        jitter: float = 0.0,
        mirror: Mirror = UNKNOWN,
    ) -> None:
        if not 0 < scale[0] <= scale[1]:
            raise ValueError(f"scale must be two factors, the smaller first, not {scale}")
        if stretch < 1:
            raise ValueError(f"stretch must be a factor of at least 1, not {stretch}")
        if jitter < 0:
            raise ValueError(f"jitter must be at least 0, not {jitter}")
        self.flip, self.scale, self.stretch, self.translate = flip, scale, stretch, translate
        self.rotate, self.jitter, self.mirror = rotate, jitter, mirror

    def __call__(self, sample: Sample, generator: torch.Generator) -> Sample:
        """A variation of ``sample``."""
        cloud: PointCloud = sample.input
        order = torch.randperm(len(cloud), generator=generator)
        target = row(REORDERED, sample.target, "reordering points")(sample.target, order)
        factors, turn, shift, mirrored = self._drawn(generator)
        if mirrored:
            factors[0] = -factors[0]
            target = mirrored_meaning(target, self.mirror)
        points = (cloud.points[order] * factors) @ turn + shift
        if self.jitter:
            noise = self.jitter * torch.randn(points.shape, generator=generator)
            points = points + noise.clamp(-_LIMIT * self.jitter, _LIMIT * self.jitter)
        normals = cloud.normals
        if normals is not None:
            normals = torch.nn.functional.normalize((normals[order] / factors) @ turn, dim=1)
        return replace(sample, input=PointCloud(points, normals), target=target)

    def _drawn(self, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor, bool]:
        """Factors of the axes, a matrix that turns row vectors about z, a shift, and whether to mirror."""
        draws = torch.rand(9, generator=generator, dtype=torch.float64)
        low, high = (math.log(limit) for limit in self.scale)
        factors = torch.exp(low + draws[0] * (high - low) + (2 * draws[1:4] - 1) * math.log(self.stretch))
        angle = math.radians(self.rotate) * (2 * float(draws[5]) - 1)
        cos, sin = math.cos(angle), math.sin(angle)
        turn = torch.tensor([[cos, sin, 0.0], [-sin, cos, 0.0], [0.0, 0.0, 1.0]])
        mirrored = float(draws[4]) < self.flip and self.mirror.allowed
        return factors.float(), turn, ((2 * draws[6:] - 1) * self.translate).float(), mirrored


REORDERED: dict[type, Callable[[Any, Int64[Tensor, " p"]], Any]] = {
    ClassTarget: lambda target, order: target,
    PartTarget: lambda target, order: replace(target, labels=target.labels[order]),
}
"""What is known of a shape whose points are in another order."""
