"""A descriptor: one network that gives each image a point, images of one class near to each other.

Backbone, pooling (average, GeM, or one that keeps the layout), linear layer, unit length. What it learns is decided by
the loss alone: any of those for a single network.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from visus.names import named
from visus.nn.backbones import Backbone
from visus.nn.square import SquareTransform, whole_image
from visus.systems.metric_learning.backbones import (
    MakeBackbone,
    NeckedBackbone,
    bn_inception_backbone,
    googlenet_backbone,
    lite0_backbone,
    resnet50_backbone,
)
from visus.systems.metric_learning.outputs import EmbeddingOutputs, embedding_predictions
from visus.systems.metric_learning.pooling import Pooling, PoolingName, make_pooling
from visus.types import ClassTarget, EmbeddingPrediction, ImageBatch

HeadName = Literal["linear", "none"]


class Descriptor(nn.Module):
    """Transform, backbone, pooling, head, and unit length if wanted.

    Args:
        transform: resizing to a square, and normalising.
        backbone: the features.
        pooling: from those of all stages to a vector.
        head: from that vector to the embedding.
        normalise: whether embeddings have unit length.
    """

    channels_last = True
    adapts = False

    def __init__(
        self,
        *,
        transform: SquareTransform,
        backbone: NeckedBackbone,
        pooling: Pooling,
        head: nn.Module,
        normalise: bool = True,
    ) -> None:
        super().__init__()
        self.transform, self.backbone, self.pooling, self.head = transform, backbone, pooling, head
        self.unit = UnitLength() if normalise else nn.Identity()
        pooled = pooling.width(backbone.channels)
        self.embedding_dim = int(head.out_features) if isinstance(head, nn.Linear) else pooled

    def forward(self, images: ImageBatch, targets: Sequence[ClassTarget] | None = None) -> EmbeddingOutputs:
        """The embedding of each image; targets change nothing."""
        stages = self.backbone.stages(self.transform(images))
        pooled = self.pooling(stages)
        return EmbeddingOutputs(images.sizes, self.unit(self.head(pooled)))

    @torch.no_grad()
    def postprocess(self, outputs: EmbeddingOutputs, sizes: Sequence[tuple[int, int]]) -> list[EmbeddingPrediction]:
        """The embedding of each image."""
        return embedding_predictions(outputs, sizes)


class UnitLength(nn.Module):
    """Vectors divided by their length; a vector of zeros stays one."""

    def forward(self, x: Float[Tensor, "b d"]) -> Float[Tensor, "b d"]:
        """The direction of each row."""
        return F.normalize(x, dim=1)


def _descriptor(
    backbone: MakeBackbone,
    /,
    *,
    embedding_dim: int = 128,
    size: int = 224,
    pooling: PoolingName = "average",
    normalise: bool = True,
    pretrained: bool = False,
    trainable_layers: int | None = 5,
    head: HeadName = "linear",
    body: Backbone | None = None,
) -> Descriptor:
    """A descriptor on a backbone.

    Args:
        embedding_dim: dimensions of the embedding.
        size: pixels of a side of the square that images are stretched to.
        pooling: ``"average"``, ``"gem"``, or ``"layout"``, which also tells where in the image things are.
        normalise: whether embeddings have unit length; lifted structure and N-pairs want them without.
        pretrained: start from ImageNet weights, with frozen norms.
        trainable_layers: how many of the body's five groups learn, counted from the last; None for 3 if pretrained,
            else all.
        head: ``"none"`` leaves the linear layer out: the embedding is the pooled features (averages of 1280 channels
            on EfficientNet-Lite0), the baseline of a network that never learned the metric.
        body: a backbone of your own in place of the usual one; ``pretrained`` and ``trainable_layers`` are not for it.
    """
    if head not in ("linear", "none"):
        raise ValueError(f'head must be "linear" or "none", not {head!r}')
    usual = partial(backbone, pretrained=pretrained, trainable_layers=trainable_layers)
    necked = usual() if body is None else NeckedBackbone(body)
    pool = make_pooling(pooling)
    return Descriptor(
        transform=whole_image(size, necked.body),
        backbone=necked,
        pooling=pool,
        head=nn.Linear(pool.width(necked.channels), embedding_dim) if head == "linear" else nn.Identity(),
        normalise=normalise,
    )


descriptor_lite0 = named(
    "descriptor_lite0",
    _descriptor,
    lite0_backbone,
    "Our small descriptor for a CPU: EfficientNet-Lite0 with the ImageNet weights that come with the install.",
    size=96,
    pretrained=True,
    trainable_layers=None,
)
descriptor_resnet50 = named(
    "descriptor_resnet50",
    _descriptor,
    resnet50_backbone,
    "ResNet-50, all of it learning; pretrained weights bring frozen norms.",
)
descriptor_googlenet = named(
    "descriptor_googlenet",
    _descriptor,
    googlenet_backbone,
    "torchvision's GoogLeNet (which has batch norms; the papers' Caffe network has none), all of it learning.",
    embedding_dim=512,
)
descriptor_bn_inception = named(
    "descriptor_bn_inception",
    _descriptor,
    bn_inception_backbone,
    "BN-Inception, all of it learning; pretrained weights bring frozen norms, which the Reality Check wants, too.",
    embedding_dim=64,
)
