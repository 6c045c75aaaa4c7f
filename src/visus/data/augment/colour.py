"""Colour variations of uint8 images: brightness, contrast, saturation and hue as one matrix."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

_GREY = torch.tensor([0.299, 0.587, 0.114])  # luma of ITU-R BT.601
_TO_YIQ = torch.tensor([[0.299, 0.587, 0.114], [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]])
_FROM_YIQ = torch.linalg.inv(_TO_YIQ)

# How far strength 1 goes: factors in 1 ± these, and a turn of the hue by ± this part of the circle.
_BRIGHTNESS, _CONTRAST, _SATURATION, _HUE = 0.4, 0.4, 0.7, 0.08


def jitter_colour(image: UInt8[Tensor, "3 h w"], strength: float, generator: torch.Generator) -> UInt8[Tensor, "3 h w"]:
    """Vary brightness, contrast, saturation and hue at random.

    All four are linear in the pixels, so they are one 3 x 3 matrix and an offset: a single pass over the image. The hue
    is turned in the YIQ plane, which keeps the luma.

    Args:
        image: RGB.
        strength: 0 changes nothing, 1 is strong.
        generator: of the four numbers.
    """
    if strength == 0:
        return image
    draw = (torch.rand(4, generator=generator) * 2 - 1) * strength
    limits = (_BRIGHTNESS, _CONTRAST, _SATURATION, _HUE)
    brightness, contrast, saturation, hue = (n * limit for n, limit in zip(draw.tolist(), limits, strict=True))
    pixels = image.reshape(3, -1).float()
    matrix = (1 + brightness) * (1 + contrast) * chroma_matrix(1 + saturation, 2 * math.pi * hue)
    # Contrast is about the image's own mean luma, so that it does not change the brightness.
    mean = (1 + brightness) * float(_GREY @ pixels.mean(dim=1))
    offset = torch.full((3, 1), -contrast * mean)
    return torch.addmm(offset, matrix, pixels).round_().clamp_(0, 255).to(torch.uint8).view(image.shape)


def chroma_matrix(saturation: float, angle: float) -> Float[Tensor, "3 3"]:
    """Scales and turns the chroma plane and keeps the luma."""
    cos, sin = saturation * math.cos(angle), saturation * math.sin(angle)
    matrix: Tensor = _FROM_YIQ @ torch.tensor([[1.0, 0.0, 0.0], [0.0, cos, -sin], [0.0, sin, cos]]) @ _TO_YIQ
    return matrix
