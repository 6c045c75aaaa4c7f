"""Augmentations of samples. Each takes a sample and a generator and returns a new sample; nothing else is random.

Used through `visus.data.feed.loader.Transformed`, which seeds the generator from (seed, epoch, index).
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from visus.clouds import PointCloud
from visus.data.augment.colour import jitter_colour
from visus.data.augment.mirror import UNKNOWN, Mirror
from visus.data.augment.warp import Warp, place
from visus.data.augment.warp_targets import warp_sample
from visus.scenes import SceneGraph
from visus.types import Episode, Sample


class Augment:
    """Scale, position, mirroring, rotation and colour at random, drawn in one warp.

    The image is scaled to fit ``size``, times a random factor, and laid at a random place: a larger one is cropped, a
    smaller one padded (the large-scale jitter of Ghiasi et al., "Simple Copy-Paste", arXiv 2012.07177, section 3).

    Args:
        size: (h, w) of the result; None keeps that of each image.
        scale: limits of the random factor, drawn evenly on a logarithmic scale.
        stretch: the ratio of width to height is changed by up to this factor either way.
        flip: the probability of mirroring left to right.
        translate: extra shift, up to this fraction of the size either way.
        rotate: rotation by up to this many degrees either way.
        colour: strength of the colour variation, 0 to 1.
        mirror: what labels and keypoints become in a mirror, `mirror_of` the schema; where it does not allow to mirror
            the data, nothing is mirrored, whatever ``flip`` says.

    Objects of which less than ``min_visible``, a fraction of the area, is left are dropped.
    """

    inputs = (Tensor,)
    min_visible = 0.25

    def __init__(
        self,
        *,
        size: tuple[int, int] | None = None,
        scale: tuple[float, float] = (1.0, 1.0),
        stretch: float = 1.0,
        flip: float = 0.5,
        translate: float = 0.0,
        rotate: float = 0.0,
        colour: float = 0.0,
        mirror: Mirror = UNKNOWN,
    ) -> None:
        if not 0 < scale[0] <= scale[1]:
            raise ValueError(f"scale must be two factors, the smaller first, not {scale}")
        if stretch < 1:
            raise ValueError(f"stretch must be a factor of at least 1, not {stretch}")
        for name, value in (("flip", flip), ("colour", colour), ("translate", translate)):
            if not 0 <= value <= 1:
                raise ValueError(f"{name} must be between 0 and 1, not {value}")
        self.size = size
        self.scale = scale
        self.stretch = stretch
        self.flip = flip
        self.translate = translate
        self.rotate = rotate
        self.colour = colour
        self.mirror = mirror

    def __call__(self, sample: Sample, generator: torch.Generator) -> Sample:
        """A variation of ``sample``."""
        warp = self.draw(sample.target.size, generator)
        varied = warp_sample(sample, warp, mirror=self.mirror, min_visible=self.min_visible)
        return replace(varied, input=jitter_colour(varied.input, self.colour, generator))

    def draw(self, size: tuple[int, int], generator: torch.Generator) -> Warp:
        """Draw the map for an image of ``size`` (h, w)."""
        canvas = self.size or size
        draws = torch.rand(7, generator=generator, dtype=torch.float64).tolist()
        zoom, y, x, shift_y, shift_x, turn, mirror = draws
        longer = self.stretch ** (float(torch.rand((), generator=generator)) - 0.5) if self.stretch > 1 else 1.0
        low, high = (math.log(limit) for limit in self.scale)
        scale = min(canvas[0] / size[0], canvas[1] / size[1]) * math.exp(low + zoom * (high - low))
        scales = scale / longer, scale * longer
        offset = [
            part * (canvas[axis] - scales[axis] * size[axis]) + (2 * shift - 1) * self.translate * canvas[axis]
            for axis, (part, shift) in enumerate(((y, shift_y), (x, shift_x)))
        ]
        warp = place(size, canvas, scales, (offset[0], offset[1]))
        return replace(warp, degrees=(2 * turn - 1) * self.rotate, mirrored=mirror < self.flip and self.mirror.allowed)


class Unchanged:
    """Changes nothing: for inputs that are no images, and images that have no other side.

    Args:
        mirror: taken and not used, as nothing is mirrored.
    """

    inputs = (Tensor, PointCloud, Episode, SceneGraph)

    def __init__(self, *, mirror: Mirror = UNKNOWN) -> None:
        self.mirror = mirror

    def __call__(self, sample: Sample, generator: torch.Generator) -> Sample:
        """``sample`` itself."""
        return sample
