"""At which rank each annotated relationship is found: what all recalls of scene graphs are counted from.

A predicted triplet (subject, predicate, object) finds an annotated one where the three classes are equal and the boxes
overlap (Lu et al. 2016, arXiv 1608.00187; Xu et al. 2017, arXiv 1701.02426). A triplet may find several annotated ones,
and an annotated one is found once, by the first that fits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from visus.ops.boxes import box_iou
from visus.ops.graphs import around, best_of_pairs
from visus.types import GraphPrediction, InstanceTarget

NEVER = 1 << 30
"""The rank of what is not found."""


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """The conventions that change the digits of recalls of scene graphs; a number without them means nothing.

    Args:
        ks: how many triplets of an image are looked at.
        min_iou: the least overlap of boxes.
        pixels: whether a box from 2 to 5 is 3 pixels wide (``edges``) or 4, as in the published numbers of Visual
            Genome (``inclusive``).
        regions: whether the boxes of subject and object have to overlap each (``both``: relationships) or the box
            around the two (``union``: phrases).
        mean: whether R@K, zR@K are means of the recalls of ``images``, as on Visual Genome, or shares of all
            ``relationships``, as on VRD.
        without_predictions: whether images in which no relationship is predicted count 0 (``zero``), or are
            ``left_out``, as by one public toolkit.
    """

    ks: tuple[int, ...] = (20, 50, 100)
    min_iou: float = 0.5
    pixels: Literal["edges", "inclusive"] = "edges"
    regions: Literal["both", "union"] = "both"
    mean: Literal["images", "relationships"] = "images"
    without_predictions: Literal["zero", "left_out"] = "zero"

    def __post_init__(self) -> None:
        if not self.ks or min(self.ks) < 1:
            raise ValueError(f"ks must be numbers of 1 or more, not {self.ks}")
        if not 0 < self.min_iou <= 1:
            raise ValueError(f"min_iou must be above 0 and at most 1, not {self.min_iou}")

    def __str__(self) -> str:
        """The conventions in a sentence."""
        boxes = "both boxes" if self.regions == "both" else "the box around both"
        rule = "" if self.pixels == "edges" else ", edges inclusive (+1)"
        missing = "count 0" if self.without_predictions == "zero" else "are left out"
        return (
            f"IoU of {boxes} from {self.min_iou:g}{rule}; recall over {self.mean}; images without annotated "
            f"relationships are skipped, images without predictions {missing}"
        )


def ranked(prediction: GraphPrediction, *, constrained: bool) -> Int64[Tensor, "m 3"]:
    """The predicted relationships, best first; ``constrained``: the best alone of each ordered pair of objects.

    Raises:
        ValueError: a relationship of an object that is not there.
    """
    rows = prediction.relationships.cpu()
    ends = rows[:, ::2]
    if len(rows) and not bool(((ends >= 0) & (ends < len(prediction))).all()):
        raise ValueError(f"a relationship has an index that is none of the {len(prediction)} objects")
    scores = prediction.relationship_scores.cpu()
    if constrained:
        return rows[best_of_pairs(rows, scores, len(prediction))]
    return rows[scores.argsort(descending=True, stable=True)]


def found_at(
    rows: Int64[Tensor, "m 3"], prediction: GraphPrediction, target: InstanceTarget, protocol: Protocol
) -> Int64[Tensor, " r"]:
    """The rank, from 0, at which each annotated relationship is found among ``rows``; `NEVER` where it is not."""
    truth = relationships_of(target)
    if not len(rows) or not len(truth):
        return torch.full((len(truth),), NEVER)
    found, known = triplets(rows, prediction.labels.cpu()), triplets(truth, target.labels.cpu())
    fits = (known[:, None] == found[None]).all(dim=2)  # [r, m]
    fits &= _overlapping(truth, target.boxes_xyxy.cpu(), rows, prediction.boxes_xyxy.cpu(), protocol)
    places = torch.arange(len(rows)).expand_as(fits).where(fits, NEVER)
    return places.amin(dim=1)


def on_annotated_pairs(rows: Int64[Tensor, "m 3"], target: InstanceTarget) -> Int64[Tensor, "_ 3"]:
    """Those of ``rows`` whose subject and object are annotated as related; objects have the target's indices."""
    truth = relationships_of(target)
    pairs = truth[:, 0] * len(target) + truth[:, 2]
    return rows[torch.isin(rows[:, 0] * len(target) + rows[:, 2], pairs)]


def relationships_of(target: InstanceTarget) -> Int64[Tensor, "m 3"]:
    """The annotated relationships, none where nothing is said of them."""
    return torch.empty(0, 3, dtype=torch.int64) if target.relationships is None else target.relationships.cpu()


def triplets(rows: Int64[Tensor, "m 3"], labels: Int64[Tensor, " n"]) -> Int64[Tensor, "m 3"]:
    """Relationships by the labels of subject and object instead of their indices."""
    subject, predicate, object_ = rows.unbind(1)
    return torch.stack([labels[subject], predicate, labels[object_]], dim=1)


def _overlapping(truth: Tensor, own: Tensor, rows: Tensor, other: Tensor, protocol: Protocol) -> Tensor:
    """Whether the boxes of each annotated relationship overlap those of each predicted one [r, m]."""
    if protocol.pixels == "inclusive":
        grown = torch.tensor([0.0, 0.0, 1.0, 1.0])
        own, other = own + grown, other + grown
    if protocol.regions == "union":
        return box_iou(_around(truth, own), _around(rows, other)) >= protocol.min_iou
    near = box_iou(own.float(), other.float()) >= protocol.min_iou
    return near[truth[:, 0][:, None], rows[:, 0][None]] & near[truth[:, 2][:, None], rows[:, 2][None]]


def _around(rows: Tensor, boxes: Tensor) -> Float[Tensor, "m 4"]:
    """The box around subject and object of each relationship."""
    return around(boxes[rows[:, 0]].float(), boxes[rows[:, 2]].float())
