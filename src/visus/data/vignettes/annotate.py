"""Ground truth from what was drawn: masks, boxes, keypoints and the semantic map of one canvas."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from numpy.typing import NDArray
from torch import Tensor

from visus.data.vignettes.canvas import FIRST_STUFF, Landmark

NUM_KEYPOINTS = 17


def visible_masks(owners: NDArray[np.uint8], count: int) -> Bool[Tensor, "n h w"]:
    """What is seen of each of ``count`` objects."""
    numbers = np.arange(count, dtype=np.uint8)
    return torch.from_numpy(owners[None] == numbers[:, None, None])


def tight_boxes(masks: Bool[Tensor, "n h w"]) -> Float[Tensor, "n 4"]:
    """The smallest xyxy box around each mask, none of which may be empty."""
    seen = masks.numpy()
    rows, columns = np.logical_or.reduce(seen, axis=2), np.logical_or.reduce(seen, axis=1)
    left, top = columns.argmax(1), rows.argmax(1)
    right = columns.shape[1] - columns[:, ::-1].argmax(1)
    bottom = rows.shape[1] - rows[:, ::-1].argmax(1)
    return torch.from_numpy(np.stack((left, top, right, bottom), axis=1).astype(np.float32))


def seen_keypoints(landmarks: Sequence[dict[int, Landmark]], parts: NDArray[np.uint8]) -> Float[Tensor, "n k 3"]:
    """x, y and v of each object's keypoints.

    v is 2 where a part that shows the keypoint is seen there, 1 where something hides it, and 0 outside the picture and
    for objects without keypoints.
    """
    height, width = parts.shape
    found = np.zeros((len(landmarks), NUM_KEYPOINTS, 3), dtype=np.float32)
    for row, marks in enumerate(landmarks):
        for index, mark in marks.items():
            if not (0 <= mark.x < width and 0 <= mark.y < height):
                continue
            x, y = int(mark.x), int(mark.y)
            around = parts[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2]
            found[row, index] = mark.x, mark.y, 2 if any(part in around for part in mark.parts) else 1
    return torch.from_numpy(found)


def semantic_map(owners: NDArray[np.uint8], labels: Sequence[int], num_classes: int) -> UInt8[Tensor, "h w"]:
    """The class of each pixel: an object's label, or ``num_classes`` plus the number of the stuff."""
    objects = bytes(labels).ljust(FIRST_STUFF, b"\0")
    stuff = bytes(range(num_classes, num_classes + 256 - FIRST_STUFF))
    classes = bytearray(owners.tobytes().translate(objects + stuff))
    return torch.frombuffer(classes, dtype=torch.uint8).view(owners.shape)
