"""VTransE (Zhang et al. 2017, arXiv 1702.08319): a predicate is the step from the subject to the object.

Subject and object are mapped into a space of relations, where ``W_s x_s + t_p`` should be ``W_o x_o``. An object is the
probabilities of its classes, its box and its visual features, each with a learned scale. We differ in features of the
detector's box head instead of bilinear sampling.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from visus.ops.boxes import encode_boxes
from visus.systems.scene_graphs.outputs import Scene


class VTransE(nn.Module):
    """Two projections and the logits of their difference.

    Args:
        width: of the box head's vectors.
        hidden: of the space of relations.
        num_classes: categories.
        num_predicates: predicates, without the background.
    """

    def __init__(self, *, width: int, hidden: int, num_classes: int, num_predicates: int) -> None:
        super().__init__()
        features = num_classes + 4 + width
        self.scales = nn.Parameter(torch.ones(3))
        self.subject, self.object = nn.Linear(features, hidden), nn.Linear(features, hidden)
        self.predicates = nn.Linear(hidden, num_predicates + 1)

    def forward(self, scene: Scene) -> tuple[None, Float[Tensor, "p predicates"]]:
        """No judgement of the objects; the logits of the predicates of each pair."""
        subjects, objects = scene.pairs.unbind(1)
        first = self._features(scene, subjects, objects)
        second = self._features(scene, objects, subjects)
        return None, self.predicates(torch.relu(self.object(second) - self.subject(first)))

    def _features(self, scene: Scene, own: Tensor, other: Tensor) -> Float[Tensor, "p features"]:
        """Classes, the box relative to the other's (equation 5), and visual features."""
        boxes = scene.shares_xyxy
        moved = encode_boxes(boxes[own], boxes[other], weights=(1.0, 1.0, 1.0, 1.0)).nan_to_num().clamp(-10, 10)
        parts = (scene.objects.class_scores[own], moved, scene.vectors[own])
        return torch.cat([part * scale for part, scale in zip(parts, self.scales, strict=True)], dim=1)
