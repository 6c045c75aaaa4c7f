"""DeepLabv3 (Chen et al., Rethinking Atrous Convolution for Semantic Image Segmentation, arXiv 1706.05587).

A classifier whose last stages dilate instead of shrinking the map, atrous spatial pyramid pooling on top, and logits at
the stride of the features. The builders with torchvision's names have its parameter names and numbers, so that its
published weights load. As there, the head has one 3x3 convolution behind the pyramid that the paper has not.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from visus.names import named
from visus.nn.aspp import ASPP
from visus.nn.norm import conv_norm
from visus.systems.segmentation.bodies import dilated_lite0, dilated_mobilenet, dilated_resnet
from visus.systems.segmentation.fcn import of_published_size, published_transform
from visus.systems.segmentation.outputs import Frame
from visus.systems.segmentation.segmenter import Segmenter
from visus.systems.segmentation.small import SkipRefine, Small, any_segmenter, score_layer

RATES = (6, 12, 18)
"""The paper's dilations at output stride 16."""

SMALL_RATES = (3, 6, 9)
"""Half of them, because the images of the small network have half as many cells a side."""


class DeepLabHead(nn.Sequential):
    """The pyramid (0), a 3x3 convolution with norm and activation (1 to 3), and the logits (4)."""

    def __init__(self, channels: int, num_classes: int, rates: Sequence[int], width: int = 256) -> None:
        super().__init__(
            ASPP(channels, rates, width=width),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, num_classes, 1),
        )

    def forward(  # type: ignore[override]
        self, stages: list[Float[Tensor, "b _ _ _"]], frame: Frame
    ) -> Float[Tensor, "b c h w"]:
        """The logits at the resolution of the last stage."""
        pyramid = self[0](stages[-1], covered_shares(frame))
        features = self[3](conv_norm(pyramid, self[1], self[2]))
        return self[4](features)  # type: ignore[no-any-return]


class DeepLabSmallHead(nn.Module):
    """The pyramid with separable filters, and two steps back to stride 4 that look at earlier stages.

    Args:
        channels: of the stages at strides 4 and 8, and of the last.
        num_classes: classes of a pixel.
        width: channels of the pyramid.
    """

    def __init__(self, channels: Sequence[int], num_classes: int, width: int = 128) -> None:
        super().__init__()
        fine, middle, *_, last = channels
        self.aspp = ASPP(
            last, SMALL_RATES, width=width, separable=True, inside_only=True, pooled_norm=False, dropout=0.1
        )
        self.to_middle = SkipRefine(width, middle, width // 2)
        self.to_fine = SkipRefine(width // 2, fine, width // 2)
        self.score = score_layer(width // 2, num_classes, kernel=3)

    def forward(self, stages: list[Float[Tensor, "b _ _ _"]], frame: Frame) -> Float[Tensor, "b c h w"]:
        """The logits at stride 4."""
        fine, middle, *_, last = stages
        features = self.aspp(last, covered_shares(frame))
        features = self.to_middle(features, middle)
        features = self.to_fine(features, fine)
        return self.score(features)  # type: ignore[no-any-return]


def covered_shares(frame: Frame) -> Float[Tensor, "b 2"]:
    """The share of a frame's rows and columns that each image covers."""
    height, width = frame.size
    return torch.stack((frame.image_sizes[:, 0] / height, frame.image_sizes[:, 1] / width), dim=1)


def _resnet(
    name: str,
    /,
    *,
    num_classes: int = 21,
    pretrained: bool = False,
    trainable_layers: int = 5,
    output_stride: int = 8,
    multi_grid: tuple[int, int, int] = (1, 1, 1),
    aux: bool = True,
    min_size: int = 520,
    max_size: int | None = None,
) -> Segmenter:
    """DeepLabv3 on a ResNet.

    Args:
        num_classes: classes of a pixel; where a data set has a background, it is one of them.
        pretrained: start from torchvision's ImageNet weights (fetched once).
        trainable_layers: how many of the backbone's five stages learn, counted from the last.
        output_stride: pixels of a cell; 8 with dilations 12, 24, 36 (the published weights), 16 with half of them.
        multi_grid: factors on the dilation of the last three blocks; the paper's best is (1, 2, 4), the published
            weights have (1, 1, 1).
        aux: whether a second head on the stage before helps to learn.
        min_size: the shorter side of an image in pixels.
        max_size: the most of its longer side; None for any.
    """
    backbone = dilated_resnet(
        name,
        output_stride=output_stride,
        multi_grid=multi_grid,
        pretrained=pretrained,
        trainable_layers=trainable_layers,
    )
    classifier = DeepLabHead(backbone.channels[-1], num_classes, [rate * 16 // output_stride for rate in RATES])
    return of_published_size(published_transform(min_size, max_size), backbone, classifier, num_classes, aux=aux)


deeplabv3_resnet50 = named(
    "deeplabv3_resnet50", _resnet, "resnet50", "DeepLabv3 on a ResNet-50 (published VOC mIoU 66.4)."
)
deeplabv3_resnet101 = named(
    "deeplabv3_resnet101", _resnet, "resnet101", "DeepLabv3 on a ResNet-101 (published VOC mIoU 67.4)."
)


def deeplabv3_mobilenet_v3_large(
    *,
    num_classes: int = 21,
    pretrained: bool = False,
    trainable_layers: int = 6,
    aux: bool = True,
    min_size: int = 520,
    max_size: int | None = None,
) -> Segmenter:
    """DeepLabv3 on a MobileNetV3-Large at output stride 16 (published VOC mIoU 60.3).

    As in the published weights, the dilations are 12, 24, 36 all the same. Arguments as of `deeplabv3_resnet50`; the
    backbone has six stages.
    """
    backbone = dilated_mobilenet(pretrained=pretrained, trainable_layers=trainable_layers)
    classifier = DeepLabHead(backbone.channels[-1], num_classes, [2 * rate for rate in RATES])
    return of_published_size(published_transform(min_size, max_size), backbone, classifier, num_classes, aux=aux)


deeplabv3_lite0 = named(
    "deeplabv3_lite0",
    any_segmenter,
    Small(dilated_lite0, lambda body, classes: DeepLabSmallHead(body.channels, classes)),
    "Our small DeepLabv3 for a CPU. Unlike the paper's it finds its way back to stride 4 with the help of earlier\n"
    "stages, and does not count padding in the average of an image.",
)
