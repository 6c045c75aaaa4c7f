"""Cameras: what the same individual looks like through each of several, for re-identification."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

import torch
from jaxtyping import UInt8
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True)
class Camera:
    """How a camera changes what is before it.

    Args:
        gain: of red, green and blue.
        gamma: of the brightness: over 1 darkens what is neither black nor white.
        sharpness: the resolution, as a share of the picture's.
    """

    gain: tuple[float, float, float]
    gamma: float
    sharpness: float


def camera_of(number: int, seed: int = 0) -> Camera:
    """The camera of a number; the cameras of all splits are the same."""
    rng = Random(f"visus vignettes camera {seed} {number}")
    red, green, blue = (rng.uniform(0.75, 1.1) for _ in range(3))
    return Camera((red, green, blue), rng.uniform(0.7, 1.5), rng.uniform(0.4, 1.0))


def photograph(image: UInt8[Tensor, "3 h w"], camera: Camera) -> UInt8[Tensor, "3 h w"]:
    """An image as a camera takes it."""
    pixels = (image / 255).pow(camera.gamma) * torch.tensor(camera.gain).view(3, 1, 1)
    size = image.shape[1:]
    coarse = [max(1, round(side * camera.sharpness)) for side in size]
    small = F.interpolate(pixels[None], size=coarse, mode="bilinear", antialias=True)
    taken = F.interpolate(small, size=tuple(size), mode="bilinear")[0]
    return (taken.clamp(0, 1) * 255).round().to(torch.uint8)
