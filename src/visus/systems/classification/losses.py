"""The losses of classification with localisation.

Cross-entropy, against a label, against the probabilities of a mixed image, or smoothed (Szegedy et al., arXiv
1512.00567, section 7). For images with an annotated box also smooth L1 on its edges (Fast R-CNN, arXiv 1504.08083,
equation 3) plus 1 - GIoU (arXiv 1902.09630, algorithm 1).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional as F

from visus.nn.transform import scale_boxes, size_pairs
from visus.ops.boxes import generalized_box_iou
from visus.systems.classification.outputs import ClassificationOutputs
from visus.types import ClassTarget

BETA = 0.05
"""Where smooth L1 turns from a parabola to a line, as a share of the image's side."""


@dataclass(frozen=True, kw_only=True)
class ClassificationCriterion:
    """Losses ``class`` and, of outputs with boxes, ``box``.

    Args:
        label_smoothing: the share of the probability that all classes get evenly.
        box_weight: factor on the loss of the boxes; None for 1.
    """

    label_smoothing: float = 0.0
    box_weight: float | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.label_smoothing < 1:
            raise ValueError(f"label_smoothing must lie in 0..1, below 1, not {self.label_smoothing}")

    def __call__(self, outputs: ClassificationOutputs, targets: Sequence[ClassTarget]) -> dict[str, Float[Tensor, ""]]:
        """Named scalars; their sum is what training minimises. Images without a box count for their class alone.

        Raises:
            ValueError: a ``box_weight`` for a network that finds no boxes.
        """
        losses = {"class": self.class_loss(outputs.logits, targets)}
        if outputs.boxes_xyxy is not None:
            weight = 1.0 if self.box_weight is None else self.box_weight
            losses["box"] = weight * box_loss(outputs.boxes_xyxy, outputs.image_sizes, targets)
        elif self.box_weight is not None:
            raise ValueError("box_weight is read for networks that find boxes; build this one with boxes=True")
        return losses

    def class_loss(self, logits: Float[Tensor, "b classes"], targets: Sequence[ClassTarget]) -> Float[Tensor, ""]:
        """The mean cross-entropy of the images."""
        labels = torch.stack([target.label for target in targets]).to(logits.device)
        if all(target.probabilities is None for target in targets):
            return F.cross_entropy(logits, labels, label_smoothing=self.label_smoothing)
        wanted = F.one_hot(labels, logits.shape[1]).to(logits)
        for row, target in zip(wanted, targets, strict=True):
            if target.probabilities is not None:
                row.copy_(target.probabilities)
        return F.cross_entropy(logits, wanted, label_smoothing=self.label_smoothing)


def box_loss(
    boxes_xyxy: Float[Tensor, "b 4"], sizes: Int64[Tensor, "b 2"], targets: Sequence[ClassTarget]
) -> Float[Tensor, ""]:
    """The mean over the images with a box; 0 where none has one.

    Args:
        boxes_xyxy: what was found, in network pixels.
        sizes: the (h, w) of each image in network pixels.
        targets: what is annotated, in pixels of each target's ``size``.
    """
    olds = size_pairs(sizes)
    known = [i for i, target in enumerate(targets) if target.box_xyxy is not None]
    if not known:
        return boxes_xyxy.sum() * 0.0
    frames = [(target.size[0], target.size[1]) for target in targets]
    wanted = [scale_boxes(box, frames[i], olds[i]) for i in known if (box := targets[i].box_xyxy) is not None]
    sides = sizes[known].flip(1).repeat(1, 2).to(boxes_xyxy)  # [n, 4]: width, height, width, height
    found = boxes_xyxy[known] / sides
    truth = torch.stack(wanted).to(boxes_xyxy) / sides
    edges = F.smooth_l1_loss(found, truth, beta=BETA, reduction="none").sum(1)
    return (edges + 1 - generalized_box_iou(found, truth).diagonal()).mean()
