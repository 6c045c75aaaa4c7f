"""What scene-graph networks learn by: the classes of predicates, attributes and, in context, objects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional as F

from visus.nn.transform import training_objects
from visus.systems.scene_graphs.outputs import Graph, GraphOutputs
from visus.types import InstanceTarget


@dataclass(frozen=True, kw_only=True)
class SceneGraphCriterion:
    """Losses ``predicate`` and ``object`` (cross-entropy) and ``attribute`` (binary cross-entropy over attributes).

    A pair with several predicates counts once for each; pairs without one should be called unrelated. Terms that the
    network cannot learn by are left out: FREQ has ``attribute`` alone.

    Args:
        unrelated_weight: of a pair without a relationship, against 1 of a relationship.
        attribute_weight: factor on the loss of the attributes.
    """

    unrelated_weight: float = 0.3
    attribute_weight: float = 5.0

    def __call__(self, outputs: GraphOutputs, targets: Sequence[InstanceTarget]) -> dict[str, Float[Tensor, ""]]:
        """Named scalars, 0 where there is nothing to learn from."""
        graph = outputs.given
        if graph is None:
            raise ValueError("these outputs were made without targets, which losses need")
        kept = [training_objects(target, target.size) for target in targets]
        losses = {}
        if graph.learned or not graph.attribute_logits.shape[1]:
            losses["predicate"] = self._predicates(graph, kept)
        if graph.object_logits is not None:
            labels = torch.cat([target.labels for target in kept])
            losses["object"] = _mean(F.cross_entropy(graph.object_logits, labels, reduction="none"))
        if graph.attribute_logits.shape[1]:
            losses["attribute"] = self.attribute_weight * _attribute_loss(graph, kept)
        return losses

    def _predicates(self, graph: Graph, targets: Sequence[InstanceTarget]) -> Float[Tensor, ""]:
        pair, predicate = _answers(graph, targets)
        costs = F.cross_entropy(graph.predicate_logits[pair], predicate, reduction="none")
        weights = torch.where(predicate > 0, 1.0, self.unrelated_weight)
        return (costs * weights).sum() / weights.sum().clamp(min=1)


def _answers(graph: Graph, targets: Sequence[InstanceTarget]) -> tuple[Int64[Tensor, " m"], Int64[Tensor, " m"]]:
    """Pairs and their right answers: predicate + 1 for each relationship, 0 for each pair without one."""
    starts = torch.tensor([0, *(len(target) for target in targets)]).cumsum(0)[:-1].tolist()
    rows = [
        target.relationships + torch.tensor([start, 1, start], device=target.relationships.device)
        for target, start in zip(targets, starts, strict=True)
        if target.relationships is not None
    ]
    pairs, count = graph.pairs, len(graph.objects)
    related = torch.cat(rows) if rows else pairs.new_zeros(0, 3)
    places = pairs.new_full((count * count,), -1)
    places[pairs[:, 0] * count + pairs[:, 1]] = torch.arange(len(pairs), device=pairs.device)
    found = places[related[:, 0] * count + related[:, 2]]
    free = torch.ones(len(pairs), dtype=torch.bool, device=pairs.device)
    free[found] = False
    unrelated = free.nonzero()[:, 0]
    return torch.cat([found, unrelated]), torch.cat([related[:, 1], torch.zeros_like(unrelated)])


def _attribute_loss(graph: Graph, targets: Sequence[InstanceTarget]) -> Float[Tensor, ""]:
    known = torch.cat([torch.full((len(t),), t.attributes is not None) for t in targets]).to(graph.pairs.device)
    truth = [target.attributes for target in targets if target.attributes is not None]
    logits = graph.attribute_logits[known]
    wanted = torch.cat(truth).to(logits) if truth else logits.detach()
    return _mean(F.binary_cross_entropy_with_logits(logits, wanted, reduction="none"))


def _mean(costs: Tensor) -> Float[Tensor, ""]:
    """The mean, 0 of nothing."""
    return costs.sum() / max(costs.numel(), 1)
