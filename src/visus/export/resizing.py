"""Resizing and normalising as part of an exported graph: from images of any one size to what a network looks at.

Interpolation is separable and linear, so it is two products with matrices, ``rows @ image @ columns``, whose entries
are computed in the graph from the two sizes. That needs no operator that run times disagree about (their Resize rounds
in its own ways, and few have antialiasing), and gives PyTorch's numbers but for the rounding of sums.

Sizes that depend on the image, such as those of a network that keeps the aspect ratio, are counted in cells of
``divisor`` pixels: to torch.export these are unknown whole numbers, and every map of the network is a multiple of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor, nn

from visus.nn.square import SquareTransform
from visus.nn.transform import ImageTransform
from visus.systems.classification.transforms import CentreCrop
from visus.types import ImageBatch, row

MOST_CELLS = 256
"""A network looks at no more cells of ``divisor`` pixels along a side: 8,192 pixels."""


@dataclass(frozen=True)
class Looked:
    """What a network looks at.

    Args:
        pixels: normalised, 0 in the padding.
        sizes: rows and columns of each image in them, all alike.
        frame: rows and columns with the padding.
    """

    pixels: Float[Tensor, "b 3 h w"]
    sizes: Int64[Tensor, "b 2"]
    frame: tuple[int, int]

    @property
    def batch(self) -> ImageBatch:
        """The same as the networks take it."""
        return ImageBatch(self.pixels, self.sizes)


class Resizing(nn.Module):
    """Resizes as a transform does and normalises.

    Args:
        transform: whose numbers it takes.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, transform: ImageTransform) -> None:
        super().__init__()
        self.antialias, self.divisor = transform.antialias, transform.divisor
        self.register_buffer("mean", transform.mean.clone().float())
        self.register_buffer("std", transform.std.clone().float())

    def forward(self, images: UInt8[Tensor, "b 3 h w"]) -> Looked:
        """Images of one size as the network looks at them."""
        height, width = images.shape[-2:]
        target, corner, frame = self.placed(as_number(height), as_number(width), (height, width))
        rows = interpolation(height, target[0], frame[0], antialias=self.antialias, first=corner[0])
        columns = interpolation(width, target[1], frame[1], antialias=self.antialias, first=corner[1])
        pixels = rows @ ((images.float() / 255) @ columns.T)
        inside = (rows.amax(1) > 0)[:, None] & (columns.amax(1) > 0)
        pixels = torch.where(inside, (pixels - self.mean) / self.std, 0.0)
        seen = torch.minimum(target, torch.stack([as_number(side) for side in frame]))
        return Looked(pixels, seen.long().expand(images.shape[0], 2), frame)

    def placed(
        self, height: Float[Tensor, ""], width: Float[Tensor, ""], size: tuple[int, int]
    ) -> tuple[Float[Tensor, " 2"], Float[Tensor, " 2"], tuple[int, int]]:
        """The size that an image is resized to, the first of its rows and columns that is seen, and the frame."""
        return torch.stack((height, width)), torch.zeros(2, dtype=torch.float64), size


class ToSides(Resizing):
    """To a shorter side, within a longest, padded to whole cells: the way of `ImageTransform`."""

    def __init__(self, transform: ImageTransform) -> None:
        super().__init__(transform)
        self.min_size, self.max_size = transform.min_size, transform.max_size

    def placed(
        self, height: Float[Tensor, ""], width: Float[Tensor, ""], size: tuple[int, int]
    ) -> tuple[Float[Tensor, " 2"], Float[Tensor, " 2"], tuple[int, int]]:
        """As of `Resizing`."""
        sides = torch.stack((height, width))
        assert self.min_size is not None
        scale = as_number(self.min_size) / sides.amin(0)
        if self.max_size is not None:
            scale = torch.minimum(scale, as_number(self.max_size) / sides.amax(0))
        target = (sides * scale).floor().clamp(min=1)
        cells = ((target + (self.divisor - 1)) / self.divisor).floor().long()
        rows, columns = cells[0].item(), cells[1].item()
        for count in (rows, columns):
            torch._check(count >= 1)  # type: ignore[no-untyped-call]
            torch._check(count <= MOST_CELLS)  # type: ignore[no-untyped-call]
        frame = (int_of(rows) * self.divisor, int_of(columns) * self.divisor)
        return target, torch.zeros_like(target), frame


