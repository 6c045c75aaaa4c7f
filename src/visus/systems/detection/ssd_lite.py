"""Our small SSD for a CPU: EfficientNet-Lite0, depthwise-separable layers and heads as in SSDLite (arXiv 1801.04381).

What differs from the paper's: the finest map has stride 8, where Lite0 knows little of meaning yet, so a narrow feature
pyramid (arXiv 1612.03144) brings it down from the deeper maps; default boxes grow with the stride and not with the
image; batch norm in heads; and the classifier starts where the loss is calm, from three boxes of background for one of
an object, which is what hard negative mining lets it see.
"""

from __future__ import annotations

import math

from jaxtyping import Float
from torch import Tensor, nn

from visus.nn.backbones import Backbone, lite0_or
from visus.nn.norm import ConvNorm
from visus.nn.pyramid import PyramidBackbone
from visus.nn.square import SquareTransform
from visus.systems.detection.default_boxes import BoxLevel, box_levels
from visus.systems.detection.ssd import SSD, SSDHead

CHANNELS = 96
STRIDES = (8, 16, 32, 64, 128)
LEAST_SIZE = 64

FINEST_SCALE = 1.75
"""The side of the smallest default box in strides of its map: 14 pixels, for objects from about 10 pixels on."""

SCALE = 2.5
"""The same for all coarser maps; 95% of boxes of 24 to 100 pixels overlap a default box by more than a half."""

LARGEST_SCALE = 0.9
"""The side of the largest default box as a share of the image's."""


class LiteFeatures(nn.Module):
    """A pyramid from stride 8 to 32, and coarser maps by separable convolutions of stride 2.

    Args:
        pyramid: the finer maps, all of as many channels.
        extra_levels: how many maps follow.
    """

    def __init__(self, pyramid: PyramidBackbone, extra_levels: int) -> None:
        super().__init__()
        self.pyramid = pyramid
        width = pyramid.out_channels
        self.extra = nn.ModuleList(separable(width, width, stride=2) for _ in range(extra_levels))

    def forward(self, pixels: Float[Tensor, "b 3 h w"]) -> list[Float[Tensor, "b c _ _"]]:
        """The maps, finest first."""
        maps: list[Tensor] = self.pyramid(pixels)
        for layer in self.extra:
            maps.append(layer(maps[-1]))
        return maps


def separable(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    """A 3x3 convolution of each channel apart, then a 1x1 convolution of all, each with batch norm and ReLU6."""
    return nn.Sequential(_depthwise(inputs, stride), _conv_norm(nn.Conv2d(inputs, outputs, 1, bias=False)))


def ssd_lite0(
    *,
    num_classes: int = 90,
    pretrained: bool = True,
    trainable_layers: int | None = None,
    size: int = 192,
    body: Backbone | None = None,
) -> SSD:
    """Our small SSD for a CPU: EfficientNet-Lite0 with the ImageNet weights that come with the install.

    Args:
        num_classes: categories without the background.
        pretrained: start from the ImageNet weights.
        trainable_layers: how many of the backbone's stages learn, counted from the last.
        size: both sides of the images that the network sees in pixels; images of other shapes are stretched.
        body: a backbone of your own in place of EfficientNet-Lite0, with stages at strides 4, 8, 16 and 32.

    Raises:
        ValueError: ``size`` is under 64.
    """
    body = lite0_or(body, pretrained=pretrained, trainable_layers=trainable_layers)
    pyramid = PyramidBackbone(body, stages=(1, 2, 3), out_channels=CHANNELS, norm=nn.BatchNorm2d, extra=None)
    levels = lite_levels(size)
    head = SSDHead(channels=[CHANNELS] * len(levels), levels=levels, num_classes=num_classes, predictor=_lite_predictor)
    _expect_background(head, num_classes)
    return SSD(
        transform=SquareTransform(size=size, mean=body.mean, std=body.std, antialias=True),
        backbone=LiteFeatures(pyramid, len(levels) - len(pyramid.strides)),
        head=head,
        levels=levels,
    )


def lite_levels(size: int) -> list[BoxLevel]:
    """Default boxes on all maps that have at least two cells a side, so that batch norm has something to average."""
    if size < LEAST_SIZE:
        raise ValueError(f"size must be at least {LEAST_SIZE}, not {size}")
    strides = [stride for stride in STRIDES if size > stride]
    sides = [FINEST_SCALE * strides[0], *(SCALE * stride for stride in strides[1:])]
    return box_levels(
        grids=[math.ceil(size / stride) for stride in strides],
        steps=strides,
        scales=[*(min(side / size, LARGEST_SCALE) for side in sides), 1.0],
        aspect_ratios=[(2,), *[(2, 3)] * (len(strides) - 1)],
    )


def _lite_predictor(inputs: int, outputs: int) -> nn.Sequential:
    """What SSDLite puts in place of a 3x3 convolution; it begins by saying next to nothing."""
    last = nn.Conv2d(inputs, outputs, 1)
    nn.init.normal_(last.weight, std=0.01)
    nn.init.zeros_(last.bias)  # type: ignore[arg-type]
    return nn.Sequential(_depthwise(inputs), last)


def _expect_background(head: SSDHead, num_classes: int) -> None:
    """Lets the classifier begin with a probability of 3/4 for background and equal ones for all categories."""
    columns = num_classes + 1
    for predictor in head.classification_head.module_list:
        bias: Tensor = predictor[-1].bias.data  # type: ignore[index]
        bias.view(-1, columns)[:, 0] = math.log(3 * num_classes)


def _depthwise(channels: int, stride: int = 1) -> ConvNorm:
    return _conv_norm(nn.Conv2d(channels, channels, 3, stride, padding=1, groups=channels, bias=False))


def _conv_norm(conv: nn.Conv2d) -> ConvNorm:
    nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
    return ConvNorm(conv, nn.BatchNorm2d(conv.out_channels), nn.ReLU6(inplace=True))
