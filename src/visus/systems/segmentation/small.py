"""What our segmentation networks for a CPU have in common: one builder, and narrower heads with separable filters.

All stand on EfficientNet-Lite0 and give logits at stride 4, so that thin things keep their shape.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Generic, TypeVar

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from visus.nn.backbones import Backbone
from visus.nn.norm import ConvNorm
from visus.nn.transform import small_transform
from visus.systems.segmentation.segmenter import Segmenter

Body = TypeVar("Body", bound=Backbone)

FIRST_LOGITS = 0.01
"""The deviation of the last layer's first weights: all classes begin about equally likely."""


@dataclass(frozen=True)
class Small(Generic[Body]):
    """A network for a CPU.

    Args:
        backbone: builds it from ``pretrained`` and ``trainable_layers``.
        classifier: makes what stands on it, from it and the number of classes.
    """

    backbone: Callable[..., Body]
    classifier: Callable[[Body, int], nn.Module]


def small_segmenter(
    parts: Small[Body],
    /,
    *,
    num_classes: int = 21,
    pretrained: bool = True,
    trainable_layers: int | None = None,
    size: int = 240,
) -> Segmenter:
    """On EfficientNet-Lite0 with the ImageNet weights that come with the install.

    Args:
        num_classes: classes of a pixel; where a data set has a background, it is one of them.
        pretrained: start from the ImageNet weights.
        trainable_layers: how many of the backbone's five stages learn, counted from the last; 3 if pretrained.
        size: the shorter side of an image in pixels; the longer may be twice that.
    """
    backbone = parts.backbone(pretrained=pretrained, trainable_layers=trainable_layers)
    classifier = parts.classifier(backbone, num_classes)
    return Segmenter(transform=small_transform(size, backbone), backbone=backbone, classifier=classifier)


def any_segmenter(
    parts: Small[Body],
    /,
    *,
    num_classes: int = 21,
    pretrained: bool = True,
    trainable_layers: int | None = None,
    size: int = 240,
    body: Backbone | None = None,
) -> Segmenter:
    """On EfficientNet-Lite0 with the ImageNet weights that come with the install, or on another backbone.

    Args:
        num_classes: classes of a pixel; where a data set has a background, it is one of them.
        pretrained: start from the ImageNet weights.
        trainable_layers: how many of the backbone's five stages learn, counted from the last; 3 if pretrained.
        size: the shorter side of an image in pixels; the longer may be twice that.
        body: a backbone of your own in place of EfficientNet-Lite0, with stages at strides 4, 8, 16 and 32.
    """
    return small_segmenter(
        replace(parts, backbone=partial(parts.backbone, body=body)),
        num_classes=num_classes,
        pretrained=pretrained,
        trainable_layers=trainable_layers,
        size=size,
    )


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
