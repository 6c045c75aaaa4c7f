"""The parts of our segmentation networks for a CPU: the papers' heads, narrower, with separable filters.

All stand on EfficientNet-Lite0 and give logits at stride 4, so that thin things keep their shape.
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from visus.nn.norm import ConvNorm

FIRST_LOGITS = 0.01
"""The deviation of the last layer's first weights: all classes begin about equally likely."""


class SkipRefine(nn.Module):
    """Enlarges coarse features to the cells of finer ones, adds these, and filters the sum.

    Args:
        coarse: channels of the coarse features.
        fine: channels of the fine ones.
        width: channels of the result.
    """

    def __init__(self, coarse: int, fine: int, width: int) -> None:
        super().__init__()
        self.reduce = ConvNorm(nn.Conv2d(coarse, width, 1, bias=False), nn.BatchNorm2d(width))
        self.lateral = ConvNorm(nn.Conv2d(fine, width, 1, bias=False), nn.BatchNorm2d(width))
        self.refine = separable_conv(width, width)

    def forward(self, coarse: Float[Tensor, "b c _ _"], fine: Float[Tensor, "b d h w"]) -> Float[Tensor, "b e h w"]:
        """Features at the resolution of ``fine``."""
        above = F.interpolate(self.reduce(coarse), fine.shape[-2:], mode="bilinear", align_corners=False)
        return self.refine(F.relu(above + self.lateral(fine)))  # type: ignore[no-any-return]


def separable_conv(channels: int, width: int) -> nn.Sequential:
    """A 3x3 filter for each channel, then a mixture of all (arXiv 1704.04861), normed and activated once."""
    spatial = nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False)
    mixed = ConvNorm(nn.Conv2d(channels, width, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU())
    return nn.Sequential(spatial, mixed)


def score_layer(channels: int, num_classes: int, *, kernel: int = 1) -> nn.Conv2d:
    """The last layer of a head, which starts near zero."""
    layer = nn.Conv2d(channels, num_classes, kernel, padding=kernel // 2)
    nn.init.normal_(layer.weight, std=FIRST_LOGITS)
    nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    return layer
