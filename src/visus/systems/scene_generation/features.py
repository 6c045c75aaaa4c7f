"""How far made images are from real ones to a network that knows photographs.

Chen and Koltun 2017, arXiv 1707.09405, section 4: the features of a network that was trained on ImageNet are compared
layer by layer, which asks for the right texture and shape where a difference of colours is content with their mean. We
differ in the network, EfficientNet-Lite0 in place of VGG-19, and in dividing by the size of the real image's features
in place of learned weights of the layers.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from visus.nn.backbones.efficientnet_lite import efficientnet_lite0
from visus.nn.backbones.interface import IMAGENET_MEAN, IMAGENET_STD

_STAGES = 3
_SMALLEST = 1e-3


class FeatureDistance(nn.Module):
    """The mean relative difference of the features at strides 4, 8 and 16 of a frozen network."""

    scale: Tensor
    shift: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.body = efficientnet_lite0(pretrained=True).body.requires_grad_(False)
        mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD))
        own_mean, own_std = (torch.tensor(values).view(1, 3, 1, 1) for values in (self.body.mean, self.body.std))
        self.register_buffer("scale", std / own_std, persistent=False)
        self.register_buffer("shift", (mean - own_mean) / own_std, persistent=False)

    def train(self, mode: bool = True) -> FeatureDistance:
        """Its norms count nothing."""
        return super().train(False)

    def forward(self, made: Float[Tensor, "b 3 h w"], real: Float[Tensor, "b 3 h w"]) -> Float[Tensor, ""]:
        """The distance of images in normalised colours; only ``made`` gets a gradient."""
        with torch.no_grad():
            wanted = self._features(real)
        pairs = zip(self._features(made), wanted, strict=True)
        distances = [(a - b).abs().mean() / b.abs().mean().clamp(min=_SMALLEST) for a, b in pairs]
        return torch.stack(distances).mean()

    def _features(self, images: Tensor) -> list[Tensor]:
        pixels = (images * self.scale + self.shift).contiguous(memory_format=torch.channels_last)
        return self.body.stages(pixels)[:_STAGES]
