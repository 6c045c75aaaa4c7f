"""Prototypical networks (Snell, Swersky, Zemel, arXiv 1703.05175).

A class is the mean of the features of its labelled images; a query belongs to the nearest, by a softmax over negative
squared distances (equations 1 and 2). Published Omniglot training: 60 classes a task, 5 queries of each.
"""

from __future__ import annotations

from jaxtyping import Float, Int64
from torch import Tensor, nn

from visus.systems.meta_learning.conv4 import Conv4, conv4_width
from visus.systems.meta_learning.metric_learner import MetricLearner, class_means
from visus.systems.meta_learning.transform import EpisodeTransform


class Prototypes(nn.Module):
    """Minus the distance of each query to the mean of each class.

    Args:
        squared: squared Euclidean distance, as published; otherwise its root, which other code has used.
    """

    def __init__(self, *, squared: bool = True) -> None:
        super().__init__()
        self.squared = squared

    def forward(
        self,
        support: Float[Tensor, "b s d"],
        labels: Int64[Tensor, "b s"],
        queries: Float[Tensor, "b q d"],
        n_way: int,
    ) -> Float[Tensor, "b q n"]:
        """The logits of each query."""
        return prototype_logits(queries, class_means(support, labels, n_way), squared=self.squared)


def prototype_logits(
    queries: Float[Tensor, "b q d"], prototypes: Float[Tensor, "b n d"], *, squared: bool = True
) -> Float[Tensor, "b q n"]:
    """Minus the (squared) Euclidean distance between each query and each prototype."""
    differences = queries[:, :, None] - prototypes[:, None]
    squares = differences.square().sum(dim=3)
    return -squares if squared else -squares.sqrt()


def prototypical_conv4(*, channels: int = 1, size: int = 28, width: int = 64, squared: bool = True) -> MetricLearner:
    """A prototypical network on Conv-4.

    Args:
        channels: 1 for grey images, 3 for colours.
        size: pixels of a side.
        width: channels of each layer.
        squared: by squared distances, as published.
    """
    conv4_width(size, width)
    encoder = Conv4(channels=channels, width=width)
    return MetricLearner(
        transform=EpisodeTransform(size=size, channels=channels), encoder=encoder, head=Prototypes(squared=squared)
    )