class ToSquare(Resizing):
    """Stretched to a square: the way of `SquareTransform`."""

    def __init__(self, transform: SquareTransform) -> None:
        super().__init__(transform)
        self.size = transform.size

    def placed(
        self, height: Float[Tensor, ""], width: Float[Tensor, ""], size: tuple[int, int]
    ) -> tuple[Float[Tensor, " 2"], Float[Tensor, " 2"], tuple[int, int]]:
        """As of `Resizing`."""
        target = torch.stack((height, width)) * 0 + self.size
        return target, torch.zeros_like(target), (self.size, self.size)


class ToMiddle(Resizing):
    """Resized to a shorter side, of which the middle is cut out: the way of `CentreCrop`."""

    def __init__(self, transform: CentreCrop) -> None:
        super().__init__(transform)
        self.size, self.shorter = transform.size, transform.shorter

    def placed(
        self, height: Float[Tensor, ""], width: Float[Tensor, ""], size: tuple[int, int]
    ) -> tuple[Float[Tensor, " 2"], Float[Tensor, " 2"], tuple[int, int]]:
        """As of `Resizing`."""
        sides = torch.stack((height, width))
        target = (self.shorter * sides / sides.amin(0)).floor()
        corner = ((target - self.size) / 2).round()
        return target, corner, (self.size, self.size)


RESIZINGS: dict[type, Callable[[Any], Resizing]] = {
    ImageTransform: lambda transform: Resizing(transform) if transform.min_size is None else ToSides(transform),
    SquareTransform: ToSquare,
    CentreCrop: ToMiddle,
}
"""By the kind of a network's transform."""


def resizing_of(transform: Any) -> Resizing:
    """What does in a graph what ``transform`` does."""
    return row(RESIZINGS, transform, "resizing inside of a graph")(transform)


def interpolation(
    length: int, target: Float[Tensor, ""], count: int, *, antialias: bool, first: Float[Tensor, ""]
) -> Float[Tensor, "count length"]:
    """The weight of each of ``length`` pixels of a side in each of ``count`` pixels of the resized one.

    Args:
        length: pixels before.
        target: pixels behind.
        count: how many of those are wanted; beyond the last, weights are 0.
        antialias: widen the filter where the side becomes shorter, as `torch.nn.functional.interpolate` does.
        first: the first that is wanted.
    """
    step = as_number(length) / target
    pixel = torch.arange(count, dtype=torch.float64) + first
    centre = (pixel + 0.5) * step - 0.5
    reach = step.clamp(min=1) if antialias else torch.ones_like(step)
    if not antialias:
        centre = torch.minimum(centre.clamp(min=0), as_number(length) - 1)
    weights = (1 - (torch.arange(length, dtype=torch.float64) - centre[:, None]).abs() / reach).clamp(min=0)
    weights = weights / weights.sum(1, keepdim=True).clamp(min=1e-9)
    return torch.where((pixel < target)[:, None], weights, 0.0).float()


def enlargement(cells: int, scale: Float[Tensor, ""], count: int) -> Float[Tensor, "count cells"]:
    """The weight of each of ``cells`` of a map in each of ``count`` pixels, whose distance is ``scale`` cells.

    The rule of `visus.systems.segmentation.upsampling`.
    """
    place = ((torch.arange(count, dtype=torch.float64) + 0.5) * scale - 0.5).clamp(min=0)
    place = torch.minimum(place, as_number(cells) - 1)
    weights = (1 - (torch.arange(cells, dtype=torch.float64) - place[:, None]).abs()).clamp(min=0)
    return weights.float()


def as_number(length: int) -> Float[Tensor, ""]:
    """A whole number, which to torch.export may be unknown, as a tensor."""
    return torch.full((1,), length, dtype=torch.float64)[0]  # of a shape without axes, PyTorch writes wrong ONNX


def int_of(number: Any) -> int:
    """A number of a tensor as a size: itself, for what reads annotations."""
    return number  # type: ignore[no-any-return]
