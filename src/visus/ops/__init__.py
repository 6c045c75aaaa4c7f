"""Pure functions on tensors: boxes, suppression, anchors, matching, regions of feature maps, masks and keypoints."""

from visus.ops.anchors import base_anchors, grid_anchors, top_of_levels
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
from visus.ops.keypoints import decode_keypoints, encode_keypoints, flip_keypoints, object_keypoint_similarity
from visus.ops.masks import mask_iou, masks_to_boxes, paste_masks, rle_area, rle_decode, rle_encode
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
    "decode_keypoints",
    "encode_boxes",
    "encode_keypoints",
    "flip_keypoints",
    "generalized_box_iou",
    "grid_anchors",
    "large_boxes",
    "mask_iou",
    "masks_to_boxes",
    "match_boxes",
    "nms",
    "object_keypoint_similarity",
    "paste_masks",
    "rle_area",
    "rle_decode",
    "rle_encode",
    "roi_align",
    "sample_balanced",
    "top_of_levels",
    "xywh_to_xyxy",
    "xyxy_to_cxcywh",
    "xyxy_to_xywh",
]
