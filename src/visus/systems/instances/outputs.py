"""What Mask R-CNN adds to Faster R-CNN's outputs: outlines and keypoints of regions and of detections."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float, Int64
from torch import Tensor

from visus.systems.detection.outputs import Detections, Regions


@dataclass(frozen=True)
class InstanceRegions(Regions):
    """Sampled regions, some of them outlined and some with keypoints.

    Args:
        mask_rois: which regions have ``mask_logits``: those with an object.
        mask_logits: the outline in the channel of the region's own class.
        keypoint_rois: which regions have ``keypoint_logits``: those whose object has a labelled keypoint.
        keypoint_logits: one map of places per keypoint.
    """

    mask_rois: Int64[Tensor, " p"] | None = None
    mask_logits: Float[Tensor, "p m m"] | None = None
    keypoint_rois: Int64[Tensor, " q"] | None = None
    keypoint_logits: Float[Tensor, "q k s s"] | None = None


@dataclass(frozen=True)
class InstanceDetections(Detections):
    """Detections with the probability of each cell of the box to be object, and keypoints in network pixels."""

    mask_probabilities: Float[Tensor, "n m m"] | None = None
    keypoints_xyv: Float[Tensor, "n k 3"] | None = None
    keypoint_scores: Float[Tensor, "n k"] | None = None
