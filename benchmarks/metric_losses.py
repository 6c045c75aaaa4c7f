"""Losses of metric learning, forward and backward, against pytorch-metric-learning's of the same definition.

Run ``python benchmarks/metric_losses.py`` in an environment that has pytorch-metric-learning. Both sides get the same
embeddings: classes of four items that overlap, of which some pairs of different classes are nearer than the margins.
Where the definitions differ by default, the settings make them agree, which the tests check to the digit:

- contrastive: first power, mean over the pairs that cost something. ``contrastive (paper)`` is ours with its defaults
  against the same, as the peer has no second power.
- lifted_structure: the paper's, both in a batch of 128, since the peer's needs pairs x negatives numbers (12 GB for
  1024); in the large batch the paper's loss of ours, and the generalised one, against the peer's generalised one.
- npairs: inner products of embeddings of any length. proxy_nca: the positive in the denominator, for the classes of the
  batch and for as many as Stanford Online Products has.
- margin: distance-weighted sampling included. triplet: batch hard; ``triplet (semi-hard)`` is FaceNet's choice of one
  negative for each pair, where the peer takes every semi-hard one.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from importlib import metadata
from pathlib import Path

import torch
from interleaved import Cases, run
from torch import Tensor, nn

CLASSES, PER_CLASS, DIMENSIONS = 256, 4, 512
SMALL_CLASSES, MANY_CLASSES = 32, 11318
SIZES = {"classes": CLASSES, "items of a class": PER_CLASS, "dimensions": DIMENSIONS, "many classes": MANY_CLASSES}
PEER = "pytorch-metric-learning"

Loss = Callable[[Tensor, Tensor], Tensor]


def ours() -> Cases:
    from visus.systems.metric_learning import losses

    lifted, batch_hard = losses.LiftedStructureLoss(), losses.TripletLoss(mining="batch_hard", margin=0.2)
    generalised = losses.LiftedStructureLoss(variant="generalised")
    proxies = partial(losses.ProxyNCALoss, embedding_dim=DIMENSIONS, positive_in_denominator=True)
    return _cases(
        {
            "contrastive": losses.ContrastiveLoss(power=1, average="nonzero"),
            "contrastive (paper)": losses.ContrastiveLoss(),
            "lifted_structure (batch of 128)": lifted,
            "lifted_structure (generalised)": generalised,
            "lifted_structure (paper, theirs generalised)": lifted,
            "npairs": losses.NPairsLoss(l2_weight=0),
            "proxy_nca": proxies(num_classes=CLASSES),
            "proxy_nca (many classes)": proxies(num_classes=MANY_CLASSES),
            "margin": losses.MarginLoss(num_classes=CLASSES),
            "triplet (batch hard)": batch_hard,
            "triplet (semi-hard)": losses.TripletLoss(squared=False),
        }
    )


def theirs() -> Cases:
    from pytorch_metric_learning import distances, losses, miners, reducers

    free = {"distance": distances.LpDistance(normalize_embeddings=False)}
    contrastive, generalised = losses.ContrastiveLoss(), losses.GeneralizedLiftedStructureLoss(**free)
    proxies = partial(losses.ProxyNCALoss, embedding_size=DIMENSIONS)
    triplet = losses.TripletMarginLoss(margin=0.2, reducer=reducers.MeanReducer(), **free)
    return _cases(
        {
            "contrastive": contrastive,
            "contrastive (paper)": contrastive,
            "lifted_structure (batch of 128)": losses.LiftedStructureLoss(**free),
            "lifted_structure (generalised)": generalised,
            "lifted_structure (paper, theirs generalised)": generalised,
            "npairs": losses.NPairsLoss(distance=distances.DotProductSimilarity(normalize_embeddings=False)),
            "proxy_nca": proxies(CLASSES),
            "proxy_nca (many classes)": proxies(MANY_CLASSES),
            "margin": _Mined(losses.MarginLoss(learn_beta=True, num_classes=CLASSES), miners.DistanceWeightedMiner()),
            "triplet (batch hard)": _Mined(triplet, miners.BatchHardMiner(**free)),
            "triplet (semi-hard)": _Mined(
                losses.TripletMarginLoss(margin=0.2), miners.TripletMarginMiner(0.2, "semihard")
            ),
        }
    )


class _Mined(nn.Module):
    """A loss of the peer with the miner that chooses its triplets."""

    def __init__(self, loss: nn.Module, miner: nn.Module) -> None:
        super().__init__()
        self.loss, self.miner = loss, miner

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        value: Tensor = self.loss(embeddings, labels, self.miner(embeddings, labels))
        return value


def _cases(losses: dict[str, nn.Module]) -> Cases:
    cases = {}
    for name, loss in losses.items():
        embeddings, labels = overlapping_classes(SMALL_CLASSES if "128" in name else CLASSES)
        cases[name] = partial(_step, loss, embeddings, labels)
    return cases


def _step(loss: nn.Module, embeddings: Tensor, labels: Tensor) -> None:
    embeddings.grad = None
    loss.zero_grad(set_to_none=True)
    loss(embeddings, labels).backward()


def overlapping_classes(classes: int) -> tuple[Tensor, Tensor]:
    """Embeddings that need a gradient, and their labels.

    After normalisation, distances are 0.76 on average within a class, and 1.01 in the median to other classes, three
    tenths of them below 1: all items share a direction, and groups of eight classes another.
    """
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(classes).repeat_interleave(PER_CLASS)
    random = partial(torch.randn, generator=generator)
    group = random(classes // 8, DIMENSIONS)[labels // 8]
    embeddings = random(1, DIMENSIONS) + 0.5 * group + 0.5 * random(classes, DIMENSIONS)[labels]
    embeddings = embeddings + 0.8 * random(len(labels), DIMENSIONS)
    return (embeddings / embeddings.norm(dim=1).mean()).requires_grad_(), labels


if __name__ == "__main__":
    run(__file__, ours, theirs, {**SIZES, PEER: metadata.version(PEER)}, peer=Path(sys.executable))
