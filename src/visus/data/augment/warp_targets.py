"""What is known of an image, drawn through the map that the image is drawn through."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from visus.data.augment.mirror import UNKNOWN, Mirror, mirrored_meaning
from visus.data.augment.warp import Warp, warp_image, warp_maps
from visus.ops.boxes import box_area, clip_boxes, large_boxes
from visus.ops.masks import masks_to_boxes
from visus.types import VOID, ClassTarget, EpisodeTarget, ImageTarget, InstanceTarget, Sample, SemanticTarget, row


def warp_sample(sample: Sample, warp: Warp, *, mirror: Mirror = UNKNOWN, min_visible: float = 0.0) -> Sample:
    """Draw a sample through ``warp``; see `warp_objects` for what happens to objects that the canvas cuts."""
    target = warp_target(sample.target, warp, mirror=mirror, min_visible=min_visible)
    return replace(sample, input=warp_image(sample.input, warp), target=target)


def warp_target(target: Any, warp: Warp, *, mirror: Mirror = UNKNOWN, min_visible: float = 0.0) -> Any:
    """Draw whatever is known of an image through ``warp``: objects, the classes of pixels, or a class and its box.

    Args:
        target: the annotations.
        warp: the map.
        mirror: what labels and keypoints become where ``warp`` mirrors; targets with keypoints need it.
        min_visible: the least fraction of its area that an object keeps.

    Raises:
        NoRowError: a kind of target that `WARPED` does not know.
        ValueError: ``warp`` mirrors keypoints of which nobody knows which change places.
    """
    warped = row(WARPED, target, "warping")(target, warp, min_visible)
    return mirrored_meaning(warped, mirror) if warp.mirrored else warped


def warp_objects(target: InstanceTarget, warp: Warp, min_visible: float = 0.0) -> InstanceTarget:
    """Draw annotations through ``warp``; labels and the order of keypoints stay as they are.

    Boxes of objects that the canvas cuts, or that are turned, are drawn anew around what is left of their masks;
    without masks they are the clipped bounds of the warped corners. Areas scale with the map and with the part that is
    left. Keypoints outside the canvas become unlabelled. Objects of which less than ``min_visible`` is left, or
    nothing, or that become thinner than a pixel, are dropped.

    Args:
        target: the annotations.
        warp: the map.
        min_visible: the least fraction of its area that an object keeps.
    """
    matrix = warp.matrix()
    corners = _warped_bounds(target.boxes_xyxy, matrix)
    boxes = clip_boxes(corners, warp.canvas)
    visible = box_area(boxes) / box_area(corners).clamp(min=1e-12)
    magnified = warp.rows.scale * warp.columns.scale  # turning and mirroring keep areas
    masks = None
    if target.masks is not None:
        masks = warp_maps(target.masks, warp)
        cut = (boxes != corners).any(dim=1) | (warp.degrees != 0)
        boxes, visible = _around_masks(boxes, visible, target.masks, masks, cut, magnified)
    points = target.keypoints_xyv
    if points is not None:
        points = _warped_keypoints(points, warp)
    became_thin = ~large_boxes(boxes, 1.0) & large_boxes(target.boxes_xyxy, 1.0)
    keep = (visible >= min_visible) & (visible > 0) & (boxes[:, 2:] > boxes[:, :2]).all(dim=1) & ~became_thin
    warped = replace(
        target,
        boxes_xyxy=boxes,
        areas=target.areas * (magnified * visible),
        size=warp.canvas,
        masks=masks,
        keypoints_xyv=points,
    )
    return warped if bool(keep.all()) else warped[keep]


def warp_pixels(target: SemanticTarget, warp: Warp, min_visible: float = 0.0) -> SemanticTarget:
    """Draw the classes of pixels through ``warp``; what comes from outside of the image is `VOID`."""
    return replace(target, labels=warp_maps(target.labels[None], warp, outside=VOID)[0], size=warp.canvas)


def warp_class(target: ClassTarget, warp: Warp, min_visible: float = 0.0) -> ClassTarget:
    """The class stays; its box is clipped to the canvas, and none where nothing of it is left."""
    if target.box_xyxy is None:
        return replace(target, size=warp.canvas)
    box = clip_boxes(_warped_bounds(target.box_xyxy[None], warp.matrix()), warp.canvas)[0]
    seen = bool((box[2:] > box[:2]).all())
    return replace(target, box_xyxy=box if seen else None, size=warp.canvas)


def warp_real(target: ImageTarget, warp: Warp, min_visible: float = 0.0) -> ImageTarget:
    """The image with its outlines; no object is dropped, as the graph of the image has all of them."""
    return replace(
        target,
        pixels=warp_image(target.pixels, warp),
        boxes_xyxy=clip_boxes(_warped_bounds(target.boxes_xyxy, warp.matrix()), warp.canvas),
        size=warp.canvas,
        masks=None if target.masks is None else warp_maps(target.masks, warp),
    )


def _warped_bounds(boxes: Float[Tensor, "n 4"], matrix: Float64[Tensor, "2 3"]) -> Float[Tensor, "n 4"]:
    """The bounds of the warped corners of each box."""
    corners = boxes[:, [0, 1, 2, 1, 0, 3, 2, 3]].view(-1, 4, 2).double()
    moved = corners @ matrix[:, :2].T + matrix[:, 2]  # [n, 4, 2]
    return torch.cat((moved.amin(dim=1), moved.amax(dim=1)), dim=1).to(boxes.dtype)


def _around_masks(
    boxes: Tensor, visible: Tensor, before: Tensor, after: Tensor, cut: Tensor, magnified: float
) -> tuple[Tensor, Tensor]:
    """Boxes and visible fractions of the objects in ``cut`` from what is left of their masks."""
    if not cut.any():
        return boxes, visible
    pixels = before[cut].sum(dim=(1, 2))
    drawn = after[cut]
    tight = masks_to_boxes(drawn).to(boxes.dtype)
    clipped = boxes[cut]
    tight = torch.cat((torch.maximum(tight[:, :2], clipped[:, :2]), torch.minimum(tight[:, 2:], clipped[:, 2:])), dim=1)
    left = (drawn.sum(dim=(1, 2)) / (pixels.clamp(min=1) * magnified)).clamp(max=1).to(visible.dtype)
    known = pixels > 0
    boxes, visible = boxes.clone(), visible.clone()
    boxes[cut] = torch.where(known[:, None], tight, clipped)
    visible[cut] = torch.where(known, left, visible[cut])
    return boxes, visible


def _warped_keypoints(points: Float[Tensor, "n k 3"], warp: Warp) -> Float[Tensor, "n k 3"]:
    matrix = warp.matrix()
    height, width = warp.canvas
    xy = (points[..., :2].double() @ matrix[:, :2].T + matrix[:, 2]).to(points.dtype)
    inside = (xy >= 0).all(dim=-1) & (xy[..., 0] <= width) & (xy[..., 1] <= height) & (points[..., 2] > 0)
    moved: Tensor = torch.cat((xy, points[..., 2:]), dim=-1) * inside[..., None]
    return moved


WARPED: dict[type, Callable[[Any, Warp, float], Any]] = {
    InstanceTarget: warp_objects,
    SemanticTarget: warp_pixels,
    ClassTarget: warp_class,
    ImageTarget: warp_real,
    EpisodeTarget: lambda target, warp, min_visible: replace(target, size=warp.canvas),
}
"""How each kind of target goes through a warp; what its numbers mean in a mirror is `MIRRORED`'s to say."""
