"""What learners that compare share: images to features, and the mean features of each class."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional as F

from visus.systems.meta_learning.outputs import EpisodeOutputs, episode_predictions
from visus.systems.meta_learning.transform import EpisodeTransform
from visus.types import EpisodeBatch, EpisodePrediction, EpisodeTarget


class MetricLearner(nn.Module):
    """Transform, encoder, and a head that compares queries with labelled images.

    Args:
        transform: resizing and normalising.
        encoder: features of images.
        head: ``head(support, labels, queries, n_way)`` gives logits [b, q, n].
        batch_statistics: whether the encoder's norms look at the whole batch in evaluation, queries included.
    """

    channels_last = True
    adapts = False

    def __init__(
        self, *, transform: EpisodeTransform, encoder: nn.Module, head: nn.Module, batch_statistics: bool = False
    ) -> None:
        super().__init__()
        self.transform, self.encoder, self.head = transform, encoder, head
        self.batch_statistics = batch_statistics

    def forward(self, episodes: EpisodeBatch, targets: Sequence[EpisodeTarget] | None = None) -> EpisodeOutputs:
        """The logits of each query; targets change nothing."""
        images = torch.cat([self.transform(episodes.support), self.transform(episodes.queries)], dim=1)
        features = self._encoded(images)
        support, queries = features.split([episodes.support.shape[1], episodes.queries.shape[1]], dim=1)  # type: ignore[no-untyped-call]
        logits = self.head(support, episodes.support_labels, queries, episodes.n_way)
        return EpisodeOutputs(logits, transductive=self.batch_statistics)

    def _encoded(self, images: Float[Tensor, "b m c h w"]) -> Float[Tensor, "b m ..."]:
        """The features of each image; where images see one another, only those of one episode do."""
        if self.batch_statistics:
            return torch.stack([self.encoder(some) for some in images])
        return self.encoder(images.flatten(0, 1)).unflatten(0, images.shape[:2])  # type: ignore[no-any-return]

    @torch.no_grad()
    def postprocess(self, outputs: EpisodeOutputs, sizes: Sequence[tuple[int, ...]]) -> list[EpisodePrediction]:
        """The probabilities of each episode."""
        return episode_predictions(outputs, sizes)


def class_means(support: Float[Tensor, "b s *d"], labels: Int64[Tensor, "b s"], n_way: int) -> Float[Tensor, "b n *d"]:
    """The mean features of each class."""
    shares = F.one_hot(labels, n_way).to(support)
    shares = shares / shares.sum(dim=1, keepdim=True)
    return torch.einsum("bsn,bs...->bn...", shares, support)
