"""What few-shot learners return, and how it becomes predictions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from visus.types import EpisodePrediction


@dataclass(frozen=True)
class EpisodeOutputs:
    """What a learner says of the queries of each episode.

    Args:
        logits: of each class for each query; a softmax makes probabilities of them.
        distance: half the squared distance between the weights before and after learning an episode, summed over
            weights and averaged over episodes; None for learners that keep their weights.
        transductive: whether a query was judged with the others in view.
    """

    logits: Float[Tensor, "b q n"]
    distance: Float[Tensor, ""] | None = None
    transductive: bool = False


def episode_predictions(outputs: EpisodeOutputs, sizes: Sequence[tuple[int, ...]]) -> list[EpisodePrediction]:
    """The probabilities of each episode, whose sheets have ``sizes`` (h, w)."""
    scores = outputs.logits.detach().float().softmax(dim=2)
    return [
        EpisodePrediction(some, (int(h), int(w)), outputs.transductive)
        for some, (h, w) in zip(scores, sizes, strict=True)
    ]
