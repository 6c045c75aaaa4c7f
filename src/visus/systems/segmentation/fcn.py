"""Fully convolutional networks (Long, Shelhamer, Darrell, arXiv 1411.4038).

A classifier slid over the image gives coarse scores; scores of earlier, finer stages are added on the way back to the
image's resolution. On a ResNet, torchvision has no such skips but dilates the last stages: the builders with its names
have its parameter names and numbers, so that its published weights load. The networks on VGG-16 are in `fcn_vgg`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from visus.names import named
from visus.nn.backbones import Backbone
from visus.nn.norm import conv_norm
from visus.nn.transform import ImageTransform
from visus.systems.segmentation.bodies import dilated_lite0, dilated_resnet
from visus.systems.segmentation.outputs import Frame
from visus.systems.segmentation.segmenter import Segmenter
from visus.systems.segmentation.small import Small, any_segmenter, score_layer, separable_conv


class FCNHead(nn.Sequential):
    """A 3x3 convolution to a quarter of the channels, its norm and activation, dropout, and the logits (4).

    Args:
        channels: of the stage that it looks at.
        num_classes: classes of a pixel.
        stage: which stage of the backbone that is.
    """

    def __init__(self, channels: int, num_classes: int, stage: int = -1) -> None:
        hidden = channels // 4
        super().__init__(
            nn.Conv2d(channels, hidden, 3, padding=1, bias=False),
            nn.BatchNorm2d(hidden),
            nn.ReLU(),
            nn.Dropout(0.1),
            nn.Conv2d(hidden, num_classes, 1),
        )
        self.stage = stage

    def forward(  # type: ignore[override]
        self, stages: list[Float[Tensor, "b _ _ _"]], frame: Frame
    ) -> Float[Tensor, "b c h w"]:
        """The logits at the resolution of the stage."""
        features = self[2](conv_norm(stages[self.stage], self[0], self[1]))
        return self[4](self[3](features))  # type: ignore[no-any-return]


class FCNSmallHead(nn.Module):
    """Scores of all four stages, summed from the coarsest to the finest as in the paper's figure 3.

    Args:
        channels: of the stages.
        num_classes: classes of a pixel.
        widths: channels between a stage and its scores.
    """

    def __init__(self, channels: Sequence[int], num_classes: int, widths: Sequence[int] = (48, 64, 96, 128)) -> None:
        super().__init__()
        heads = (
            nn.Sequential(separable_conv(inputs, width), nn.Dropout(0.1), score_layer(width, num_classes))
            for inputs, width in zip(channels, widths, strict=True)
        )
        self.scores = nn.ModuleList(heads)

    def forward(self, stages: list[Float[Tensor, "b _ _ _"]], frame: Frame) -> Float[Tensor, "b c h w"]:
        """The logits at the resolution of the first stage."""
        *finer, coarsest = [score(stage) for score, stage in zip(self.scores, stages, strict=True)]
        total: Tensor = coarsest
        for scores in reversed(finer):
            above = F.interpolate(total, scores.shape[-2:], mode="bilinear", align_corners=False)
            total = above + scores
        return total


def _resnet(
    name: str,
    /,
    *,
    num_classes: int = 21,
    pretrained: bool = False,
    trainable_layers: int = 5,
    output_stride: int = 8,
    aux: bool = True,
    min_size: int = 520,
    max_size: int | None = None,
) -> Segmenter:
    """torchvision's FCN on a ResNet.

    Args:
        num_classes: classes of a pixel; where a data set has a background, it is one of them.
        pretrained: start from torchvision's ImageNet weights (fetched once).
        trainable_layers: how many of the backbone's five stages learn, counted from the last.
        output_stride: pixels of a cell; the published weights have 8.
        aux: whether a second head on the stage before helps to learn.
        min_size: the shorter side of an image in pixels.
        max_size: the most of its longer side; None for any.
    """
    backbone = dilated_resnet(
        name, output_stride=output_stride, pretrained=pretrained, trainable_layers=trainable_layers
    )
    transform = published_transform(min_size, max_size)
    return of_published_size(transform, backbone, FCNHead(backbone.channels[-1], num_classes), num_classes, aux=aux)


def published_transform(min_size: int, max_size: int | None) -> ImageTransform:
    """How torchvision's segmentation networks want images."""
    return ImageTransform(min_size=min_size, max_size=max_size, divisor=1, antialias=True)


def of_published_size(
    transform: ImageTransform, backbone: Backbone, classifier: nn.Module, num_classes: int, *, aux: bool
) -> Segmenter:
    """A network of torchvision's: ``aux`` for its second head, on the stage before the last."""
    second = FCNHead(backbone.channels[-2], num_classes, stage=-2) if aux else None
    return Segmenter(transform=transform, backbone=backbone, classifier=classifier, aux_classifier=second)


fcn_resnet50 = named("fcn_resnet50", _resnet, "resnet50", "torchvision's FCN on a ResNet-50 (published VOC mIoU 60.5).")
fcn_resnet101 = named(
    "fcn_resnet101", _resnet, "resnet101", "torchvision's FCN on a ResNet-101 (published VOC mIoU 63.7)."
)


fcn_lite0 = named(
    "fcn_lite0",
    any_segmenter,
    Small(partial(dilated_lite0, output_stride=32), lambda body, classes: FCNSmallHead(body.channels, classes)),
    "Our small FCN for a CPU. Unlike the paper's it goes on to stride 4, has a small filter before the scores of each\n"
    "stage, and enlarges scores bilinearly without learning how.",
)
