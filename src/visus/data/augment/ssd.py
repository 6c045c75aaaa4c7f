"""The augmentation of SSD (Liu et al., arXiv 1512.02325, sections 2.2 and 3.6): colours, zoom out, crop, mirror.

It made the paper's accuracy: zooming out shows objects at up to a sixteenth of their area, crops show them larger and
cut. What differs from the authors' code: everything geometric is one map, so nothing is resampled twice and masks and
keypoints follow; and saturation and hue change the chroma plane of YIQ, not of HSV, so that all colours are one matrix.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from visus.data.augment.colour import chroma_matrix as chroma_matrix
from visus.data.augment.mirror import UNKNOWN, Mirror
from visus.data.augment.warp import Warp, place
from visus.data.augment.warp_targets import warp_sample
from visus.ops.boxes import box_iou
from visus.types import InstanceTarget, Sample, row

MIN_IOUS: tuple[float | None, ...] = (None, 0.0, 0.1, 0.3, 0.5, 0.7, 0.9)
"""What a crop must overlap some object by; None takes the whole image."""

TRIALS = 40
"""Crops that are drawn before another overlap is asked for."""

LEAST_SIDE = 0.3
"""The least side of a crop as a share of the image's."""

ASPECT_RATIOS = (0.5, 2.0)
"""The limits of a crop's width to height."""

BRIGHTNESS, CONTRAST, SATURATION, HUE = 32.0, (0.5, 1.5), (0.5, 1.5), 18.0
"""How far colours go: levels added either way, factors, and degrees of hue either way."""


OBJECTS: dict[type, Callable[[InstanceTarget], Float[Tensor, "n 4"]]] = {
    InstanceTarget: lambda target: target.boxes_xyxy[~target.is_crowd]
}
"""The boxes of the objects that crops are drawn around, by the kind of target."""


@dataclass(frozen=True)
class Window:
    """What becomes the new image, in pixels of the old one; it may reach beyond that."""

    left: float
    top: float
    width: float
    height: float

    def box_xyxy(self) -> Float[Tensor, " 4"]:
        """The window as a box."""
        right, bottom = self.left + self.width, self.top + self.height
        return torch.tensor([self.left, self.top, right, bottom], dtype=torch.float32)


class SSDAugment:
    """Distorts the colours, zooms out, crops around some object, mirrors, and stretches to one size.

    An object stays where its centre lies in the crop. Images without objects are not cropped.

    Args:
        size: (h, w) of the result; None keeps the pixels of the crop.
        flip: the probability of mirroring left to right.
        distort: the probability of each of four changes of colour.
        zoom_out: the probability of an image that is laid on a larger canvas of the mean colour.
        largest_zoom: how many times longer the sides of that canvas may be.
        min_ious: the overlaps that a crop is asked for, one of them each time.
        mirror: what labels and keypoints become in a mirror, `mirror_of` the schema; where it does not allow to mirror
            the data, nothing is mirrored, whatever ``flip`` says.
    """

    inputs = (Tensor,)

    def __init__(
        self,
        *,
        size: tuple[int, int] | None = None,
        flip: float = 0.5,
        distort: float = 0.5,
        zoom_out: float = 0.5,
        largest_zoom: float = 4.0,
        min_ious: Sequence[float | None] = MIN_IOUS,
        mirror: Mirror = UNKNOWN,
    ) -> None:
        for name, value in (("flip", flip), ("distort", distort), ("zoom_out", zoom_out)):
            if not 0 <= value <= 1:
                raise ValueError(f"{name} must be between 0 and 1, not {value}")
        if largest_zoom < 1:
            raise ValueError(f"largest_zoom must be at least 1, not {largest_zoom}")
        if not min_ious or not all(iou is None or 0 <= iou < 1 for iou in min_ious):
            raise ValueError(f"min_ious must be some of None and numbers from 0 to below 1, not {tuple(min_ious)}")
        self.size, self.flip, self.distort = size, flip, distort
        self.zoom_out, self.largest_zoom = zoom_out, largest_zoom
        self.min_ious = tuple(min_ious)
        self.mirror = mirror

    def __call__(self, sample: Sample, generator: torch.Generator) -> Sample:
        """A variation of ``sample``.

        Raises:
            NoRowError: its target is not of objects with boxes.
        """
        target = sample.target
        objects = row(OBJECTS, target, f"SSD's augmentation of {sample.path or 'a sample'}")(target)
        image = distort_colours(sample.input, self.distort, generator)
        canvas = self._zoomed_out(target.size, generator)
        window = draw_crop(objects, canvas, self.min_ious, generator)
        mirrored = _draw(generator) < self.flip and self.mirror.allowed
        inside = centres_inside(target.boxes_xyxy, window.box_xyxy()[None])[:, 0]
        kept = replace(sample, input=image, target=target if bool(inside.all()) else target[inside])
        return warp_sample(kept, self._warp(target.size, window, mirrored), mirror=self.mirror)

    def _zoomed_out(self, size: tuple[int, int], generator: torch.Generator) -> Window:
        """The image, or a canvas of its shape that it lies somewhere on."""
        height, width = size
        if _draw(generator) >= self.zoom_out:
            return Window(0, 0, width, height)
        zoom = 1 + (self.largest_zoom - 1) * _draw(generator)
        left, top = _draw(generator) * (zoom - 1) * width, _draw(generator) * (zoom - 1) * height
        return Window(-left, -top, zoom * width, zoom * height)

    def _warp(self, size: tuple[int, int], window: Window, mirrored: bool) -> Warp:
        """The one map from the image to the window."""
        canvas = self.size or (max(1, round(window.height)), max(1, round(window.width)))
        scales = canvas[0] / window.height, canvas[1] / window.width
        warp = place(size, canvas, scales, (-window.top * scales[0], -window.left * scales[1]))
        return replace(warp, mirrored=mirrored)


