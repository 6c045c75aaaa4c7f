"""Pure functions on tensors: boxes, suppression, anchors, matching and regions of feature maps."""

from visus.ops.anchors import base_anchors, grid_anchors
from visus.ops.boxes import (
    box_area,
    box_iou,
    clip_boxes,
    cxcywh_to_xyxy,
    decode_boxes,
    encode_boxes,
    generalized_box_iou,
    large_boxes,
    xywh_to_xyxy,
    xyxy_to_cxcywh,
    xyxy_to_xywh,
)
from visus.ops.matching import BACKGROUND, BETWEEN, match_boxes, sample_balanced
from visus.ops.nms import batched_nms, nms
from visus.ops.roi import assign_levels, roi_align

__all__ = [
    "BACKGROUND",
    "BETWEEN",
    "assign_levels",
    "base_anchors",
    "batched_nms",
    "box_area",
    "box_iou",
    "clip_boxes",
    "cxcywh_to_xyxy",
    "decode_boxes",
    "encode_boxes",
    "generalized_box_iou",
    "grid_anchors",
    "large_boxes",
    "match_boxes",
    "nms",
    "roi_align",
    "sample_balanced",
    "xywh_to_xyxy",
    "xyxy_to_cxcywh",
    "xyxy_to_xywh",
]
