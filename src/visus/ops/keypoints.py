"""Keypoints: between points in the image and heat maps over boxes, mirrored, and compared.

A keypoint head (He et al. 2017, Mask R-CNN, section 3.1) answers with an ``m`` x ``m`` map of logits over each box, one
map a keypoint, and learns which one cell holds the point. Reading it back enlarges the map to the pixels of its box by
bicubic interpolation and takes the highest pixel. Bicubic interpolation is separable, so the enlarged maps of all
keypoints of many boxes are two batched matrix products; boxes of a similar size go together.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

_CUBIC = -0.75  # the slope of the bicubic kernel that image libraries share (Keys 1981, equation 15, with a = -0.75)
_CHUNK_ELEMENTS = 1 << 26  # numbers that the enlarged maps of one step may hold: 256 MB of fp32
_CACHE_ELEMENTS = 1 << 18  # and on a CPU, where what leaves the cache is slow


def encode_keypoints(
    keypoints_xyv: Float[Tensor, "r k 3"], boxes: Float[Tensor, "r 4"], m: int
) -> tuple[Int64[Tensor, "r k"], Bool[Tensor, "r k"]]:
    """Finds the cell of an ``m`` x ``m`` grid over the box that holds each keypoint.

    Args:
        keypoints_xyv: x and y in pixels, v > 0 where the point is labelled.
        boxes: one xyxy box for each row of keypoints.
        m: cells along a side.

    Returns:
        The cell, row by row, 0 where there is none; and whether the point is labelled and lies in the box. A point on
        the right or lower edge belongs to the last cell.
    """
    low, high = boxes[:, None, :2], boxes[:, None, 2:]  # [r, 1, 2]
    points = keypoints_xyv[..., :2]
    cell = ((points - low) * (m / (high - low))).floor()
    cell = torch.where(points == high, m - 1, cell)  # [r, k, 2]
    valid = ((cell >= 0) & (cell < m)).all(dim=-1) & (keypoints_xyv[..., 2] > 0)
    cell = cell.where(valid[..., None], 0).long()
    return cell[..., 1] * m + cell[..., 0], valid


def decode_keypoints(
    logits: Float[Tensor, "r k m m"], boxes: Float[Tensor, "r 4"]
) -> tuple[Float[Tensor, "r k 3"], Float[Tensor, "r k"]]:
    """Reads the most likely place of each keypoint from its map.

    Args:
        logits: one map for each keypoint of each box.
        boxes: xyxy in pixels; sides under a pixel count as one.

    Returns:
        x, y in pixels (the middle of the highest pixel of the map enlarged to the box) and v = 1; and the logit there.
    """
    if torch.compiler.is_exporting():
        places, marks = torch.ops.visus.decode_keypoints(logits, boxes)
        return places, marks
    xyv = torch.ones((*logits.shape[:2], 3), device=logits.device)
    scores = torch.zeros(logits.shape[:2], device=logits.device)
    boxes = boxes.float()
    sides = (boxes[:, 2:] - boxes[:, :2]).clamp(min=1)  # [r, 2], width and height
    pixels = sides.ceil()
    with torch.autocast(logits.device.type, enabled=False):
        for chunk, (width, height) in _similar_boxes(pixels, logits.shape[1]):
            columns = _cubic_weights(pixels[chunk, 0], width, logits.shape[-1])
            rows = _cubic_weights(pixels[chunk, 1], height, logits.shape[-2])
            across = logits[chunk].float() @ columns[:, None].mT
            enlarged = rows[:, None] @ across  # [chunk, k, height, width]
            scores[chunk], place = _highest_pixel(enlarged)
            place = torch.minimum(place, pixels[chunk, None] - 1)
            step = (sides / pixels)[chunk, None]
            xyv[chunk, :, :2] = (place + 0.5) * step + boxes[chunk, None, :2]
    return xyv, scores


# To torch.export decoding, whose enlarged maps depend on the boxes, is one operator.
_DECODE = torch.library.custom_op(
    "visus::decode_keypoints",
    decode_keypoints,
    mutates_args=(),
    schema="(Tensor logits, Tensor boxes) -> (Tensor, Tensor)",
)
_DECODE.register_fake(
    lambda logits, boxes: (
        logits.new_empty(*logits.shape[:2], 3, dtype=torch.float32),
        logits.new_empty(logits.shape[:2], dtype=torch.float32),
    )
)


def _similar_boxes(pixels: Float[Tensor, "r 2"], k: int) -> Iterator[tuple[Int64[Tensor, " chunk"], tuple[int, int]]]:
    """Splits boxes into groups, each with the (width, height) that holds all of it, within the budget of memory."""
    budget = _CACHE_ELEMENTS if pixels.device.type == "cpu" else _CHUNK_ELEMENTS
    order = pixels.amax(dim=1).argsort()
    chosen: list[int] = []
    size = (0, 0)
    for index, (w, h) in zip(order.tolist(), pixels[order].long().tolist(), strict=True):
        grown = (max(size[0], w), max(size[1], h))
        if chosen and (len(chosen) + 1) * k * grown[0] * grown[1] > budget:
            yield torch.tensor(chosen, device=pixels.device), size
            chosen, grown = [], (w, h)
        chosen.append(index)
        size = grown
    if chosen:
        yield torch.tensor(chosen, device=pixels.device), size


def _cubic_weights(pixels: Float[Tensor, " r"], length: int, m: int) -> Float[Tensor, "r length m"]:
    """The weight of each of ``m`` cells for each pixel; pixels beyond a box's own repeat its last one."""
    index = torch.minimum(torch.arange(length, device=pixels.device), pixels[:, None] - 1)  # [r, length]
    source = (m / pixels[:, None]) * (index + 0.5) - 0.5
    cell = torch.arange(-2, m + 2, device=pixels.device, dtype=torch.float32)
    x = (source[..., None] - cell).abs()
    near = ((_CUBIC + 2) * x - (_CUBIC + 3)) * x * x + 1
    far = ((_CUBIC * x - 5 * _CUBIC) * x + 8 * _CUBIC) * x - 4 * _CUBIC
    weights = torch.where(x <= 1, near, torch.where(x < 2, far, 0.0))
    # The map goes on beyond its edge with the value at the edge: what falls there counts for the outermost cell.
    weights[..., 2] += weights[..., :2].sum(dim=-1)
    weights[..., -3] += weights[..., -2:].sum(dim=-1)
    return weights[..., 2:-2]


