"""Relation networks (Sung et al., "Learning to Compare", arXiv 1711.06025).

The maps of the labelled images of a class are summed, laid beside those of a query, and two convolutions and two linear
layers say how well they belong together, from 0 to 1; learned by the squared distance to 1 and 0. The published code
normalises by the batch in evaluation too, so that queries see one another (``transductive``).
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional as F

from visus.systems.meta_learning.conv4 import Conv4, conv4_width, conv_block
from visus.systems.meta_learning.metric_learner import MetricLearner
from visus.systems.meta_learning.transform import EpisodeTransform

HALVED = 2
"""Of the four layers of the encoder so many halve the image; the two of the relation module do so again."""


class Relation(nn.Module):
    """How well each query and each class belong together, before the sigmoid.

    Args:
        width: channels of the maps.
        inner: numbers that the two convolutions leave.
        hidden: width of the first linear layer.
        batch_statistics: normalise by the batch in evaluation, too.
    """

    def __init__(self, width: int, inner: int, *, hidden: int = 8, batch_statistics: bool = False) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            conv_block(2 * width, width, pooled=True, batch_statistics=batch_statistics),
            conv_block(width, width, pooled=True, batch_statistics=batch_statistics),
            nn.Flatten(),
        )
        self.score = nn.Sequential(nn.Linear(inner, hidden), nn.ReLU(), nn.Linear(hidden, 1))
        self.batch_statistics = batch_statistics

    def forward(
        self,
        support: Float[Tensor, "b s c h w"],
        labels: Int64[Tensor, "b s"],
        queries: Float[Tensor, "b q c h w"],
        n_way: int,
    ) -> Float[Tensor, "b q n"]:
        """The logits of each query."""
        classes = torch.einsum("bsn,bs...->bn...", F.one_hot(labels, n_way).to(support), support)
        shape = (*queries.shape[:2], *classes.shape[1:])
        pairs = torch.cat([classes[:, None].expand(shape), queries[:, :, None].expand(shape)], dim=3)  # [b q n 2c h w]
        if self.batch_statistics:
            return torch.stack([self._scored(of_episode) for of_episode in pairs])
        return self._scored(pairs.flatten(0, 1)).view(pairs.shape[:3])

    def _scored(self, pairs: Float[Tensor, "m n c h w"]) -> Float[Tensor, "m n"]:
        """The score of each pair; those that are given together may see one another."""
        return self.score(self.convolutions(pairs.flatten(0, 1)))[:, 0].unflatten(0, pairs.shape[:2])  # type: ignore[no-any-return]


def relation_conv4(
    *, channels: int = 1, size: int = 28, width: int = 64, hidden: int = 8, transductive: bool = False
) -> MetricLearner:
    """A relation network on Conv-4.

    Args:
        channels: 1 for grey images, 3 for colours.
        size: pixels of a side.
        width: channels of each layer.
        hidden: width of the first linear layer of the relation module.
        transductive: normalise by the whole episode in evaluation, so that queries see one another, as published.
    """
    inner = conv4_width(size, width, pooled=4)
    return MetricLearner(
        transform=EpisodeTransform(size=size, channels=channels),
        encoder=Conv4(channels=channels, width=width, pooled=HALVED, flatten=False, batch_statistics=transductive),
        head=Relation(width, inner, hidden=hidden, batch_statistics=transductive),
        batch_statistics=transductive,
    )
