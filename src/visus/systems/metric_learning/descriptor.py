"""A descriptor: one network that gives each image a point, images of one class near to each other.

Body, pooling (average, GeM, or one that keeps the layout), linear layer, unit length. What it learns is decided by the
loss alone: any of this room's single-network losses.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from visus.nn.square import SquareTransform
from visus.systems.metric_learning.outputs import EmbeddingOutputs, embedding_predictions
from visus.systems.metric_learning.pooling import Pooling, PoolingName, make_pooling
from visus.systems.metric_learning.trunks import (
    Trunk,
    bn_inception_trunk,
    googlenet_trunk,
    lite0_trunk,
    resnet50_trunk,
)
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
        backbone: Trunk,
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


def descriptor_lite0(
    *,
    embedding_dim: int = 128,
    size: int = 96,
    pooling: PoolingName = "average",
    normalise: bool = True,
    pretrained: bool = True,
    trainable_layers: int | None = None,
    head: HeadName = "linear",
) -> Descriptor:
    """Our small descriptor for a CPU: EfficientNet-Lite0 with the ImageNet weights that come with the install.

    Args:
        embedding_dim: dimensions of the embedding.
        size: pixels of a side of the square that images are stretched to.
        pooling: ``"average"``, ``"gem"``, or ``"layout"``, which also tells where in the picture things are.
        normalise: whether embeddings have unit length; lifted structure and N-pairs want them without.
        pretrained: start from the ImageNet weights, with frozen norms.
        trainable_layers: how many of the body's five groups learn, counted from the last; 3 if pretrained, else all.
        head: ``"none"`` leaves the linear layer out: the embedding is the pooled features (1280 averages), the baseline
            of a network that never learned the metric.
    """
    trunk = lite0_trunk(pretrained=pretrained, trainable_layers=trainable_layers)
    return _descriptor(trunk, embedding_dim, size, pooling, normalise, head)


def descriptor_googlenet(
    *,
    embedding_dim: int = 512,
    size: int = 224,
    pooling: PoolingName = "average",
    normalise: bool = True,
    pretrained: bool = False,
    trainable_layers: int | None = 5,
    head: HeadName = "linear",
) -> Descriptor:
    """torchvision's GoogLeNet (which has batch norms; the papers' Caffe network has none), all of it learning."""
    trunk = googlenet_trunk(pretrained=pretrained, trainable_layers=trainable_layers)
    return _descriptor(trunk, embedding_dim, size, pooling, normalise, head)


def descriptor_bn_inception(
    *,
    embedding_dim: int = 64,
    size: int = 224,
    pooling: PoolingName = "average",
    normalise: bool = True,
    pretrained: bool = False,
    trainable_layers: int | None = 5,
    head: HeadName = "linear",
) -> Descriptor:
    """BN-Inception, all of it learning; pretrained weights bring frozen norms, which the Reality Check wants, too."""
    trunk = bn_inception_trunk(pretrained=pretrained, trainable_layers=trainable_layers)
    return _descriptor(trunk, embedding_dim, size, pooling, normalise, head)


def descriptor_resnet50(
    *,
    embedding_dim: int = 128,
    size: int = 224,
    pooling: PoolingName = "average",
    normalise: bool = True,
    pretrained: bool = False,
    trainable_layers: int | None = 5,
    head: HeadName = "linear",
) -> Descriptor:
    """ResNet-50, all of it learning; pretrained weights bring frozen norms."""
    trunk = resnet50_trunk(pretrained=pretrained, trainable_layers=trainable_layers)
    return _descriptor(trunk, embedding_dim, size, pooling, normalise, head)


def _descriptor(
    trunk: Trunk, embedding_dim: int, size: int, pooling: PoolingName, normalise: bool, head: HeadName
) -> Descriptor:
    if head not in ("linear", "none"):
        raise ValueError(f'head must be "linear" or "none", not {head!r}')
    pool = make_pooling(pooling)
    return Descriptor(
        transform=SquareTransform(size=size, mean=trunk.body.mean, std=trunk.body.std, antialias=True),
        backbone=trunk,
        pooling=pool,
        head=nn.Linear(pool.width(trunk.channels), embedding_dim) if head == "linear" else nn.Identity(),
        normalise=normalise,
    )
