"""How often two classes are related by each predicate in training data, which is a relation model by itself (FREQ).

Zellers et al. 2018, "Neural Motifs", arXiv 1711.06640, sections 3 and 4.2: classes of objects say most of how they are
related. Counts are statistics of the network, taken while it is trained, as those of a batch norm are.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from visus.ops.graphs import overlapping
from visus.ops.processes import sum_over_processes
from visus.systems.scene_graphs.outputs import Scene
from visus.types import InstanceTarget

EPSILON = 1e-3
FAR = -1e4
"""The logit of every predicate of a pair that is taken for unrelated."""


class Frequencies(nn.Module):
    """Counts of predicates by the classes of subject and object; the first counts pairs that are not related.

    Args:
        num_classes: categories.
        num_predicates: predicates.
        overlap: count unrelated pairs only where the boxes overlap.
    """

    counts: Tensor

    def __init__(self, num_classes: int, num_predicates: int, *, overlap: bool = False) -> None:
        super().__init__()
        self.overlap = overlap
        self.register_buffer("counts", torch.zeros(num_classes, num_classes, num_predicates + 1))

    @torch.no_grad()
    def observe(self, targets: Sequence[InstanceTarget]) -> None:
        """Counts the relationships of annotated images, of those of all processes; in training alone."""
        if not self.training:
            return
        new = torch.zeros_like(self.counts)
        for target in targets:
            free = ~torch.eye(len(target), dtype=torch.bool, device=target.labels.device)
            if self.overlap:
                free &= overlapping(target.boxes_xyxy)
            if target.relationships is not None and len(target.relationships):
                subject, predicate, object_ = target.relationships.unbind(1)
                free[subject, object_] = False
                _count(new, target.labels[subject], target.labels[object_], predicate + 1)
            first, second = free.nonzero(as_tuple=True)
            _count(new, target.labels[first], target.labels[second], torch.zeros_like(first))
        sum_over_processes(new)
        self.counts += new

    def forward(self, subjects: Int64[Tensor, " p"], objects: Int64[Tensor, " p"]) -> Float[Tensor, "p predicates"]:
        """The logarithm of the share of each predicate, with `EPSILON` added; all alike for classes never met."""
        counts = self.counts[subjects, objects]
        return (counts / counts.sum(dim=1, keepdim=True).clamp(min=1) + EPSILON).log()

    def seen(self) -> Bool[Tensor, "c p c"]:
        """Which triplets of subject, predicate and object were counted."""
        return (self.counts[..., 1:] > 0).transpose(1, 2)


def _count(counts: Tensor, subjects: Tensor, objects: Tensor, predicates: Tensor) -> None:
    ones = torch.ones(len(subjects), device=counts.device)
    counts.index_put_((subjects, objects, predicates), ones, accumulate=True)


class FrequencyModel(nn.Module):
    """FREQ; with ``overlap`` FREQ+OVERLAP, which takes pairs whose boxes are apart for unrelated.

    Args:
        frequencies: the counts.
    """

    def __init__(self, frequencies: Frequencies) -> None:
        super().__init__()
        self.frequencies = frequencies

    def forward(self, scene: Scene) -> tuple[None, Float[Tensor, "p predicates"]]:
        """No judgement of the objects; the logits of the predicates of each pair."""
        subjects, objects = scene.pairs.unbind(1)
        labels = scene.objects.labels
        logits = self.frequencies(labels[subjects], labels[objects])
        if not self.frequencies.overlap:
            return None, logits
        near = overlapping(scene.shares_xyxy)[subjects, objects]
        return None, logits.where(near[:, None] | _unrelated(logits), FAR)


def _unrelated(logits: Tensor) -> Tensor:
    """Which logits say that a pair is not related."""
    first = torch.zeros_like(logits, dtype=torch.bool)
    first[:, 0] = True
    return first
