"""Frozen features with class centroids: nothing is trained, and every learner has to beat it.

The features of an ImageNet network, pooled and of unit length; a class is the mean of those of its labelled images, a
query belongs to the class of the nearest by cosine (Chen et al., "A Closer Look at Few-shot Classification", arXiv
1904.04232, section 3.2).
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional as F

from visus.systems.meta_learning.metric_learner import MetricLearner, class_means
from visus.systems.meta_learning.transform import EpisodeTransform
from visus.systems.metric_learning.backbones import NeckedBackbone, lite0_backbone
from visus.systems.metric_learning.pooling import Pooling, PoolingName, make_pooling


class PooledFeatures(nn.Module):
    """The pooled features of images, of unit length, of a backbone that does not learn.

    Args:
        backbone: gives maps.
        pooling: makes one row of them.
    """

    def __init__(self, backbone: NeckedBackbone, pooling: Pooling) -> None:
        super().__init__()
        self.backbone, self.pooling = backbone.requires_grad_(False), pooling.requires_grad_(False)

    @torch.no_grad()
    def forward(self, images: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n d"]:
        """The features of each image."""
        return F.normalize(self.pooling(self.backbone.stages(images)), dim=1)


class CosineCentroids(nn.Module):
    """Cosines between queries and class means, times a factor, the only thing that can be learned.

    Args:
        scale: the factor to begin with.
    """

    def __init__(self, *, scale: float = 10.0) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(scale))

    def forward(
        self,
        support: Float[Tensor, "b s d"],
        labels: Int64[Tensor, "b s"],
        queries: Float[Tensor, "b q d"],
        n_way: int,
    ) -> Float[Tensor, "b q n"]:
        """The logits of each query."""
        centroids = F.normalize(class_means(support, labels, n_way), dim=2)
        return self.scale * (F.normalize(queries, dim=2) @ centroids.mT)


def centroids_lite0(
    *, size: int = 96, pooling: PoolingName = "layout", pretrained: bool = True, scale: float = 10.0
) -> MetricLearner:
    """EfficientNet-Lite0 with the ImageNet weights of the install, frozen, and class centroids.

    Args:
        size: pixels of a side.
        pooling: from maps to a row: ``average``, ``gem``, or ``layout``, which tells where in the image things are.
        pretrained: with the ImageNet weights.
        scale: factor on the cosines.
    """
    backbone = lite0_backbone(pretrained=pretrained)
    encoder = PooledFeatures(backbone, make_pooling(pooling))
    transform = EpisodeTransform(size=size, channels=3, mean=backbone.body.mean, std=backbone.body.std)
    return MetricLearner(transform=transform, encoder=encoder, head=CosineCentroids(scale=scale))
