"""Reptile (Nichol, Achiam, Schulman, arXiv 1803.02999): move the weights towards those that learning a task leads to.

The inner loop is Adam without momentum on small batches of the labelled images, from a fresh state for each task. The
outer step is `ReptileCriterion`'s gradient. Training tasks have more labelled images than the test's (10 on Omniglot).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from visus.systems.meta_learning.adapting import AdaptingLearner, PickedLoss
from visus.systems.meta_learning.inner_loop import Weights, adam_steps
from visus.systems.meta_learning.task_network import TaskNetwork
from visus.systems.meta_learning.transform import EpisodeTransform


@dataclass(frozen=True, kw_only=True)
class AdamLoop:
    """Reptile's inner loop.

    Args:
        batch: labelled images of a step.
        steps: of training.
        test_steps: of evaluation.
        lr: the inner learning rate.
    """

    batch: int
    steps: int
    test_steps: int
    lr: float

    def __call__(
        self, weights: Weights, loss_of: PickedLoss, images: int, *, training: bool
    ) -> dict[str, Float[Tensor, "t ..."]]:
        """The weights of each episode, after steps on small batches of its labelled images."""
        count = self.steps if training else self.test_steps
        same = None if training else torch.Generator().manual_seed(0)  # evaluation draws nothing
        batches = _batches(images, self.batch, count, same)
        return adam_steps(weights, [loss_of(places) for places in batches], lr=self.lr)


def _batches(images: int, batch: int, count: int, generator: torch.Generator | None) -> list[Int64[Tensor, " m"]]:
    """The places of ``count`` small batches; an image comes again once all have come."""
    size = min(batch, images)
    rounds = -(-count * size // images)
    order = torch.cat([torch.randperm(images, generator=generator) for _ in range(rounds)])
    return list(torch.split(order[: count * size], size))


def reptile_conv4(
    *,
    n_way: int = 5,
    channels: int = 1,
    size: int = 28,
    inner_batch: int = 10,
    inner_steps: int = 5,
    test_steps: int = 50,
    inner_lr: float = 1e-3,
    transductive: bool = False,
) -> AdaptingLearner:
    """Reptile on four convolutions of stride 2 with 64 channels; the settings are those of Omniglot, 5-way.

    Args:
        n_way: classes of a task.
        channels: 1 for grey images, 3 for colours.
        size: pixels of a side.
        inner_batch: labelled images of an inner step.
        inner_steps: of training.
        test_steps: of evaluation.
        inner_lr: the inner learning rate.
        transductive: judge all queries of a task together in evaluation.
    """
    network = TaskNetwork(channels=channels, size=size, width=64, n_way=n_way, averaged=False)
    inner = AdamLoop(batch=inner_batch, steps=inner_steps, test_steps=test_steps, lr=inner_lr)
    transform = EpisodeTransform(size=size, channels=channels)
    return AdaptingLearner(transform=transform, network=network, inner=inner, transductive=transductive)