def draw_crop(
    boxes: Float[Tensor, "n 4"], canvas: Window, min_ious: Sequence[float | None], generator: torch.Generator
) -> Window:
    """A part of ``canvas`` that holds the centre of some object and overlaps one such by a least IoU, or all of it."""
    if len(boxes) == 0:
        return canvas
    for _ in range(TRIALS):
        min_iou = min_ious[int(torch.randint(len(min_ious), (), generator=generator))]
        if min_iou is None:
            return canvas
        crops = _draw_crops(canvas, generator)
        inside = centres_inside(boxes, crops)
        overlap = box_iou(boxes, crops).masked_fill(~inside, -1).amax(dim=0)
        width, height = (crops[:, 2:] - crops[:, :2]).unbind(1)
        ratio = width / height
        fits = (overlap >= min_iou) & (ratio >= ASPECT_RATIOS[0]) & (ratio <= ASPECT_RATIOS[1])
        if bool(fits.any()):
            left, top, right, bottom = crops[fits.nonzero()[0, 0]].tolist()
            return Window(left, top, right - left, bottom - top)
    return canvas


def centres_inside(boxes: Float[Tensor, "n 4"], crops: Float[Tensor, "m 4"]) -> Bool[Tensor, "n m"]:
    """Whether the centre of each box lies in each crop."""
    centre = ((boxes[:, :2] + boxes[:, 2:]) / 2)[:, None]  # [n, 1, 2]
    return ((centre > crops[:, :2]) & (centre < crops[:, 2:])).all(dim=-1)


def distort_colours(
    image: UInt8[Tensor, "3 h w"], probability: float, generator: torch.Generator
) -> UInt8[Tensor, "3 h w"]:
    """Add to all channels, multiply all channels, stretch and turn the chroma plane, each with ``probability``.

    In the paper's order; as all four are linear, the two places that it has for the contrast come to the same.
    """
    chosen = (torch.rand(4, generator=generator) < probability).tolist()
    amount = torch.rand(4, generator=generator).tolist()
    if not any(chosen):
        return image
    limits = ((-BRIGHTNESS, BRIGHTNESS), CONTRAST, SATURATION, (-HUE, HUE))
    neutral = (0.0, 1.0, 1.0, 0.0)
    added, contrast, saturation, degrees = (
        low + (high - low) * part if change else keep
        for change, part, (low, high), keep in zip(chosen, amount, limits, neutral, strict=True)
    )
    matrix = contrast * chroma_matrix(saturation, math.radians(degrees))
    offset = torch.full((3, 1), contrast * added)
    pixels = torch.addmm(offset, matrix, image.reshape(3, -1).float())
    return pixels.round_().clamp_(0, 255).to(torch.uint8).view(image.shape)


def _draw_crops(canvas: Window, generator: torch.Generator) -> Float[Tensor, "m 4"]:
    """Parts of a canvas of any place, and of any sides that are long enough."""
    draws = torch.rand(TRIALS, 4, generator=generator)
    extent = torch.tensor([canvas.width, canvas.height])
    sides = (LEAST_SIDE + (1 - LEAST_SIDE) * draws[:, :2]) * extent
    corner = torch.tensor([canvas.left, canvas.top]) + draws[:, 2:] * (extent - sides)
    return torch.cat((corner, corner + sides), dim=1)


def _draw(generator: torch.Generator) -> float:
    return float(torch.rand((), generator=generator))
