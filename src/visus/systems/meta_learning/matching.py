"""Matching networks (Vinyals et al., arXiv 1606.04080), with full-context embeddings.

A query gets the labels of the labelled images, weighted by a softmax over cosines (equation 1). With full-context
embeddings the features of labelled images see one another through a bidirectional LSTM (appendix A.2), those of a query
see them through an LSTM with attention (appendix A.1). Cosines are bounded, so they are multiplied by ``scale``.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional as F

from visus.systems.meta_learning.conv4 import Conv4, conv4_width
from visus.systems.meta_learning.metric_learner import MetricLearner
from visus.systems.meta_learning.transform import EpisodeTransform

_SMALLEST = 1e-6


class Matching(nn.Module):
    """The labels of the support set, weighted by attention.

    Args:
        dim: of the features.
        full_context: embed images in the context of the support set.
        steps: how often a query looks at it.
        scale: factor on the cosines.
    """

    def __init__(self, dim: int, *, full_context: bool, steps: int = 5, scale: float = 10.0) -> None:
        super().__init__()
        self.scale = scale
        self.of_support = SupportContext(dim) if full_context else nn.Identity()
        self.of_queries = QueryContext(dim, steps) if full_context else None

    def forward(
        self,
        support: Float[Tensor, "b s d"],
        labels: Int64[Tensor, "b s"],
        queries: Float[Tensor, "b q d"],
        n_way: int,
    ) -> Float[Tensor, "b q n"]:
        """The logarithm of each class's probability."""
        support = self.of_support(support)
        if self.of_queries is not None:
            queries = self.of_queries(queries, support)
        cosines = F.normalize(queries, dim=2) @ F.normalize(support, dim=2).mT
        attention = (self.scale * cosines).softmax(dim=2)
        return (attention @ F.one_hot(labels, n_way).to(attention)).clamp(min=_SMALLEST).log()


class SupportContext(nn.Module):
    """g(x_i, S): what a bidirectional LSTM says at an image of the support set, plus its features (appendix A.2).

    Args:
        dim: of the features.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(dim, dim, batch_first=True, bidirectional=True)

    def forward(self, support: Float[Tensor, "b s d"]) -> Float[Tensor, "b s d"]:
        """The features in their context."""
        forth, back = self.lstm(support)[0].chunk(2, dim=2)
        return forth + back + support  # type: ignore[no-any-return]


class QueryContext(nn.Module):
    """f(x, S): an LSTM that reads the support set with attention for some steps (appendix A.1, equations 3 to 6).

    Args:
        dim: of the features.
        steps: of reading.
    """

    def __init__(self, dim: int, steps: int) -> None:
        super().__init__()
        self.cell, self.steps = nn.LSTMCell(dim, dim), steps
        self.read = nn.Linear(dim, dim, bias=False)

    def forward(self, queries: Float[Tensor, "b q d"], support: Float[Tensor, "b s d"]) -> Float[Tensor, "b q d"]:
        """The features in their context; what was read enters the state by a matrix of its own."""
        rows = queries.flatten(0, 1)
        state = torch.zeros_like(rows), torch.zeros_like(rows)
        hidden = queries
        for _ in range(self.steps):
            reading = (hidden @ support.mT).softmax(dim=2) @ support
            seen, memory = self.cell(rows, (hidden.flatten(0, 1) + self.read(reading.flatten(0, 1)), state[1]))
            state = seen, memory
            hidden = seen.unflatten(0, queries.shape[:2]) + queries
        return hidden


def matching_conv4(
    *,
    channels: int = 1,
    size: int = 28,
    width: int = 64,
    full_context: bool = True,
    steps: int = 5,
    scale: float = 10.0,
) -> MetricLearner:
    """A matching network on Conv-4.

    Args:
        channels: 1 for grey images, 3 for colours.
        size: pixels of a side.
        width: channels of each layer.
        full_context: embed images in the context of the support set.
        steps: how often a query looks at it.
        scale: factor on the cosines.
    """
    head = Matching(conv4_width(size, width), full_context=full_context, steps=steps, scale=scale)
    encoder = Conv4(channels=channels, width=width)
    return MetricLearner(transform=EpisodeTransform(size=size, channels=channels), encoder=encoder, head=head)
