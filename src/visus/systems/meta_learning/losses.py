"""What few-shot learners minimise."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional as F

from visus.systems.meta_learning.outputs import EpisodeOutputs
from visus.types import EpisodeTarget


class EpisodeCriterion:
    """Cross-entropy of the queries' classes, averaged over queries and episodes."""

    def __call__(self, outputs: EpisodeOutputs, targets: Sequence[EpisodeTarget]) -> dict[str, Float[Tensor, ""]]:
        """The loss of a batch."""
        return {"queries": F.cross_entropy(outputs.logits.flatten(0, 1), _labels(targets).flatten())}


class RelationCriterion:
    """Squared distance of scores to 1 for the query's class and 0 for others (arXiv 1711.06025, equation 2)."""

    def __call__(self, outputs: EpisodeOutputs, targets: Sequence[EpisodeTarget]) -> dict[str, Float[Tensor, ""]]:
        """The loss of a batch."""
        wanted = F.one_hot(_labels(targets), outputs.logits.shape[2]).to(outputs.logits)
        return {"relation": F.mse_loss(outputs.logits.sigmoid(), wanted)}


class ReptileCriterion:
    """Half the squared distance to the weights that an episode leads to, which are held fixed.

    Its gradient is theta - theta', so that a step of plain gradient descent with rate epsilon is Reptile's (arXiv
    1803.02999, algorithm 1): theta + epsilon (theta' - theta), averaged over the episodes of a batch.
    """

    def __call__(self, outputs: EpisodeOutputs, targets: Sequence[EpisodeTarget]) -> dict[str, Float[Tensor, ""]]:
        """The loss of a batch."""
        if outputs.distance is None:
            raise ValueError("this loss is for learners whose weights change in an episode, such as reptile_conv4")
        return {"reptile": outputs.distance}


def _labels(targets: Sequence[EpisodeTarget]) -> Int64[Tensor, "b q"]:
    return torch.stack([target.labels for target in targets])
