"""What learners share whose weights change in an episode: batches of episodes in, logits of the queries out."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from visus.systems.meta_learning.inner_loop import Loss, Weights, for_each
from visus.systems.meta_learning.outputs import EpisodeOutputs, episode_predictions
from visus.systems.meta_learning.task_network import TaskNetwork
from visus.systems.meta_learning.transform import EpisodeTransform
from visus.types import EpisodeBatch, EpisodePrediction, EpisodeTarget


@runtime_checkable
class InnerLoop(Protocol):
    """Learns the labelled images of each episode."""

    def __call__(
        self, weights: Weights, loss_of: PickedLoss, images: int, *, training: bool
    ) -> dict[str, Float[Tensor, "t ..."]]:
        """The weights of each episode.

        Args:
            weights: to begin with.
            loss_of: the loss of some of the labelled images, by their places.
            images: how many labelled images there are.
            training: whether the learner itself is learning now.
        """


@runtime_checkable
class PickedLoss(Protocol):
    """Gives a loss for a choice of labelled images."""

    def __call__(self, places: Int64[Tensor, " m"] | None = None) -> Loss:
        """The loss of the images at ``places``, of all for None."""


class AdaptingLearner(nn.Module):
    """Transform, network, and an inner loop that learns each episode's labelled images before it judges its queries.

    Args:
        transform: normalising.
        network: what learns.
        inner: the inner loop.
        transductive: judge all queries of an episode together, so that the norms use their statistics; otherwise, in
            evaluation, each beside the labelled images alone. Training always judges them together.
    """

    channels_last = False
    adapts = True

    def __init__(
        self, *, transform: EpisodeTransform, network: TaskNetwork, inner: InnerLoop, transductive: bool
    ) -> None:
        super().__init__()
        self.transform, self.network, self.inner, self.transductive = transform, network, inner, transductive

    def forward(self, episodes: EpisodeBatch, targets: Sequence[EpisodeTarget] | None = None) -> EpisodeOutputs:
        """The logits of each query; targets change nothing.

        Raises:
            ValueError: episodes of another number of classes than the network has.
        """
        if episodes.n_way != self.network.n_way:
            raise ValueError(
                f"this network tells {self.network.n_way} classes apart, but the episodes have {episodes.n_way}: "
                "set model_options.n_way and data.episodes.n_way alike"
            )
        support, queries = (_channels_behind(self.transform(one)) for one in (episodes.support, episodes.queries))
        before = for_each(dict(self.network.named_parameters()), len(episodes))
        loss_of = partial(self._loss_of, support, episodes.support_labels)
        after = self.inner(before, loss_of, support.shape[1], training=self.training)
        together = self.transductive or self.training
        logits = self._logits(after, queries) if together else self._one_by_one(after, support, queries)
        distance = torch.stack([(old - after[name].detach()).square().sum() for name, old in before.items()]).sum()
        return EpisodeOutputs(logits, distance / (2 * len(episodes)), self.transductive)

    def _logits(self, weights: Weights, images: Float[Tensor, "t m h w c"]) -> Float[Tensor, "t m n"]:
        return functional_call(self.network, dict(weights), (images,))  # type: ignore[no-any-return]

    def _loss_of(
        self,
        images: Float[Tensor, "t m h w c"],
        labels: Int64[Tensor, "t m"],
        places: Int64[Tensor, " k"] | None = None,
    ) -> Loss:
        """Cross-entropy, the mean of each episode, summed over episodes."""
        shown, wanted = (images, labels) if places is None else (images[:, places], labels[:, places])

        def loss(weights: Weights) -> Tensor:
            logits = self._logits(weights, shown)
            return F.cross_entropy(logits.flatten(0, 1), wanted.flatten(), reduction="sum") / wanted.shape[1]

        return loss

    def _one_by_one(
        self, weights: Weights, support: Float[Tensor, "t s h w c"], queries: Float[Tensor, "t q h w c"]
    ) -> Float[Tensor, "t q n"]:
        """Each query beside the labelled images, as if it were the only one."""
        found = []
        for place in range(len(queries)):
            count = queries.shape[1]
            own = {name: value[place].expand(count, *value.shape[1:]) for name, value in weights.items()}
            beside = support[place].expand(count, *support.shape[1:])
            images = torch.cat([queries[place][:, None], beside], dim=1)
            found.append(self._logits(own, images)[:, 0])
        return torch.stack(found)

    @torch.no_grad()
    def postprocess(self, outputs: EpisodeOutputs, sizes: Sequence[tuple[int, ...]]) -> list[EpisodePrediction]:
        """The probabilities of each episode."""
        return episode_predictions(outputs, sizes)


def _channels_behind(images: Float[Tensor, "t m c h w"]) -> Float[Tensor, "t m h w c"]:
    return images.permute(0, 1, 3, 4, 2).contiguous()
