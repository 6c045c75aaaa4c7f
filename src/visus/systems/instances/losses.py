"""The two losses that Mask R-CNN adds (arXiv 1703.06870, section 3 and section 5).

Masks: binary cross-entropy over the cells of each region that holds an object, in the channel of its class. Keypoints:
for each visible keypoint inside the region, cross-entropy over all cells, exactly one of which is right.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional as F

from visus.nn.transform import scale_boxes, size_pairs, training_targets
from visus.ops.keypoints import encode_keypoints
from visus.ops.roi import roi_align
from visus.systems.detection.losses import DetectionCriterion, sampled_regions
from visus.systems.detection.outputs import DetectionOutputs
from visus.systems.instances.outputs import InstanceRegions
from visus.types import InstanceTarget


@dataclass(frozen=True, kw_only=True)
class InstanceCriterion(DetectionCriterion):
    """Faster R-CNN's four losses, and ``mask`` and ``keypoint`` for the branches that the network has.

    The arguments are those of `DetectionCriterion`.
    """

    def __call__(self, outputs: DetectionOutputs, targets: Sequence[InstanceTarget]) -> dict[str, Float[Tensor, ""]]:
        """Named scalars; their sum is what training minimises.

        Raises:
            ValueError: the outputs were made without targets, or a target lacks what a branch learns.
        """
        losses = super().__call__(outputs, targets)
        regions = sampled_regions(outputs)
        if not isinstance(regions, InstanceRegions):
            return losses
        sizes, objects = size_pairs(outputs.image_sizes), training_targets(targets, outputs.image_sizes)
        if regions.mask_rois is not None and regions.mask_logits is not None:
            losses["mask"] = mask_loss(regions.mask_logits, regions, regions.mask_rois, objects, sizes)
        if regions.keypoint_rois is not None and regions.keypoint_logits is not None:
            losses["keypoint"] = keypoint_loss(regions.keypoint_logits, regions, regions.keypoint_rois, objects, sizes)
        return losses


def mask_loss(
    logits: Float[Tensor, "p m m"],
    regions: InstanceRegions,
    rois: Int64[Tensor, " p"],
    objects: Sequence[InstanceTarget],
    sizes: Sequence[tuple[int, int]],
) -> Float[Tensor, ""]:
    """Mean binary cross-entropy against the objects' masks cut out by the regions; zero (with gradient) without any."""
    if not len(rois):
        return logits.sum() * 0
    wanted = logits.new_zeros(logits.shape)
    for image, target in enumerate(objects):
        mine = (regions.image_index[rois] == image).nonzero()[:, 0]
        if target.masks is None:
            raise ValueError(f"image {target.image_id} has no masks, and this network learns them from every image")
        if len(mine):
            boxes = scale_boxes(regions.boxes_xyxy[rois[mine]], sizes[image], target.size)
            cut = roi_align(
                [target.masks[:, None].to(boxes)], boxes, regions.matched[rois[mine]], logits.shape[-1], [1]
            )
            wanted[mine] = cut[:, 0].to(wanted)
    return F.binary_cross_entropy_with_logits(logits, wanted)


def keypoint_loss(
    logits: Float[Tensor, "q k s s"],
    regions: InstanceRegions,
    rois: Int64[Tensor, " q"],
    objects: Sequence[InstanceTarget],
    sizes: Sequence[tuple[int, int]],
) -> Float[Tensor, ""]:
    """Mean cross-entropy over the cells, for labelled keypoints inside their region; zero with gradient without."""
    places, counted = [], []
    for image, target in enumerate(objects):
        mine = rois[regions.image_index[rois] == image]
        if target.keypoints_xyv is not None and len(mine):
            boxes = scale_boxes(regions.boxes_xyxy[mine], sizes[image], target.size)
            place, valid = encode_keypoints(target.keypoints_xyv[regions.matched[mine]], boxes, logits.shape[-1])
            places.append(place)
            counted.append(valid)
    # The regions of an image are neighbours, so image after image is the order of the logits.
    valid = torch.cat(counted).flatten() if counted else logits.new_zeros(0, dtype=torch.bool)
    if not bool(valid.any()):
        return logits.sum() * 0
    return F.cross_entropy(logits.flatten(0, 1).flatten(1)[valid], torch.cat(places).flatten()[valid])
