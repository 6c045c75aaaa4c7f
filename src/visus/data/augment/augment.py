"""Augmentations of samples. Each takes a sample and a generator and returns a new sample; nothing else is random.

Used through `visus.data.feed.loader.Transformed`, which seeds the generator from (seed, epoch, index).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import torch

from visus.data.augment.colour import jitter_colour
from visus.data.augment.warp import Span, Warp, place
from visus.data.augment.warp_targets import warp_sample
from visus.data.feed.loader import Transform
from visus.types import Keypoints, Sample


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
        keypoints: what keypoints mean, ``schema.keypoints``; needed to mirror samples that have them.

    Objects of which less than ``min_visible``, a fraction of the area, is left are dropped.
    """

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
        keypoints: Keypoints | None = None,
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
        self.keypoints = keypoints

    def __call__(self, sample: Sample, generator: torch.Generator) -> Sample:
        """A variation of ``sample``."""
        warp = self.draw(sample.target.size, generator)
        varied = warp_sample(sample, warp, keypoints=self.keypoints, min_visible=self.min_visible)
        return replace(varied, image=jitter_colour(varied.image, self.colour, generator))

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
        return replace(warp, degrees=(2 * turn - 1) * self.rotate, mirrored=mirror < self.flip)


class HorizontalFlip:
    """Mirrors left to right with a probability; ``keypoints`` as for `Augment`."""

    def __init__(self, *, probability: float = 0.5, keypoints: Keypoints | None = None) -> None:
        self.probability = probability
        self.keypoints = keypoints

    def __call__(self, sample: Sample, generator: torch.Generator) -> Sample:
        """The sample, or its mirror image."""
        if float(torch.rand((), generator=generator)) >= self.probability:
            return sample
        height, width = sample.target.size
        warp = Warp(
            rows=_stretch(height, height), columns=_stretch(width, width), canvas=(height, width), mirrored=True
        )
        return warp_sample(sample, warp, keypoints=self.keypoints)


class ShortestSide:
    """Scales so that the shorter side is ``min_size``, or less where the longer one would exceed ``max_size``.

    Args:
        min_size: pixels; one of several is drawn at random.
        max_size: pixels.
    """

    def __init__(self, *, min_size: int | Sequence[int] = 800, max_size: int = 1333) -> None:
        self.min_sizes = (min_size,) if isinstance(min_size, int) else tuple(min_size)
        self.max_size = max_size

    def __call__(self, sample: Sample, generator: torch.Generator) -> Sample:
        """The scaled sample."""
        pick = int(torch.randint(len(self.min_sizes), (), generator=generator))
        short, long = sorted(sample.target.size)
        scale = min(self.min_sizes[pick] / short, self.max_size / long)
        height, width = sample.target.size
        canvas = max(1, round(height * scale)), max(1, round(width * scale))
        if canvas == sample.target.size:
            return sample
        return warp_sample(
            sample, Warp(rows=_stretch(height, canvas[0]), columns=_stretch(width, canvas[1]), canvas=canvas)
        )


class Chain:
    """Applies transforms one after the other."""

    def __init__(self, *transforms: Transform) -> None:
        self.transforms = transforms

    def __call__(self, sample: Sample, generator: torch.Generator) -> Sample:
        """The sample after all of them."""
        for transform in self.transforms:
            sample = transform(sample, generator)
        return sample


def _stretch(before: int, after: int) -> Span:
    return Span(source=(0, before), target=(0, after))