def _highest_pixel(maps: Float[Tensor, "r k h w"]) -> tuple[Float[Tensor, "r k"], Float[Tensor, "r k 2"]]:
    """The highest value of each map and its column and row, the first in reading order where several are equal."""
    best_of_row = maps.amax(dim=-1)
    y = best_of_row.argmax(dim=-1)  # [r, k]
    row = maps.gather(2, y[..., None, None].expand(-1, -1, 1, maps.shape[-1])).squeeze(2)  # [r, k, w]
    x = row.argmax(dim=-1, keepdim=True)
    return row.gather(-1, x).squeeze(-1), torch.stack((x.squeeze(-1), y), dim=-1).float()


def flip_keypoints(
    keypoints_xyv: Float[Tensor, "n k 3"], width: int | float, flip_pairs: Sequence[tuple[int, int]]
) -> Float[Tensor, "n k 3"]:
    """Mirrors keypoints left to right in an image of ``width`` pixels.

    ``flip_pairs`` names the points that change places, such as the left and the right eye. Unlabelled points (v = 0)
    stay at 0, 0.
    """
    order = list(range(keypoints_xyv.shape[1]))
    for left, right in flip_pairs:
        order[left], order[right] = right, left
    x, y, v = keypoints_xyv[:, order].unbind(-1)
    labelled = v > 0
    return torch.stack(((width - x).where(labelled, 0), y.where(labelled, 0), v), dim=-1)


def object_keypoint_similarity(
    targets_xyv: Float[Tensor, "n k 3"],
    predictions_xyv: Float[Tensor, "m k 3"],
    areas: Float[Tensor, " n"],
    sigmas: Float[Tensor, " k"] | Sequence[float],
) -> Float[Tensor, "n m"]:
    """COCO's measure of how near a predicted set of keypoints is to an annotated one, from 0 to 1.

    The mean over the labelled points of ``exp(-d^2 / (2 s^2 (2 sigma)^2))`` with ``s^2`` the object's area
    (https://cocodataset.org/#keypoints-eval); 0 for an object without a labelled point.
    """
    spread = (2 * torch.as_tensor(sigmas, dtype=torch.float32, device=targets_xyv.device)) ** 2
    distance = (targets_xyv[:, None, :, :2] - predictions_xyv[None, :, :, :2]).square().sum(dim=-1)  # [n, m, k]
    near = torch.exp(-distance / (2 * spread * areas[:, None, None].clamp(min=torch.finfo(torch.float32).eps)))
    labelled = (targets_xyv[:, None, :, 2] > 0).float()
    return (near * labelled).sum(dim=-1) / labelled.sum(dim=-1).clamp(min=1)
