"""Mask R-CNN's second stage (arXiv 1703.06870): boxes first, then outlines and keypoints of what holds an object."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from visus.ops.keypoints import decode_keypoints
from visus.systems.detection.outputs import Detections, Regions
from visus.systems.detection.roi_heads import RoIHeads
from visus.systems.instances.heads import (
    KeypointBranch,
    KeypointHead,
    KeypointPredictor,
    MaskBranch,
    MaskHead,
    MaskPredictor,
)
from visus.systems.instances.outputs import InstanceDetections, InstanceRegions
from visus.types import InstanceTarget


class InstanceRoIHeads(RoIHeads):
    """The box branch, and beside it a mask branch, a keypoint branch, or both.

    Args:
        boxes: the box branch, whose parts this takes over.
        mask: the mask branch, or None.
        keypoint: the keypoint branch, or None.
    """

    mask_head: MaskHead
    mask_predictor: MaskPredictor
    keypoint_head: KeypointHead
    keypoint_predictor: KeypointPredictor

    def __init__(
        self, boxes: RoIHeads, *, mask: MaskBranch | None = None, keypoint: KeypointBranch | None = None
    ) -> None:
        super().__init__(
            pooling=boxes.pooling,
            box_head=boxes.box_head,
            box_predictor=boxes.box_predictor,
            num_classes=boxes.num_classes,
            sampling=boxes.sampling,
            limits=boxes.limits,
        )
        self.mask, self.keypoint = mask, keypoint
        # The published layout names the parts of the branches as parts of the heads.
        if mask is not None:
            self.mask_head, self.mask_predictor = mask.head, mask.predictor
        if keypoint is not None:
            self.keypoint_head, self.keypoint_predictor = keypoint.head, keypoint.predictor

    def forward(
        self,
        features: Sequence[Float[Tensor, "b c _ _"]],
        proposals: list[Float[Tensor, "_ 4"]],
        targets: list[InstanceTarget],
    ) -> InstanceRegions:
        """Sampled regions with outlines where they hold an object, and keypoints where that object has some."""
        regions = super().forward(features, proposals, targets)
        parts = {field.name: getattr(regions, field.name) for field in fields(Regions)}
        if self.mask is not None:
            rois = (regions.classes > 0).nonzero()[:, 0]
            logits = self.mask(features, regions.boxes_xyxy[rois], regions.image_index[rois], regions.classes[rois] - 1)
            parts |= {"mask_rois": rois, "mask_logits": logits}
        if self.keypoint is not None:
            rois = _with_keypoints(regions, targets)
            logits = self.keypoint(features, regions.boxes_xyxy[rois], regions.image_index[rois])
            parts |= {"keypoint_rois": rois, "keypoint_logits": logits}
        return InstanceRegions(**parts)

    @torch.no_grad()
    def detect(
        self,
        features: Sequence[Float[Tensor, "b c _ _"]],
        proposals: list[Float[Tensor, "_ 4"]],
        sizes: Int64[Tensor, "b 2"],
    ) -> InstanceDetections:
        """The detections of all images with mask probabilities and keypoints, in network pixels."""
        found = super().detect(features, proposals, sizes)
        parts = {field.name: getattr(found, field.name) for field in fields(Detections)}
        if self.mask is not None:
            logits = self.mask(features, found.boxes_xyxy, found.image_index, found.labels)
            parts["mask_probabilities"] = logits.sigmoid()
        if self.keypoint is not None:
            parts |= self._keypoints(self.keypoint, features, found)
        return InstanceDetections(**parts)

    @staticmethod
    def _keypoints(branch: KeypointBranch, features: Sequence[Tensor], found: Detections) -> dict[str, Tensor]:
        """Keypoints of the detections whose category carries them; zeros for the others."""
        chosen = branch.carries(found.labels).nonzero()[:, 0]
        boxes = found.boxes_xyxy[chosen]
        xyv, scores = decode_keypoints(branch(features, boxes, found.image_index[chosen]), boxes)
        places = xyv.new_zeros(len(found.labels), *xyv.shape[1:])
        marks = scores.new_zeros(len(found.labels), scores.shape[1])
        places[chosen], marks[chosen] = xyv, scores
        return {"keypoints_xyv": places, "keypoint_scores": marks}


def _with_keypoints(regions: Regions, targets: list[InstanceTarget]) -> Tensor:
    """The regions whose object has at least one labelled keypoint."""
    labelled = []
    for target in targets:
        if target.keypoints_xyv is None:
            raise ValueError(f"image {target.image_id} has no keypoints, and this network learns them from every image")
        labelled.append((target.keypoints_xyv[..., 2] > 0).any(1))
    starts = torch.tensor([0, *(len(target) for target in targets)], device=regions.classes.device).cumsum(0)
    positive = (regions.classes > 0).nonzero()[:, 0]
    objects = starts[regions.image_index[positive]] + regions.matched[positive]
    return positive[torch.cat(labelled)[objects]] if len(positive) else positive
